from __future__ import annotations

import numpy as np
import pytest

from gastritis_gan.privacy.latent_search import open_gradient, search_latents
from gastritis_gan.serving.exported_model import ExportedModel


@pytest.fixture(scope="module")
def gradient(exported):
    return open_gradient(ExportedModel.open(exported).load)


def test_gradient_of_a_saved_model_is_that_of_the_keras_generator(gradient, generator):
    import tensorflow as tf

    rng = np.random.default_rng(0)
    latents = rng.normal(size=(3, 8)).astype(np.float32)
    targets = rng.normal(size=(3, 16, 16)).astype(np.float32)
    correlate, _ = gradient
    correlation, actual = correlate(latents, targets)

    variable = tf.Variable(latents)
    with tf.GradientTape() as tape:
        images = generator(variable)[..., 0]
        a, b = (x - tf.reduce_mean(x, (1, 2), keepdims=True) for x in (images, targets))
        expected = tf.reduce_sum(a * b, (1, 2)) / (
            tf.norm(a, axis=(1, 2)) * tf.norm(b, axis=(1, 2))
        )
    np.testing.assert_allclose(correlation, expected, atol=1e-3)
    np.testing.assert_allclose(actual, tape.gradient(expected, variable), atol=2e-3)
    for image, target, value in zip(images, targets, correlation, strict=True):
        pearson = np.corrcoef(np.ravel(image), target.ravel())[0, 1]
        assert value == pytest.approx(pearson, abs=1e-3)


def test_an_image_of_the_generator_is_found_and_noise_is_not(gradient, tmp_path):
    rng = np.random.default_rng(1)
    correlate, generate = gradient
    own = generate(rng.normal(size=(4, 8)).astype(np.float32))
    noise = rng.normal(size=(4, 16, 16)).astype(np.float32)
    scores = search_latents(
        correlate,
        generate,
        np.concatenate([own, noise]),
        latent_dim=8,
        num_steps=120,
        seed=0,
        folder=tmp_path / "latents",
    )
    assert np.tanh(scores[:4]).min() > 0.95
    assert np.tanh(scores[4:]).max() < 0.5


def test_a_quadratic_is_climbed_to_its_top(tmp_path):
    """Adam on a closed form: 1 - |latents - targets|^2, where targets are 1 x n."""

    def correlate(latents, targets):
        error = latents - targets[:, 0]
        return 1 - (error**2).sum(axis=1), -2 * error

    targets = np.array([[[0.5, -0.3]]], np.float32)
    scores = search_latents(
        correlate,
        lambda latents: latents[:, None],
        targets,
        latent_dim=2,
        num_steps=300,
        seed=0,
        folder=tmp_path / "latents",
    )
    assert np.tanh(scores[0]) > 0.999
