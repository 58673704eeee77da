"""Losses of a linear discriminator, worked in NumPy."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from gastritis_gan.training.losses import Objective
from gastritis_gan.training.training_settings import ObjectiveConfig

LOGISTIC = ObjectiveConfig(
    adversarial_loss="logistic",
    generator_loss="non_saturating",
    r1_interval_steps=4,
    gradient_penalty_weight=10.0,
    drift_penalty_weight=0.5,
)
RNG = np.random.default_rng(7)
WEIGHT = RNG.normal(size=(16, 1)).astype("float32")
REAL, FAKE, NEGATIVE, OUTSIDE = RNG.normal(size=(4, 6, 4, 4, 1)).astype("float32")
MIX = RNG.uniform(size=(6, 1, 1, 1)).astype("float32")


def discriminator(images, num_sets=1):
    return tf.reshape(images, (-1, 16)) @ WEIGHT


def scores(images):
    return images.reshape(6, 16) @ WEIGHT


def softplus(x):
    return np.log1p(np.exp(x))


def loss_of(spec, *conditional_negatives):
    sets = [tf.constant(images) for images in (REAL, FAKE, *conditional_negatives)]
    loss, real_scores, fake_scores = Objective(spec).discriminator_loss(
        discriminator, sets, tf.constant(MIX)
    )
    np.testing.assert_allclose(real_scores, scores(REAL), rtol=1e-5)
    np.testing.assert_allclose(fake_scores, scores(FAKE), rtol=1e-5)
    return float(loss)


EQ_2 = softplus(-scores(REAL)).mean() + softplus(scores(FAKE)).mean()
EQ_6_AND_7 = softplus(scores(NEGATIVE)).mean() + softplus(scores(OUTSIDE)).mean()


def test_pggan_minimises_eq_2():
    assert loss_of(LOGISTIC) == pytest.approx(EQ_2, rel=1e-5)


def test_lc_pggan_minimises_eq_5():
    objective = dataclasses.replace(LOGISTIC, lc_weight=0.3)
    expected = EQ_2 + 0.3 * EQ_6_AND_7
    assert loss_of(objective, NEGATIVE, OUTSIDE) == pytest.approx(expected, rel=1e-5)


def test_lazy_r1_is_half_gamma_times_the_interval_times_the_squared_norm():
    actual = Objective(LOGISTIC, r1_weight=0.2).r1_loss(
        discriminator, tf.constant(REAL)
    )
    assert float(actual) == pytest.approx(0.5 * 0.2 * 4 * np.sum(WEIGHT**2), rel=1e-5)


def test_wgan_gp_has_its_penalty_and_drift():
    objective = dataclasses.replace(LOGISTIC, adversarial_loss="wgan_gp")
    expected = scores(FAKE).mean() - scores(REAL).mean()
    expected += 10 * (np.linalg.norm(WEIGHT) - 1) ** 2
    expected += 0.5 * np.mean(scores(REAL) ** 2)
    assert loss_of(objective) == pytest.approx(expected, rel=1e-5)


def test_the_scale_of_scores_cancels_in_both_penalties():
    for adversarial_loss in ("logistic", "wgan_gp"):
        objective = Objective(
            dataclasses.replace(LOGISTIC, adversarial_loss=adversarial_loss),
            r1_weight=0.2,
        )
        real, fake, mix = (tf.constant(array) for array in (REAL, FAKE, MIX))
        sets = (real, fake)
        plain, scaled = (
            [
                objective.discriminator_loss(discriminator, sets, mix, scale)[0],
                objective.r1_loss(discriminator, real, scale),
            ]
            for scale in (1.0, 1024.0)
        )
        np.testing.assert_allclose(scaled, plain, rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, softplus(-scores(FAKE)).mean()),
        ({"generator_loss": "minimax"}, -softplus(scores(FAKE)).mean()),
        ({"adversarial_loss": "wgan_gp"}, -scores(FAKE).mean()),
    ],
)
def test_generator_losses(changes, expected):
    objective = dataclasses.replace(LOGISTIC, **changes)
    actual = Objective(objective).generator_loss(tf.constant(scores(FAKE)))
    assert float(actual) == pytest.approx(expected, rel=1e-5)
