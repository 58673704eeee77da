"""Adam for gradients that the replicas have already added up."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf


class ReplicatedAdam(keras.optimizers.Adam):
    """Adam whose gradients are the same on every replica, and whose step may be none.

    Keras adds up gradients over replicas within the update. A step that looks at their
    norm before it decides on the update has to do that itself.

    The update is that of Keras, in one pass over each weight instead of a dozen.
    """

    def apply_if(
        self,
        condition: tf.Tensor,
        gradients: Sequence[tf.Tensor],
        variables: Sequence[keras.Variable],
    ) -> None:
        """Does a step where `condition` holds, and changes no value where it does not.

        There is no branch, for which XLA would copy every weight and slot: a step that
        is not to be done has a gradient of 0, a learning rate of 0 and decays of 1.

        Args:
            condition: Boolean scalar, the same on every replica.
            gradients: As many as variables; may be NaN where `condition` does not hold.
            variables: That the optimizer was built for.
        """
        step = tf.cast(self.iterations + 1, tf.float32)
        decays = (self.beta_1, self.beta_2)
        beta_1, beta_2 = (tf.where(condition, decay, 1.0) for decay in decays)
        beta_1_power, beta_2_power = (tf.pow(decay, step) for decay in decays)
        learning_rate = tf.where(condition, self.learning_rate, 0.0)
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
