import numpy as np
import pytest
import tensorflow as tf

from gastritis_gan.training.micro_batches import (
    map_micro_batches,
    mean_over_micro_batches,
)

# Whole numbers add up without rounding, so that equal means equal.
IMAGES = np.random.default_rng(1).integers(-8, 9, (16, 4, 4, 1)).astype("float32")
WEIGHT = tf.Variable(np.random.default_rng(2).integers(-3, 4, (16, 1)).astype("f4"))


def gradients(images):
    """Of the loss that falls as a linear discriminator's scores rise."""
    with tf.GradientTape() as tape:
        loss = -tf.reduce_mean(tf.reshape(images, (-1, 16)) @ WEIGHT)
    return tape.gradient(loss, [WEIGHT]), loss


@pytest.mark.parametrize("num_micro_batches", [1, 2, 4, 16])
@pytest.mark.parametrize("in_graph", [False, True])
def test_parts_give_exactly_the_gradient_of_the_batch(num_micro_batches, in_graph):
    def mean(images):
        return mean_over_micro_batches(
            gradients,
            images,
            num_micro_batches=num_micro_batches,
            like=([WEIGHT], tf.constant(0.0)),
        )

    (gradient,), loss = (tf.function(mean) if in_graph else mean)(tf.constant(IMAGES))
    flat = IMAGES.reshape(16, 16)
    np.testing.assert_array_equal(gradient, -flat.mean(axis=0)[:, None])
    assert float(loss) == -(flat @ WEIGHT.numpy()).mean()


def test_parts_are_consecutive_rows():
    seen = []

    def compute(rows):
        seen.append(rows["a"].numpy().tolist())
        return tf.constant(0.0)

    mean_over_micro_batches(
        compute,
        {"a": tf.range(6)},
        num_micro_batches=3,
        like=tf.constant(0.0),
    )
    assert seen == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize("num_micro_batches", [1, 3])
def test_mapped_parts_are_the_mapped_batch(num_micro_batches):
    sizes = []

    def compute(rows):
        sizes.append(len(rows))
        return rows[:, None] * [[1.0, 10.0]]

    outputs = map_micro_batches(
        compute, tf.range(6.0), num_micro_batches=num_micro_batches
    )
    expected = [[0, 0], [1, 10], [2, 20], [3, 30], [4, 40], [5, 50]]
    np.testing.assert_array_equal(outputs, expected)
    assert sizes == [6 // num_micro_batches] * num_micro_batches
