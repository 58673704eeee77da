import itertools

import numpy as np
import pytest
import tensorflow as tf

from gastritis_gan.training import losses
from gastritis_gan.training.augmentation import (
    NUM_FACTORS,
    Augmentation,
    flip_horizontally,
)

RNG = np.random.default_rng(4)
IMAGES = RNG.uniform(-1, 1, (64, 16, 16, 1)).astype("float32")
FACTORS = RNG.uniform(size=(64, NUM_FACTORS)).astype("float32")
# The order of the numbers: apply, down, right; apply, brightness; apply, contrast;
# apply, row, column.
APPLY = {"translation": 0, "brightness": 3, "contrast": 5, "cutout": 7}


def augmented(transform, *, probability=0.4):
    augmentation = Augmentation(probability, (transform,))
    return augmentation(tf.constant(IMAGES), tf.constant(FACTORS)).numpy()


def by_hand(transform, image, factors):
    size = len(image)
    if transform == "brightness":
        return image + factors[4] - 0.5
    if transform == "contrast":
        return image.mean() + (image - image.mean()) * (0.5 + factors[6])
    result = np.zeros_like(image)
    if transform == "translation":
        down, right = (int(np.floor(f * 5)) - 2 for f in factors[1:3])  # -2 ... 2
        for y, x in itertools.product(range(size), range(size)):
            if 0 <= y - down < size and 0 <= x - right < size:
                result[y, x] = image[y - down, x - right]
        return result
    top, left = (int(np.floor(f * 17)) - 4 for f in factors[8:])  # 8 pixels wide
    for y, x in itertools.product(range(size), range(size)):
        if not (top <= y < top + 8 and left <= x < left + 8):
            result[y, x] = image[y, x]
    return result


@pytest.mark.parametrize("transform", list(APPLY))
def test_every_transform_by_hand(transform):
    actual = augmented(transform)
    for number, factors in enumerate(FACTORS):
        expected = IMAGES[number]
        if factors[APPLY[transform]] < 0.4:
            expected = by_hand(transform, expected, factors)
        np.testing.assert_allclose(actual[number], expected, atol=1e-5)


def test_transforms_are_applied_with_their_probability():
    changed = np.any(augmented("brightness") != IMAGES, axis=(1, 2, 3))
    assert changed.tolist() == (FACTORS[:, 3] < 0.4).tolist()


def test_probability_zero_or_no_transform_is_no_augmentation():
    assert not Augmentation(0.0, ("cutout",)).is_used
    assert not Augmentation(0.4, ()).is_used
    assert Augmentation(0.4, ("cutout",)).is_used


def test_the_generator_learns_through_every_transform():
    """d sum(T x) / dx: T moves, shades, or hides pixels; the mean stays, but for it."""
    for transform in APPLY:
        images = tf.constant(IMAGES)
        with tf.GradientTape() as tape:
            tape.watch(images)
            total = tf.reduce_sum(Augmentation(0.4, (transform,))(images, FACTORS))
        gradient = tape.gradient(total, images).numpy()
        if transform in ("brightness", "contrast"):
            np.testing.assert_allclose(gradient, 1, atol=1e-4)
        else:  # a pixel counts if it is still in sight
            assert set(np.round(np.unique(gradient), 6)) == {0, 1}


def test_flips_mirror_left_and_right():
    factors = tf.constant([0.4, 0.6])
    flipped = flip_horizontally(tf.constant(IMAGES[:2]), factors)
    np.testing.assert_array_equal(flipped[0], IMAGES[0, :, ::-1])
    np.testing.assert_array_equal(flipped[1], IMAGES[1])


@pytest.mark.parametrize("probability", [0.1, 0.3, 0.49])
def test_below_one_half_the_augmented_distribution_determines_the_images(probability):
    """Worked out for every black-and-white row of 3 pixels and the worst transform.

    A always covers the row, which alone would make all rows equal: as a matrix over the
    8 rows it has rank 1. (1 - p) I + p A still has no eigenvalue below 1 - 2 p.
    """
    always = np.zeros((8, 8))
    always[0] = 1  # whatever the row was, it is black now
    mixed = (1 - probability) * np.eye(8) + probability * always
    assert np.abs(np.linalg.eigvals(mixed)).min() >= 1 - 2 * probability
    assert np.linalg.matrix_rank(mixed) == 8


@pytest.mark.slow
@pytest.mark.parametrize("transform", ["brightness", "contrast", "cutout"])
def test_no_transform_leaks_into_a_trained_generator(transform):
    """A toy that converges: grey images with a bright half, of normal brightness.

    The generator is `a + b z` for the brightness and `c` for the bright half; augmented
    images vary several times as much, and the generator could learn to do so.
    """
    mean, deviation, step = 0.2, 0.05, 0.4
    half = tf.concat([tf.zeros((8, 4)), tf.ones((8, 4))], axis=1)[..., None]
    generator = [tf.Variable(v) for v in (0.0, 0.2, 0.0)]
    initial = tf.random.stateless_normal((2, 32), (1, 1)) * 0.5
    discriminator = [
        tf.Variable(initial),
        tf.Variable(tf.zeros(32)),
        tf.Variable(tf.random.stateless_normal((32, 1), (1, 2)) * 0.2),
    ]
    g_adam = tf.keras.optimizers.Adam(0.002, beta_1=0.0, beta_2=0.9)
    d_adam = tf.keras.optimizers.Adam(0.01, beta_1=0.0, beta_2=0.9)
    augmentation = Augmentation(0.4, (transform,))

    def draw(normals, a, b, c):
        brightness = a + b * normals
        return brightness[:, None, None, None] + c * half

    def scores(images):
        """Sees the mean of each half: all there is to see."""
        halves = tf.stack(
            [
                tf.reduce_mean(images[:, :, :4], axis=(1, 2, 3)),
                tf.reduce_mean(images[:, :, 4:], axis=(1, 2, 3)),
            ],
            axis=1,
        )
        first, bias, second = discriminator
        return tf.nn.tanh(4 * (halves @ first) + bias) @ second

    @tf.function
    def train_step(number):
        normals = tf.random.stateless_normal((2, 512), (2, number))
        factors = tf.random.stateless_uniform((2, 512, NUM_FACTORS), (3, number))
        with tf.GradientTape(persistent=True) as tape:
            real = augmentation(draw(normals[0], mean, deviation, step), factors[0])
            fake = augmentation(draw(normals[1], *generator), factors[1])
            real_scores, fake_scores = scores(real), scores(fake)
            d_loss = losses.logistic_discriminator_loss(real_scores, fake_scores)
            d_loss += 0.02 * losses.r1_penalty(scores, real)
            g_loss = losses.non_saturating_generator_loss(fake_scores)
        d_gradients = tape.gradient(d_loss, discriminator)
        g_gradients = tape.gradient(g_loss, generator)
        d_adam.apply(d_gradients, discriminator)
        g_adam.apply(g_gradients, generator)

    d_adam.build(discriminator)
    g_adam.build(generator)
    ends = []
    for number in range(2000):
        train_step(tf.constant(number))
        if number >= 1500:
            ends.append([v.numpy() for v in generator])
    a, b, c = np.mean(ends, axis=0)
    assert a == pytest.approx(mean, abs=0.03)
    assert abs(b) == pytest.approx(deviation, abs=0.03)
    assert c == pytest.approx(step, abs=0.03)
