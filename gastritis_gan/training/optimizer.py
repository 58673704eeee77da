"""How weights change: Adam, the scale of losses, the size of gradients, averages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

_INITIAL_SCALE = 2.0**15
_GROWTH_STEPS = 2000

_NUM_PARTS = 16
_MIN_PART = 1024


class ReplicatedAdam(keras.optimizers.Adam):
    """Adam for gradients that the replicas have added up, with a step that may be none.

    Keras adds up gradients over replicas within the update. A step that looks at their
    norm before it decides on the update has to do that itself.

    The update is that of Keras, in one pass over each weight instead of a dozen.
    """

    def apply_if(
        self,
        condition: tf.Tensor,
        gradients: Sequence[tf.Tensor],
        variables: Sequence[keras.Variable],
        rate_share: tf.Tensor | float = 1.0,
    ) -> None:
        """Does a step where `condition` holds, and changes no value where it does not.

        There is no branch, for which XLA would copy every weight and slot: a step that
        is not to be done has a gradient of 0, a learning rate of 0 and decays of 1.

        Args:
            condition: Boolean scalar, the same on every replica.
            gradients: As many as variables; may be NaN where `condition` does not hold.
            variables: That the optimizer was built for.
            rate_share: Share of the learning rate that the step takes, in [0, 1].
        """
        step = tf.cast(self.iterations + 1, tf.float32)
        decays = (self.beta_1, self.beta_2)
        beta_1, beta_2 = (tf.where(condition, decay, 1.0) for decay in decays)
        beta_1_power, beta_2_power = (tf.pow(decay, step) for decay in decays)
        learning_rate = tf.where(condition, self.learning_rate * rate_share, 0.0)
        for gradient, variable in zip(gradients, variables, strict=True):
            index = self._get_variable_index(variable)
            tf.raw_ops.ResourceApplyAdam(
                var=variable.value.handle,
                m=self._momentums[index].value.handle,
                v=self._velocities[index].value.handle,
                beta1_power=beta_1_power,
                beta2_power=beta_2_power,
                lr=learning_rate,
                beta1=beta_1,
                beta2=beta_2,
                epsilon=self.epsilon,
                grad=tf.where(condition, gradient, 0.0),
            )
        self.iterations.assign_add(tf.cast(condition, self.iterations.dtype))


class LossScale:
    """A power of two that falls when gradients overflow and slowly rises otherwise.

    It halves, to 1 at the least, at every step whose gradients are not finite, and
    doubles after 2,000 finite ones in a row.

    Reference: [Micikevicius et al., 2018](https://arxiv.org/abs/1710.03740), section
    3.2; the numbers are those of Keras' LossScaleOptimizer.
    """

    def __init__(self) -> None:
        self._scale = keras.Variable(
            _INITIAL_SCALE, trainable=False, dtype="float32", name="loss_scale"
        )
        self._good_steps = keras.Variable(
            0, trainable=False, dtype="int64", name="loss_scale_good_steps"
        )

    @property
    def variables(self) -> list[keras.Variable]:
        """What a checkpoint has to hold."""
        return [self._scale, self._good_steps]

    @property
    def value(self) -> tf.Tensor:
        """What to multiply losses by; gradients are to be divided by it."""
        return tf.identity(self._scale)

    def update(self, finite: tf.Tensor) -> None:
        """Notes whether the gradients of a step were finite."""
        scale, good_steps = tf.identity(self._scale), tf.identity(self._good_steps) + 1
        grows = good_steps >= _GROWTH_STEPS
        self._scale.assign(
            tf.where(
                finite,
                tf.where(grows, 2.0 * scale, scale),
                tf.maximum(0.5 * scale, 1.0),
            )
        )
        self._good_steps.assign(tf.where(finite & ~grows, good_steps, 0))


def gradient_norm(gradients: Iterable[tf.Tensor]) -> tf.Tensor:
    """Returns the square root of the sum of all squares, a float32 scalar.

    Unlike `tf.linalg.global_norm`, it first adds up parts of large gradients, which XLA
    does for many numbers at a time; it would add up a whole array one by one.

    Args:
        gradients: Float32 tensors of known shapes.
    """
    return tf.sqrt(tf.add_n([_sum_of_squares(gradient) for gradient in gradients]))


def _sum_of_squares(gradient: tf.Tensor) -> tf.Tensor:
    size = gradient.shape.num_elements()
    squares = tf.reshape(gradient, (size,))
    function = tf.square
    while size % _NUM_PARTS == 0 and size >= _NUM_PARTS * _MIN_PART:
        size //= _NUM_PARTS
        parts = tf.unstack(tf.reshape(squares, (_NUM_PARTS, size)))
        squares = tf.add_n([function(part) for part in parts])
        function = tf.identity
    return tf.reduce_sum(function(squares))


def update_ema(
    averages: Iterable[Any],
    weights: Iterable[Any],
    *,
    decay: float,
    condition: Any = True,
) -> None:
    """Moves every average towards its weight: `weight + (average - weight) * decay`.

    Args:
        averages: Variables that receive the result.
        weights: As many variables of the same shapes.
        decay: Share of the average that stays, in [0, 1].
        condition: Boolean scalar; where it does not hold, averages stay.

    Raises:
        ValueError: There are more averages than weights, or fewer.
    """
    for average, weight in zip(averages, weights, strict=True):
        moved = weight + (average - weight) * decay
        average.assign(ops.where(condition, moved, average))
