"""The networks, losses and optimizer step reproduce the original PGGAN's numbers.

The small file in `tests/reference` is always checked, the large one beside the
repository where it is present. Tolerances are those that an independent float64
implementation met.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

from gastritis_gan.layers.cpu import winograd
from gastritis_gan.models.network import set_weights_by_name
from gastritis_gan.models.pggan import ProgressiveDiscriminator, ProgressiveGenerator
from gastritis_gan.training import losses
from gastritis_gan.training.optimizer import update_ema
from tests.helpers.pggan_case import (
    CASES,
    LATENT_DIM,
    Stage,
    read_golden,
    read_reference,
    stages_of,
    subtree,
)

GRADIENT_ATOL, GRADIENT_SHARE_OF_MAXIMUM = 5e-6, 1e-4
EMA_ATOL = 1e-6  # the average moves by 1e-4


class Tolerance(NamedTuple):
    """Of outputs and losses, absolute and relative, and of weights after a step.

    Adam's first step is 0.001 however small the gradient, so rounding shows there.
    """

    atol: float
    rtol: float
    step_atol: float


PLAIN = Tolerance(2e-5, 0.0, 2e-5)
TOLERANCES = {
    "inference": PLAIN,
    "training": PLAIN,
    "winograd": Tolerance(1e-4, 1e-4, 2e-4),
}

GOLDEN_STAGES = [
    Stage("r8_c1_nofuse", 4, 1),
    Stage("r8_c1_nofuse", 8, 0.5),
    Stage("r8_c1_nofuse", 8, 1),
]
FUSED_GOLDEN_STAGE = Stage("r8_c1", 8, 0.5)
ALL_STAGES = [stage for case in CASES for stage in stages_of(case)]
LOSS_STAGES = [
    Stage("r4_c1", 4, 1),
    Stage("r8_c1", 8, 0.5),
    Stage("r16_c1", 8, 1),
    Stage("r16_c1", 16, 1),
    Stage("r16_c1_nofuse", 16, 1),
    Stage("r16_c1_nofuse", 16, 0.75),
]


@pytest.fixture(scope="session")
def golden():
    return read_golden()


@pytest.fixture(scope="session")
def reference(shared_dir):
    return read_reference(shared_dir / "reference/pggan_reference.npz")


@pytest.fixture(params=TOLERANCES)
def way(request, monkeypatch):
    """Training on a CPU has convolutions and gradients of its own.

    They are those of `layers.cpu`, and its `winograd` for more channels than
    these networks have.
    """
    if request.param == "winograd":
        monkeypatch.setattr(winograd, "FEWEST_CHANNELS", 1)
    return request.param


def make_generator(arrays, stage, way):
    generator = ProgressiveGenerator(latent_dim=LATENT_DIM, **stage.arguments)
    weights = subtree(arrays, f"{stage.case}/generator")
    set_weights_by_name(generator, weights, partial=True)
    generate = functools.partial(
        generator, alpha=stage.alpha_or_none, training=way != "inference"
    )
    return generate, generator


def make_discriminator(arrays, stage, way):
    """Returns a function of images of the final resolution, and the network."""
    discriminator = ProgressiveDiscriminator(
        fused_scale=stage.fused_scale, **stage.arguments
    )
    weights = subtree(arrays, f"{stage.case}/discriminator")
    set_weights_by_name(discriminator, weights, partial=True)

    def score(images):
        factor = stage.final_resolution // stage.resolution
        images = tf.nn.avg_pool2d(images, factor, factor, "VALID")
        return discriminator(
            images, alpha=stage.alpha_or_none, training=way != "inference"
        )

    return score, discriminator


def assert_gradients_close(actual, expected, name=""):
    atol = GRADIENT_ATOL + GRADIENT_SHARE_OF_MAXIMUM * np.abs(expected).max()
    np.testing.assert_allclose(actual, expected, rtol=0, atol=atol, err_msg=name)


def check_generator(arrays, stage, way):
    generate, _ = make_generator(arrays, stage, way)
    np.testing.assert_allclose(
        generate(arrays[f"{stage.case}/latents"]),
        arrays[f"{stage.key}/images"],
        rtol=TOLERANCES[way].rtol,
        atol=TOLERANCES[way].atol,
    )


def check_discriminator(arrays, stage, way):
    score, _ = make_discriminator(arrays, stage, way)
    images = tf.constant(arrays[f"{stage.case}/images"])
    with tf.GradientTape() as tape:
        tape.watch(images)
        scores = score(images)
        total = tf.reduce_sum(scores)
    np.testing.assert_allclose(
        scores,
        arrays[f"{stage.key}/scores"],
        rtol=TOLERANCES[way].rtol,
        atol=TOLERANCES[way].atol,
    )
    assert_gradients_close(
        tape.gradient(total, images), arrays[f"{stage.key}/input_gradients"]
    )


def check_step(arrays, stage, way):
    """Losses, gradients, and one optimizer step with the moving average."""
    expected = subtree(arrays, f"{stage.key}/loss")
    tolerance = TOLERANCES[way]
    generate_small, generator = make_generator(arrays, stage, way)
    generator_ema = make_generator(arrays, stage, way)[1]
    ema_before = subtree(expected, "ema_before")
    set_weights_by_name(generator_ema, ema_before, partial=True)
    score, discriminator = make_discriminator(arrays, stage, way)
    reals, mix = tf.constant(expected["reals"]), tf.constant(expected["mix"])

    def generate():
        factor = stage.final_resolution // stage.resolution
        images = generate_small(expected["latents"])
        return tf.repeat(tf.repeat(images, factor, axis=1), factor, axis=2)

    with tf.GradientTape() as tape:
        fakes = generate()
        real_scores, fake_scores = score(reals), score(fakes)
        penalty = losses.gradient_penalty(score, reals, fakes, mix)
        d_loss = losses.wasserstein_discriminator_loss(real_scores, fake_scores)
        d_loss += 10.0 * penalty + 0.001 * losses.drift_penalty(real_scores)
    d_gradients = tape.gradient(d_loss, discriminator.trainable_variables)
    with tf.GradientTape() as tape:
        g_loss = losses.wasserstein_generator_loss(score(generate()))
    g_gradients = tape.gradient(g_loss, generator.trainable_variables)

    for actual, name in [
        (real_scores, "real_scores"),
        (fake_scores, "fake_scores"),
        (score(reals + (fakes - reals) * mix), "mixed_scores"),
        (d_loss, "D_loss_mean"),
        (g_loss, "G_loss_mean"),
        (penalty, "penalty"),
    ]:
        value = expected.get(name, np.mean((expected["mixed_norms"] - 1) ** 2))
        np.testing.assert_allclose(
            actual, value, rtol=tolerance.rtol, atol=tolerance.atol, err_msg=name
        )
    for model, gradients, prefix in [
        (discriminator, d_gradients, "discriminator_gradients"),
        (generator, g_gradients, "generator_gradients"),
    ]:
        by_name = dict(zip(names_of(model), gradients, strict=True))
        compared = check_each(
            by_name, subtree(expected, prefix), assert_gradients_close
        )
        assert compared

    d_optimizer, g_optimizer = adam(), adam()
    d_optimizer.apply(d_gradients, discriminator.trainable_variables)
    update_ema(generator_ema.weights, generator.weights, decay=0.999)
    with tf.GradientTape() as tape:
        g_loss = losses.wasserstein_generator_loss(score(generate()))
    g_gradients = tape.gradient(g_loss, generator.trainable_variables)
    g_optimizer.apply(g_gradients, generator.trainable_variables)
    for model, prefix, atol in [
        (discriminator, "discriminator_after", tolerance.step_atol),
        (generator, "generator_after", tolerance.step_atol),
        (generator_ema, "ema_after", EMA_ATOL),
    ]:
        by_name = dict(zip(names_of(model), model.weights, strict=True))
        close = functools.partial(assert_weights_close, atol=atol)
        assert check_each(by_name, subtree(expected, prefix), close)


def assert_weights_close(actual, expected, name, *, atol):
    np.testing.assert_allclose(actual, expected, rtol=0, atol=atol, err_msg=name)


def check_each(actual_by_name, expected_by_name, check):
    shared = actual_by_name.keys() & expected_by_name.keys()
    for name in sorted(shared):
        check(actual_by_name[name], expected_by_name[name], name)
    return shared


def names_of(model):
    return [
        f"{layer.name}/{variable.name}"
        for layer in model.layers
        for variable in layer.weights
    ]


def adam():
    return keras.optimizers.Adam(0.001, beta_1=0.0, beta_2=0.99, epsilon=1e-8)


@pytest.mark.parametrize("stage", GOLDEN_STAGES, ids=str)
def test_generator_golden(golden, stage, way):
    check_generator(golden, stage, way)


@pytest.mark.parametrize("stage", [*GOLDEN_STAGES, FUSED_GOLDEN_STAGE], ids=str)
def test_discriminator_golden(golden, stage, way):
    check_discriminator(golden, stage, way)


def test_step_golden(golden, way):
    check_step(golden, Stage("r8_c1_nofuse", 8, 0.5), way)


# The order of activation and downscaling is the discriminator's alone.
@pytest.mark.parametrize("stage", [s for s in ALL_STAGES if s.fused_scale], ids=str)
def test_generator(reference, stage, way):
    check_generator(reference, stage, way)


@pytest.mark.parametrize("stage", ALL_STAGES, ids=str)
def test_discriminator(reference, stage, way):
    check_discriminator(reference, stage, way)


@pytest.mark.parametrize("stage", LOSS_STAGES, ids=str)
def test_step(reference, stage, way):
    check_step(reference, stage, way)
