"""What is meant for GPUs, on a CPU: half precision, operations without determinism."""

import json

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import config

from gastritis_gan.training.fit import fit
from gastritis_gan.training.gan_step import build_gan
from tests.helpers.tiny_run import FakeStore, sections_of, stages_of

STRONG_R1 = {"r1_weight": 20.0, "r1_interval_steps": 1}
WGAN_GP = {"adversarial_loss": "wgan_gp"}


def norms(precision, objective, *, steps, stage_number=1, **sections):
    """Norms of both gradients at each step, and the model, on the same patches."""
    networks = {**sections.pop("networks", {}), "precision": precision}
    spec = stages_of(objective=objective, networks=networks, **sections)[stage_number]
    gan = build_gan(spec)
    stage = spec.stage
    gan.step.assign(stage.first_step + stage.num_steps // 2)  # half faded in
    shape = (stage.batch_size, stage.resolution, stage.resolution, 1)
    patches = np.random.default_rng(5).uniform(-1, 1, shape).astype("float32")
    found = []
    for _ in range(steps):
        gan.reset_metrics()
        logs = gan.train_step((tf.constant(patches),))
        found.append([float(logs[f"{name}_gradient_norm"]) for name in "dg"])
    return np.array(found), gan


@pytest.mark.parametrize(
    ("precision", "objective"),
    [
        pytest.param("mixed_float16", STRONG_R1, id="float16, R1"),
        pytest.param("mixed_bfloat16", WGAN_GP, id="bfloat16, WGAN-GP"),
        pytest.param("mixed_float16", WGAN_GP, marks=pytest.mark.slow),
        pytest.param("mixed_bfloat16", STRONG_R1, marks=pytest.mark.slow),
    ],
)
def test_half_precision_has_the_gradients_of_float32(precision, objective):
    """Through R1 and the gradient penalty, which are gradients of gradients."""
    expected, _ = norms("float32", objective, steps=1)
    found, gan = norms(precision, objective, steps=4)
    assert np.isfinite(found).all()  # of no step that is skipped
    digits = 0.02 if precision == "mixed_float16" else 0.1
    np.testing.assert_allclose(found[0], expected[0], rtol=digits)
    if gan.loss_scale is not None:
        assert float(gan.loss_scale.value) == 2.0**15  # nothing overflowed


@pytest.mark.slow
@pytest.mark.parametrize("objective", [STRONG_R1, WGAN_GP], ids=["R1", "WGAN-GP"])
@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_at_16_pixels(objective, precision):
    found, _ = norms(
        precision,
        objective,
        steps=6,
        stage_number=-2,
        schedule={"final_resolution": 16, "transition_images": 400},
        networks={"fmap_base": 256, "fmap_max": 32},
    )
    assert np.isfinite(found[-4:]).all()  # the loss scale may have to fall first


class WatchedStore(FakeStore):
    """Notes whether operations are deterministic while patches are read."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def window(self, index):
        self.seen.add(config.is_op_determinism_enabled())
        return super().window(index)


@pytest.mark.parametrize(
    "deterministic", [False, pytest.param(True, marks=pytest.mark.slow)]
)
def test_determinism_is_left_off_where_the_experiment_says_so(tmp_path, deterministic):
    store = WatchedStore()
    run = fit(
        sections_of(training={"deterministic": deterministic, "health_patches": 0}),
        store,
        model="dcgan",
        target="positive",
        out=tmp_path / "run",
    )
    assert store.seen == {deterministic}
    assert run.state == "finished"
    record = json.loads((run.path / "run.json").read_text("utf-8"))
    assert record["environment"]["deterministic"] is deterministic
