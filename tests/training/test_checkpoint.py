import numpy as np
import pytest

from gastritis_gan.errors import InputError
from gastritis_gan.training.checkpoint import load_latest_checkpoint, save_checkpoint
from gastritis_gan.training.state import NETWORKS, OPTIMIZERS, TrainingState


def state_at(step, rng):
    def arrays():
        return {
            "4x4_conv/kernel": rng.normal(size=(3, 3, 2, 2)).astype("float32"),
            "4x4_conv/bias": rng.normal(size=2).astype("float32"),
        }

    return TrainingState(
        step=step,
        resolution=8,
        weights={name: arrays() for name in NETWORKS},
        slots={name: {"iterations": np.int64(step)} | arrays() for name in OPTIMIZERS},
    )


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_the_newest_checkpoint_comes_back_bit_for_bit(tmp_path, rng):
    states = [state_at(step, rng) for step in (3, 10, 9)]
    for state in states:
        save_checkpoint(tmp_path, state)
    loaded = load_latest_checkpoint(tmp_path)
    assert (loaded.step, loaded.resolution) == (10, 8)
    for groups, expected in (
        (loaded.weights, states[1].weights),
        (loaded.slots, states[1].slots),
    ):
        assert groups.keys() == expected.keys()
        for group, arrays in expected.items():
            assert groups[group].keys() == arrays.keys()
            for name, array in arrays.items():
                np.testing.assert_array_equal(groups[group][name], array)
                assert groups[group][name].dtype == array.dtype


def test_only_the_newest_two_are_kept(tmp_path, rng):
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, state_at(step, rng))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["step_0000000002.npz", "step_0000000003.npz"]


def test_a_full_disk_leaves_the_previous_checkpoint(tmp_path, rng, monkeypatch):
    save_checkpoint(tmp_path, state_at(1, rng))

    def full(stream, **arrays):
        stream.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(tmp_path, state_at(2, rng))
    assert [path.name for path in tmp_path.iterdir()] == ["step_0000000001.npz"]


def test_no_checkpoint_is_named(tmp_path):
    with pytest.raises(InputError, match="holds no checkpoint"):
        load_latest_checkpoint(tmp_path)


def test_a_torn_checkpoint_is_named(tmp_path, rng):
    save_checkpoint(tmp_path, state_at(5, rng))
    path = tmp_path / "step_0000000005.npz"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"step_0000000005\.npz is damaged"):
        load_latest_checkpoint(tmp_path)
