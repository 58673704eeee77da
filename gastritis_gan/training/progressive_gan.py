"""One stage of a run as a Keras model with its own training step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from gastritis_gan.ema import update_ema
from gastritis_gan.losses import fade_real_images
from gastritis_gan.training.objective import DiscriminatorBatch, Objective
from gastritis_gan.training.schedule import Stage

_D_LATENTS, _G_LATENTS, _MIXING_FACTORS, _NUM_STREAMS = range(4)


class ProgressiveGAN(keras.Model):
    """Trains a generator and a discriminator of one stage.

    A step draws everything from (seed, global step), so that a run can be continued at
    any step. Under a strategy each replica takes its rows of the global draw; two
    replicas see the latents that one device would have seen.

    Args:
        generator: `ProgressiveGenerator` of the stage.
        discriminator: `ProgressiveDiscriminator` of the stage.
        generator_ema: Like `generator`; receives the moving average of its weights.
        stage: Resolution, phase and length.
        objective: Losses of the stage.
        seed: Seed of the run.
        ema_decay: Share of the moving average that a step keeps.

    Training data: tuples of float32 `(batch, resolution, resolution, 1)` in [-1, 1]:
    the real patches, then any sets that the objective judges as fake.
    """

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        generator_ema: keras.Model,
        *,
        stage: Stage,
        objective: Objective,
        seed: int,
        ema_decay: float,
    ) -> None:
        super().__init__()
        self.generator = generator
        self.discriminator = discriminator
        self.generator_ema = generator_ema
        self.stage = stage
        self.objective = objective
        self.seed = seed
        self.ema_decay = ema_decay
        self._trackers = {
            name: keras.metrics.Mean(name=name)
            for name in ("d_loss", "g_loss", "real_scores", "fake_scores")
        }
        self.built = True  # there is no call(): fit() would not know

    def compile(
        self,
        d_optimizer: keras.optimizers.Optimizer,
        g_optimizer: keras.optimizers.Optimizer,
        *,
        first_step: int,
    ) -> None:
        """Sets the optimizers, built for the networks' trainable weights.

        Args:
            d_optimizer: Of the discriminator; its `iterations` count the steps.
            g_optimizer: Of the generator.
            first_step: Global step at which `d_optimizer.iterations` was 0.
        """
        super().compile()
        d_optimizer.build(self.discriminator.trainable_variables)
        g_optimizer.build(self.generator.trainable_variables)
        self.d_optimizer = d_optimizer
        self.g_optimizer = g_optimizer
        self.first_step = first_step

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return list(self._trackers.values())

    def train_step(self, data: tuple[tf.Tensor, ...]) -> dict[str, tf.Tensor]:
        real, *judged_fake = data
        step = tf.cast(self.d_optimizer.iterations, tf.int64) + self.first_step
        alpha = self._alpha(step)
        if alpha is not None:
            real = fade_real_images(real, alpha)
            judged_fake = [fade_real_images(images, alpha) for images in judged_fake]
        num_rows = tf.shape(real)[0]
        batch = DiscriminatorBatch(
            real=real,
            fake=self._generate(step, _D_LATENTS, num_rows, alpha),
            judged_fake=tuple(judged_fake),
            mixing_factors=self._mixing_factors(step, num_rows),
        )
        d_gradients, d_results = self._discriminator_gradients(batch, alpha)
        if self.objective.uses_r1:
            r1_gradients = self._r1_gradients(real, step, alpha)
            d_gradients = [
                a + b for a, b in zip(d_gradients, r1_gradients, strict=True)
            ]
        self.d_optimizer.apply(d_gradients, self.discriminator.trainable_variables)
        g_gradients, g_loss = self._generator_gradients(step, num_rows, alpha)
        self.g_optimizer.apply(g_gradients, self.generator.trainable_variables)
        update_ema(
            self.generator_ema.weights, self.generator.weights, decay=self.ema_decay
        )
        for name, value in {**d_results, "g_loss": g_loss}.items():
            self._trackers[name].update_state(value)
        return {metric.name: metric.result() for metric in self.metrics}

    def _discriminator_gradients(
        self, batch: DiscriminatorBatch, alpha: tf.Tensor | None
    ) -> tuple[list[tf.Tensor], dict[str, tf.Tensor]]:
        with tf.GradientTape() as tape:
            loss, real_scores, fake_scores = self.objective.discriminator_loss(
                self._discriminator_at(alpha), batch
            )
            scaled_loss = self._scale(loss)
        weights = self.discriminator.trainable_variables
        return tape.gradient(scaled_loss, weights), {
            "d_loss": loss,
            "real_scores": tf.reduce_mean(real_scores),
            "fake_scores": tf.reduce_mean(fake_scores),
        }

    def _r1_gradients(
        self, real: tf.Tensor, step: tf.Tensor, alpha: tf.Tensor | None
    ) -> list[tf.Tensor]:
        weights = [v.value for v in self.discriminator.trainable_variables]

        def gradients() -> list[tf.Tensor]:
            with tf.GradientTape() as tape:
                loss = self.objective.r1_loss(self._discriminator_at(alpha), real)
                scaled_loss = self._scale(loss)
            # Adding a bias does not change dD/dx: no gradient there, hence zeros.
            penalized: list[tf.Tensor] = tape.gradient(
                scaled_loss, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO
            )
            return penalized

        due: list[tf.Tensor] = tf.cond(
            tf.equal(step % self.objective.r1_interval_steps, 0),
            gradients,
            lambda: [tf.zeros_like(weight) for weight in weights],
        )
        return due

    def _discriminator_at(self, alpha: tf.Tensor | None) -> Callable[[Any], Any]:
        return lambda images: self.discriminator(images, alpha=alpha, training=True)

    def _generator_gradients(
        self, step: tf.Tensor, num_rows: tf.Tensor, alpha: tf.Tensor | None
    ) -> tuple[list[tf.Tensor], tf.Tensor]:
        with tf.GradientTape() as tape:
            fake = self._generate(step, _G_LATENTS, num_rows, alpha)
            fake_scores = self._discriminator_at(alpha)(fake)
            loss = self.objective.generator_loss_of(fake_scores)
            scaled_loss = self._scale(loss)
        weights = self.generator.trainable_variables
        return tape.gradient(scaled_loss, weights), loss

    def _scale(self, loss: tf.Tensor) -> tf.Tensor:
        # Keras optimizers sum gradients over replicas; the division makes it the mean.
        return loss / self.distribute_strategy.num_replicas_in_sync

    def _alpha(self, step: tf.Tensor) -> tf.Tensor | None:
        if not self.stage.transition:
            return None
        images = (step - self.stage.first_step) * self.stage.batch_size
        return tf.cast(images / self.stage.num_images, tf.float32)

    def _generate(
        self, step: tf.Tensor, stream: int, num_rows: tf.Tensor, alpha: Any
    ) -> tf.Tensor:
        latent_dim = self.generator.latent_dim
        latents = self._draw(tf.random.stateless_normal, step, stream, (latent_dim,))
        return self.generator(self._own(latents, num_rows), alpha=alpha, training=True)

    def _mixing_factors(self, step: tf.Tensor, num_rows: tf.Tensor) -> tf.Tensor:
        factors = self._draw(
            tf.random.stateless_uniform, step, _MIXING_FACTORS, (1, 1, 1)
        )
        return self._own(factors, num_rows)

    def _draw(
        self, draw: Any, step: tf.Tensor, stream: int, shape: tuple[int, ...]
    ) -> tf.Tensor:
        """Draws for the global batch from (seed, stream, step)."""
        seed = tf.stack(
            [tf.int64.as_numpy_dtype(self.seed * _NUM_STREAMS + stream), step]
        )
        return draw((self.stage.batch_size, *shape), seed=seed, alg="philox")

    def _own(self, global_rows: tf.Tensor, num_rows: tf.Tensor) -> tf.Tensor:
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return global_rows[replica * num_rows :][:num_rows]
