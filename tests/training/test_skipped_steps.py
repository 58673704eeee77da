"""Steps whose loss or gradient is not finite."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from gastritis_gan.training.gan_step import build_gan, capture_state
from tests.helpers.tiny_run import stages_of


def images(resolution):
    rng = np.random.default_rng(5)
    return rng.uniform(-1, 1, (4, resolution, resolution, 1)).astype("float32")


def model_of(model="pggan", **networks):
    return build_gan(stages_of(model, networks=networks)[0])


def arrays_of(model):
    state = capture_state(model, int(model.step.numpy()))
    groups = {**state.weights, **state.slots}
    return {
        f"{g}/{n}": a.copy() for g, group in groups.items() for n, a in group.items()
    }


def changed(model, before):
    after = arrays_of(model)
    return {name for name, array in before.items() if np.any(array != after[name])}


@pytest.mark.parametrize("model", ["pggan", "dcgan"])
def test_a_bad_patch_changes_nothing_but_the_counts(model):
    gan = model_of(model)
    real = images(gan.spec.stage.resolution)
    gan.train_step((tf.constant(real),))
    before = arrays_of(gan)
    step = tf.function(gan.train_step)
    for skips, planted in enumerate((np.nan, np.inf), start=1):
        bad = real.copy()
        bad[2, 1, 1, 0] = planted
        logs = step((tf.constant(bad),))
        assert changed(gan, before) == set()
        assert int(gan.consecutive_skips.numpy()) == skips
        assert float(logs["skipped_steps"]) == skips
        assert np.isfinite(float(logs["d_loss"]))  # the mean of the good step
    assert int(gan.step.numpy()) == 3
    logs = step((tf.constant(real),))
    assert int(gan.consecutive_skips.numpy()) == 0
    assert float(logs["skipped_steps"]) == 2
    assert int(gan.step.numpy()) == 4
    assert changed(gan, before)


def test_too_many_are_not_forgotten_before_anyone_looks():
    gan = build_gan(stages_of(training={"max_skipped_steps": 1})[0])
    bad = np.full((4, 4, 4, 1), np.nan, "float32")
    counts = []
    for patches in (bad, images(4), bad, bad, images(4), bad):
        gan.train_step((tf.constant(patches),))
        counts.append(int(gan.consecutive_skips.numpy()))
    assert counts == [1, 0, 1, 2, 2, 3]


def test_a_bad_generator_gradient_leaves_the_generator_and_its_average():
    """The discriminator has had its good update by then."""
    gan = model_of()
    before = arrays_of(gan)

    class Broken:
        def __getattr__(self, name):
            return getattr(objective, name)

        def generator_loss(self, scores):
            return tf.reduce_mean(scores) * np.inf

    objective, gan.objective = gan.objective, Broken()
    gan.train_step((tf.constant(images(4)),))
    assert {name.partition("/")[0] for name in changed(gan, before)} == {
        "discriminator",
        "d_optimizer",
    }
    assert int(gan.consecutive_skips.numpy()) == 1


def test_an_overflow_of_float16_lowers_the_scale_and_is_not_held_against_the_run():
    gan = model_of(precision="mixed_float16")
    scale = gan.loss_scale.variables[0]
    scale.assign(2.0**40)
    before = arrays_of(gan)
    logs = gan.train_step((tf.constant(images(4)),))
    assert changed(gan, before) == set()
    assert float(logs["skipped_steps"]) == 1
    assert int(gan.consecutive_skips.numpy()) == 0
    assert float(scale.numpy()) == 2.0**39


def test_the_scale_does_not_show_in_the_gradients():
    gan, other = (model_of(precision="mixed_float16") for _ in range(2))
    other.loss_scale.variables[0].assign(2.0**8)
    logs, others = (g.train_step((tf.constant(images(4)),)) for g in (gan, other))
    for name in ("d_gradient_norm", "g_gradient_norm"):
        assert float(logs[name]) == pytest.approx(float(others[name]), rel=0.01)


@pytest.mark.slow
def test_replicas_skip_together(repository):
    """A bad patch in the half of one of two replicas."""
    result = subprocess.run(
        [sys.executable, "-m", "tests.helpers.skipping_replicas"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert (
        result.stdout.splitlines()[-1] == "0 weights changed, 1.0 skipped, 1 in a row"
    )
