from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit

from gastritis_gan.training import losses
from tests.helpers.pggan_case import read_golden

REAL_SCORES = np.array([[0.5], [-2.0], [30.0]], np.float32)
FAKE_SCORES = np.array([[-1.0], [3.0], [0.25]], np.float32)
OTHER_SCORES = np.array([[2.0], [-0.5]], np.float32)  # of another batch size


@pytest.fixture
def rng():
    return np.random.Generator(np.random.Philox(key=1))


@pytest.fixture(scope="module")
def golden():
    return read_golden()


def mean_log(probabilities):
    return np.mean(np.log(probabilities.astype(np.float64)))


def test_logistic_losses_are_the_papers_equations_with_a_sigmoid():
    real, fake, other = (
        expit(scores.astype(np.float64))
        for scores in (REAL_SCORES, FAKE_SCORES, OTHER_SCORES)
    )
    equation_2 = -mean_log(real) - mean_log(1 - fake)
    equations_6_and_7 = -mean_log(1 - other) - mean_log(1 - fake)
    for actual, expected in [
        (losses.logistic_discriminator_loss(REAL_SCORES, FAKE_SCORES), equation_2),
        (losses.loss_conditional_term(OTHER_SCORES, FAKE_SCORES), equations_6_and_7),
        (losses.non_saturating_generator_loss(FAKE_SCORES), -mean_log(fake)),
        (losses.minimax_generator_loss(FAKE_SCORES), mean_log(1 - fake)),
    ]:
        assert actual.dtype == tf.float32
        assert actual.shape == ()
        assert float(actual) == pytest.approx(expected, rel=1e-6)


def test_logistic_losses_equal_three_other_implementations(golden):
    real, fake = golden["logistic/real"], golden["logistic/fake"]
    d_loss = float(losses.logistic_discriminator_loss(real, fake))
    g_loss = float(losses.non_saturating_generator_loss(fake))
    assert d_loss == pytest.approx(float(golden["logistic/sg2_D"]), rel=1e-6)
    assert d_loss == pytest.approx(float(golden["logistic/zoo_D"]), rel=1e-6)
    assert d_loss == pytest.approx(2 * float(golden["logistic/progan_D"]), rel=1e-6)
    for name in ("sg2_G", "zoo_G", "progan_G"):
        assert g_loss == pytest.approx(float(golden[f"logistic/{name}"]), rel=1e-6)


def test_wasserstein_losses_equal_another_implementation(golden):
    real, fake = golden["logistic/real"], golden["logistic/fake"]
    d_loss = losses.wasserstein_discriminator_loss(real, fake)
    g_loss = losses.wasserstein_generator_loss(fake)
    d_sum, g_sum = golden["logistic/zoo_wgan_D_sum"], golden["logistic/zoo_wgan_G_sum"]
    assert float(d_loss) * len(real) == pytest.approx(float(d_sum), rel=1e-5)
    assert float(g_loss) * len(real) == pytest.approx(float(g_sum), rel=1e-5)


def test_both_generator_losses_pull_scores_up_and_differ_where_d_is_sure():
    scores = tf.constant([[-10.0]])
    slopes = []
    for loss in (losses.non_saturating_generator_loss, losses.minimax_generator_loss):
        with tf.GradientTape() as tape:
            tape.watch(scores)
            value = loss(scores)
        slopes.append(float(tape.gradient(value, scores)[0, 0]))
    # d/ds softplus(-s) = -sigmoid(-s); d/ds -softplus(s) = -sigmoid(s)
    np.testing.assert_allclose(slopes, [-expit(10), -expit(-10)], rtol=1e-4)


def test_extreme_and_half_precision_scores_stay_finite():
    scores = tf.constant([[6e4], [-6e4]], tf.float16)
    for loss in (
        losses.logistic_discriminator_loss(scores, scores),
        losses.wasserstein_discriminator_loss(scores, scores),
        losses.drift_penalty(scores),
    ):
        assert loss.dtype == tf.float32
        assert np.isfinite(loss)


def test_drift_penalty_is_the_mean_square():
    assert float(losses.drift_penalty(OTHER_SCORES)) == (4 + 0.25) / 2


@pytest.fixture
def images(rng):
    return tf.constant(rng.normal(size=(4, 2, 2, 3)), tf.float32)


def test_penalties_of_a_linear_discriminator_have_closed_forms(rng, images):
    weight = rng.normal(size=(12, 1)).astype(np.float32)

    def discriminator(x):
        return tf.reshape(x, (-1, 12)) @ weight

    norm = np.linalg.norm(weight.astype(np.float64))
    mix = tf.constant(rng.uniform(size=(4, 1, 1, 1)), tf.float32)
    penalty = losses.gradient_penalty(discriminator, images, -images, mix)
    assert float(penalty) == pytest.approx((norm - 1) ** 2, rel=1e-5)
    r1 = losses.r1_penalty(discriminator, images)
    assert float(r1) == pytest.approx(norm**2, rel=1e-5)


def test_penalties_are_taken_where_they_should_be(images):
    def discriminator(x):  # gradient is x
        return 0.5 * tf.reduce_sum(tf.square(x), axis=(1, 2, 3), keepdims=True)[..., 0]

    real, fake = images.numpy().astype(np.float64), 3 * images.numpy()
    mix = np.array([0, 0.25, 0.5, 1]).reshape(4, 1, 1, 1)
    mixed = (1 - mix) * real + mix * fake
    norms = np.sqrt((mixed**2).sum(axis=(1, 2, 3)))
    penalty = losses.gradient_penalty(
        discriminator, images, tf.constant(fake), tf.constant(mix, tf.float32)
    )
    assert float(penalty) == pytest.approx(np.mean((norms - 1) ** 2), rel=1e-5)
    r1 = losses.r1_penalty(discriminator, images)
    assert float(r1) == pytest.approx((real**2).sum() / len(real), rel=1e-5)


def test_penalty_gradient_of_a_scaled_discriminator(images):
    # D(x) = a * sum(x): the gradient's norm is a * sqrt(12), and R1 is 12 a^2.
    scale = tf.Variable(0.7)

    def discriminator(x):
        return scale * tf.reduce_sum(x, axis=(1, 2, 3), keepdims=True)[..., 0]

    with tf.GradientTape(persistent=True) as tape:
        mix = tf.zeros((4, 1, 1, 1))
        penalty = losses.gradient_penalty(discriminator, images, images, mix)
        r1 = losses.r1_penalty(discriminator, images)
    root = np.sqrt(12)
    expected = 2 * (0.7 * root - 1) * root
    assert float(tape.gradient(penalty, scale)) == pytest.approx(expected, rel=1e-5)
    assert float(tape.gradient(r1, scale)) == pytest.approx(2 * 12 * 0.7, rel=1e-5)


def test_zero_gradient_norm_has_a_finite_gradient(images):
    scale = tf.Variable(0.0)

    def discriminator(x):
        return scale * tf.reduce_sum(x, axis=(1, 2, 3), keepdims=True)[..., 0]

    with tf.GradientTape() as tape:
        mix = tf.zeros((4, 1, 1, 1))
        penalty = losses.gradient_penalty(discriminator, images, images, mix)
    assert float(penalty) == pytest.approx(1, rel=1e-5)
    assert np.isfinite(tape.gradient(penalty, scale))


def test_fading_of_real_images_by_hand():
    images = tf.reshape(tf.constant([1.0, 2.0, 3.0, 6.0]), (1, 2, 2, 1))  # mean 3
    for alpha, expected in [
        (0.0, [3, 3, 3, 3]),
        (0.5, [2, 2.5, 3, 4.5]),
        (1.0, [1, 2, 3, 6]),
    ]:
        faded = losses.fade_real_images(images, tf.constant(alpha))
        np.testing.assert_array_equal(np.ravel(faded), expected)
