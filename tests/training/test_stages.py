"""From stage to stage: a state is all there is."""

import copy

import numpy as np
import pytest
import tensorflow as tf

from gastritis_gan.models.dcgan import DCGANGenerator
from gastritis_gan.models.network import get_weights_by_name
from gastritis_gan.training.gan_step import build_gan, capture_state, restore_metrics
from tests.helpers.tiny_run import stages_of


def batch(stage):
    rng = np.random.default_rng(stage.resolution)
    shape = (stage.batch_size, stage.resolution, stage.resolution, 1)
    return (tf.constant(rng.uniform(-1, 1, shape).astype("float32")),)


def after(spec, state, steps):
    """The state after training on; in a graph, as `fit()` does."""
    return after_each(spec, state, [steps])[0]


def after_each(spec, state, counts):
    """The states after so many more steps each, of one model."""
    gan = build_gan(spec, state)
    if state is not None:
        restore_metrics(gan, state)
    step = tf.function(gan.train_step)
    states = []
    for count in counts:
        for _ in range(count):
            step(batch(spec.stage))
        # Arrays may be the model's own memory, which the next step writes to.
        states.append(copy.deepcopy(capture_state(gan, int(gan.step.numpy()))))
    return states


def assert_equal(left, right):
    assert left.step == right.step
    for groups, others in (
        (left.weights, right.weights),
        (left.slots, right.slots),
        ({"": left.metrics}, {"": right.metrics}),
    ):
        for group, arrays in others.items():
            assert groups[group].keys() == arrays.keys()
            for name, array in arrays.items():
                np.testing.assert_array_equal(groups[group][name], array, name)


BFLOAT16 = {"precision": "mixed_bfloat16", "mbstd_group_size": 2}


@pytest.mark.parametrize(
    ("model", "sections"),
    [
        ("dcgan", {}),
        pytest.param(
            "pggan",
            {"networks": {"precision": "mixed_float16"}},
            marks=pytest.mark.slow,
        ),
        (
            "pggan",
            {
                "networks": BFLOAT16,
                "schedule": {"accumulation_steps": 2},
                "augmentation": {"flips": True, "probability": 0.4},
            },
        ),
        pytest.param(
            "pggan", {"networks": {"jit_compile": True}}, marks=pytest.mark.slow
        ),
        pytest.param(
            "pggan",
            {
                "objective": {"adversarial_loss": "wgan_gp"},
                "schedule": {"stable_images": 12_000},
            },
            marks=pytest.mark.slow,
        ),
    ],
    ids=[
        "dcgan",
        "float16",
        "bfloat16 in parts, augmented",
        "xla",
        "whole step by xla",
    ],
)
def test_a_state_is_all_there_is(model, sections):
    """Three steps are one step, a new model from its state, and two more."""
    spec = stages_of(model, **sections)[0]
    first, third = after_each(spec, None, [1, 2])
    assert_equal(after(spec, first, 2), third)


def test_learning_rates_per_resolution_and_network():
    stages = stages_of(
        optimizer={
            "learning_rate": {4: 0.001, 8: 0.002},
            "discriminator_learning_rate": {4: 0.003, 8: 0.004},
        }
    )
    rates = []
    for spec in stages:
        gan = build_gan(spec)
        rates.append(
            [float(o.learning_rate.numpy()) for o in (gan.g_optimizer, gan.d_optimizer)]
        )
    np.testing.assert_allclose(rates, [[0.001, 0.003], [0.002, 0.004], [0.002, 0.004]])


def test_one_learning_rate_is_that_of_both_networks():
    gan = build_gan(stages_of(optimizer={"learning_rate": 0.005})[0])
    for optimizer in (gan.g_optimizer, gan.d_optimizer):
        assert float(optimizer.learning_rate.numpy()) == pytest.approx(0.005)


@pytest.mark.parametrize("at_growth", ["reset", "keep"])
def test_the_optimizers_at_a_new_resolution(at_growth):
    first, second, _ = stages_of(optimizer={"at_growth": at_growth})
    before = after(first, None, 2)
    gan = build_gan(second, before)
    slots = capture_state(gan, before.step).slots["d_optimizer"]
    old = before.slots["d_optimizer"]
    kept = {name for name in slots if name in old and np.any(slots[name])}
    if at_growth == "reset":
        assert not any(np.any(array) for array in slots.values())
    else:
        assert "iteration" in kept
        assert "discriminator_4x4_conv_kernel_velocity" in kept
        for name in kept:
            np.testing.assert_array_equal(slots[name], old[name])
        new = [name for name in slots if "8x8" in name]
        assert new
        assert not any(np.any(slots[name]) for name in new)


def test_dcgan_trains_in_one_stage_of_its_own():
    (spec,) = stages_of("dcgan")
    stage = spec.stage
    assert (stage.resolution, stage.phase) == (8, "stable")
    assert (stage.batch_size, stage.num_steps) == (4, 6)
    gan = build_gan(spec)
    assert float(gan.g_optimizer.learning_rate.numpy()) == pytest.approx(0.0002)
    assert (gan.g_optimizer.beta_1, gan.g_optimizer.beta_2) == (0.5, 0.999)
    assert not gan.objective.uses_r1
    assert isinstance(spec.generator(), DCGANGenerator)


def test_without_an_average_the_samples_are_the_generators():
    state = after(stages_of("dcgan")[0], None, 2)
    for name, array in state.weights["generator_ema"].items():
        np.testing.assert_array_equal(array, state.weights["generator"][name])
    assert np.any(state.weights["generator"]["4x4_norm/moving_mean"])


def test_samples_are_made_in_float32_and_training_is_not():
    gan = build_gan(stages_of(networks={"precision": "mixed_bfloat16"})[0])
    assert gan.generator.compute_dtype == gan.discriminator.compute_dtype == "bfloat16"
    assert gan.generator_ema.compute_dtype == "float32"
    for network in (gan.generator, gan.discriminator):
        assert {a.dtype.name for a in get_weights_by_name(network).values()} == {
            "float32"
        }
