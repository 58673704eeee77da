"""Adam for gradients that the replicas have already added up."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


class ReplicatedAdam(keras.optimizers.Adam):
    """Adam whose gradients are the same on every replica, and stay as they are.

    Keras adds up gradients over replicas within the update. A step that looks at their
    norm before it decides on the update has to do that itself.

    The update is that of Keras, in one pass over each weight instead of a dozen.
    """

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
        return list(grads_and_vars)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(self.beta_1, step),
            beta2_power=tf.pow(self.beta_2, step),
            lr=learning_rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )
