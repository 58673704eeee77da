"""What the discriminator and the generator minimise in one stage."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from gastritis_gan import losses
from gastritis_gan.training.recipe import ObjectiveSpec


@dataclasses.dataclass(frozen=True)
class Objective:
    """The losses of a stage as functions of images and scores.

    Attributes:
        spec: Which losses, and how heavy.
    """

    spec: ObjectiveSpec

    @property
    def uses_r1(self) -> bool:
        """Whether any step adds R1."""
        return self.spec.adversarial_loss == "logistic" and self.spec.r1_weight > 0

    @property
    def uses_mixed_images(self) -> bool:
        """Whether there is a penalty at mixtures of real and fake images."""
        return self.spec.adversarial_loss == "wgan_gp"

    def discriminator_loss(
        self,
        discriminator: Callable[..., Any],
        batch: DiscriminatorBatch,
        score_scale: Any = 1.0,
    ) -> tuple[Any, Any, Any]:
        """Returns the loss without R1, then real and fake scores `(batch, 1)`.

        Args:
            discriminator: Maps images, and by the name `num_sets` the number of equal
                sets that they are, to scores. It sees all sets in one call.
            batch: The images.
            score_scale: See `losses.gradient_penalty`.
        """
        sets = (batch.real, batch.fake, *batch.conditional_negatives)
        scores = discriminator(tf.concat(sets, axis=0), num_sets=len(sets))
        real_scores, fake_scores, *judged = tf.split(scores, len(sets))  # each [N, 1]
        if self.spec.adversarial_loss == "wgan_gp":
            loss = losses.wasserstein_discriminator_loss(real_scores, fake_scores)
            loss += self.spec.gradient_penalty_weight * losses.gradient_penalty(
                discriminator,
                batch.real,
                batch.fake,
                batch.mixing_factors,
                score_scale,
            )
            loss += self.spec.drift_penalty_weight * losses.drift_penalty(real_scores)
            return loss, real_scores, fake_scores
        loss = losses.logistic_discriminator_loss(real_scores, fake_scores)
        if judged:
            loss += self.spec.lc_weight * losses.loss_conditional_term(*judged)
        return loss, real_scores, fake_scores

    def r1_loss(
        self,
        discriminator: Callable[[Any], Any],
        real: tf.Tensor,
        score_scale: Any = 1.0,
    ) -> Any:
        """Returns gamma / 2 * E[|dD/dx|^2], times the steps that it stands for."""
        weight = 0.5 * self.spec.r1_weight * self.spec.r1_interval_steps
        return weight * losses.r1_penalty(discriminator, real, score_scale)

    def generator_loss_of(self, fake_scores: Any) -> Any:
        """Returns the scalar generator loss of scores `(batch, 1)`."""
        if self.spec.adversarial_loss == "wgan_gp":
            return losses.wasserstein_generator_loss(fake_scores)
        if self.spec.generator_loss == "minimax":
            return losses.minimax_generator_loss(fake_scores)
        return losses.non_saturating_generator_loss(fake_scores)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DiscriminatorBatch:
    """Images of one discriminator step, each `(batch, height, width, channels)`.

    Attributes:
        real: Patches of the target set.
        fake: Generated images.
        conditional_negatives: Nothing, or the patches of the other class and from
            outside (Eq. 6, 7).
        mixing_factors: `(batch, 1, 1, 1)`, uniform in [0, 1); None but for WGAN-GP.
    """

    real: tf.Tensor
    fake: tf.Tensor
    conditional_negatives: tuple[tf.Tensor, ...]
    mixing_factors: tf.Tensor | None
