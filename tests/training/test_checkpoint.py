import numpy as np
import pytest

from gastritis_gan.errors import InputError
from gastritis_gan.training.checkpoint import (
    NETWORKS,
    OPTIMIZERS,
    TrainingState,
    load_latest_checkpoint,
    save_checkpoint,
)


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
        metrics={"d_loss/total": np.float32(step), "d_loss/count": np.float32(2)},
    )


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_the_newest_checkpoint_comes_back_bit_for_bit(tmp_path, rng):
    states = [state_at(step, rng) for step in (3, 10, 9)]
    for state in states:
        save_checkpoint(tmp_path, state, keep=2)
    loaded = load_latest_checkpoint(tmp_path)
    assert (loaded.step, loaded.resolution) == (10, 8)
    for groups, expected in (
        (loaded.weights, states[1].weights),
        (loaded.slots, states[1].slots),
        ({"metrics": loaded.metrics}, {"metrics": states[1].metrics}),
    ):
        assert groups.keys() == expected.keys()
        for group, arrays in expected.items():
            assert groups[group].keys() == arrays.keys()
            for name, array in arrays.items():
                np.testing.assert_array_equal(groups[group][name], array)
                assert groups[group][name].dtype == array.dtype


def steps_in(folder):
    return sorted(int(path.stem.removeprefix("step_")) for path in folder.iterdir())


def test_only_the_newest_and_the_wanted_are_kept(tmp_path, rng):
    for step in (1, 2, 3, 4, 5):
        save_checkpoint(tmp_path, state_at(step, rng), keep=2, always=[2, 9])
    assert steps_in(tmp_path) == [2, 4, 5]
    save_checkpoint(tmp_path, state_at(6, rng), keep=1)
    assert steps_in(tmp_path) == [6]


def test_a_checkpoint_no_later_than_a_step(tmp_path, rng):
    for step in (3, 6, 9):
        save_checkpoint(tmp_path, state_at(step, rng), keep=9)
    assert load_latest_checkpoint(tmp_path, last_step=6).step == 6
    assert load_latest_checkpoint(tmp_path, last_step=8).step == 6
    with pytest.raises(InputError, match="no checkpoint of step 2 or before"):
        load_latest_checkpoint(tmp_path, last_step=2)


def test_a_full_disk_leaves_the_previous_checkpoint(tmp_path, rng, monkeypatch):
    save_checkpoint(tmp_path, state_at(1, rng), keep=2)

    def full(stream, **arrays):
        stream.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(InputError, match="disk is full"):
        save_checkpoint(tmp_path, state_at(2, rng), keep=2)
    assert [path.name for path in tmp_path.iterdir()] == ["step_0000000001.npz"]


def test_no_checkpoint_is_named(tmp_path):
    with pytest.raises(InputError, match="holds no checkpoint"):
        load_latest_checkpoint(tmp_path)


def torn(path):
    path.write_bytes(path.read_bytes()[:100])


def rotten(path):
    """Changes one weight and keeps the archive whole, as no torn write could."""
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays["generator/4x4_conv/bias"] = arrays["generator/4x4_conv/bias"] + 1e-3
    with path.open("wb") as stream:
        np.savez(stream, **arrays)


@pytest.mark.parametrize("damage", [torn, rotten])
def test_a_damaged_checkpoint_costs_the_steps_since_the_one_before(
    tmp_path, rng, caplog, damage
):
    for step in (5, 7):
        save_checkpoint(tmp_path, state_at(step, rng), keep=2)
    damage(tmp_path / "step_0000000007.npz")
    assert load_latest_checkpoint(tmp_path).step == 5
    assert "step_0000000007.npz is damaged" in caplog.text
    damage(tmp_path / "step_0000000005.npz")
    with pytest.raises(InputError, match="every checkpoint in"):
        load_latest_checkpoint(tmp_path)
