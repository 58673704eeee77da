"""Adversarial losses and penalties, and the objective of a stage that weights them.

Losses are float32 means over the batch and functions of scores: the discriminator's
unbounded outputs, shape `(batch, 1)`. The paper's D(x) is `sigmoid(score)`, so
`-log D(x)` is `softplus(-score)` and `-log(1 - D(x))` is `softplus(score)`. `Objective`
alone multiplies penalties and terms by their weights.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from gastritis_gan.layers.resampling import downsample_mean, upsample_nearest
from gastritis_gan.training.training_settings import ObjectiveConfig

_GRADIENT_NORM_TARGET = 1.0
_EPSILON = 1e-12  # under the root: the norm of a zero gradient has a finite gradient


def logistic_discriminator_loss(real_scores: Any, fake_scores: Any) -> tf.Tensor:
    """Returns L_A + L_G (paper, Eq. 2-4) as the discriminator minimises it."""
    return _mean_softplus(-real_scores) + _mean_softplus(fake_scores)


def loss_conditional_term(negative_scores: Any, outside_scores: Any) -> tf.Tensor:
    """Returns L_N + L_O (paper, Eq. 6 and 7), without Eq. 5's weight lambda.

    Args:
        negative_scores: Scores of patches of the other class.
        outside_scores: Scores of patches from outside the organ.
    """
    return _mean_softplus(negative_scores) + _mean_softplus(outside_scores)


def non_saturating_generator_loss(fake_scores: Any) -> tf.Tensor:
    """Returns -E[log D(G(z))] (Goodfellow et al. 2014, section 3)."""
    return _mean_softplus(-fake_scores)


def minimax_generator_loss(fake_scores: Any) -> tf.Tensor:
    """Returns E[log(1 - D(G(z)))], the negative of the paper's Eq. 4."""
    return -_mean_softplus(fake_scores)


def wasserstein_discriminator_loss(real_scores: Any, fake_scores: Any) -> tf.Tensor:
    """Returns E[D(G(z))] - E[D(x)] (Arjovsky et al. 2017)."""
    return _mean(fake_scores) - _mean(real_scores)


def wasserstein_generator_loss(fake_scores: Any) -> tf.Tensor:
    """Returns -E[D(G(z))] (Arjovsky et al. 2017)."""
    return -_mean(fake_scores)


def drift_penalty(real_scores: Any) -> tf.Tensor:
    """Returns E[D(x)^2] (Karras et al. 2018, appendix A.1; weight there 0.001)."""
    return _mean(tf.square(tf.cast(real_scores, tf.float32)))


def gradient_penalty(
    discriminator: Callable[[tf.Tensor], tf.Tensor],
    real_images: tf.Tensor,
    fake_images: tf.Tensor,
    mixing_factors: tf.Tensor,
    score_scale: Any = 1.0,
) -> tf.Tensor:
    """Returns E[(|dD/dx| - 1)^2] at mixed images (Gulrajani et al. 2017; weight 10).

    Args:
        discriminator: Maps images to scores.
        real_images: `(batch, height, width, channels)` in [-1, 1].
        fake_images: As `real_images`.
        mixing_factors: `(batch, 1, 1, 1)`, uniform in [0, 1); 0 is the real image.
        score_scale: Scores are multiplied by it and gradients divided, which keeps
            small gradients above zero where the discriminator computes in float16.
    """
    mixed_images = real_images + (fake_images - real_images) * mixing_factors
    squared_norms = _squared_gradient_norms(  # [N]
        discriminator, mixed_images, score_scale
    )
    return _mean(tf.square(tf.sqrt(squared_norms + _EPSILON) - _GRADIENT_NORM_TARGET))


def r1_penalty(
    discriminator: Callable[[tf.Tensor], tf.Tensor],
    real_images: tf.Tensor,
    score_scale: Any = 1.0,
) -> tf.Tensor:
    """Returns E[|dD/dx|^2] at real images (Mescheder et al. 2018).

    The literature's weight is gamma / 2: the caller multiplies by that, not by gamma.

    Args:
        discriminator: Maps images to scores.
        real_images: `(batch, height, width, channels)` in [-1, 1].
        score_scale: See `gradient_penalty`.
    """
    return _mean(_squared_gradient_norms(discriminator, real_images, score_scale))


def fade_real_images(images: tf.Tensor, alpha: tf.Tensor) -> tf.Tensor:
    """Returns what the fading generator can match: details weighted by `alpha`.

    Args:
        images: `(batch, height, width, channels)`; height and width even.
        alpha: Scalar in [0, 1]; 0 repeats the means of 2 x 2 pixels, 1 keeps the
            images.
    """
    coarse_images = upsample_nearest(downsample_mean(images))
    return coarse_images + (images - coarse_images) * alpha


@dataclasses.dataclass(frozen=True)
class Objective:
    """What the discriminator and the generator minimise in one stage.

    Attributes:
        config: Which losses, and their weights but that of R1.
        r1_weight: Weight gamma of R1; 0 leaves it out.
    """

    config: ObjectiveConfig
    r1_weight: float = 0.0

    @property
    def is_wgan_gp(self) -> bool:
        """Whether there is a penalty at mixtures of real and fake images."""
        return self.config.adversarial_loss == "wgan_gp"

    @property
    def uses_r1(self) -> bool:
        """Whether any step adds R1."""
        return not self.is_wgan_gp and self.r1_weight > 0

    def discriminator_loss(
        self,
        discriminator: Callable[..., Any],
        sets: Sequence[tf.Tensor],
        mixing_factors: tf.Tensor | None = None,
        score_scale: Any = 1.0,
    ) -> tuple[Any, Any, Any]:
        """Returns the loss without R1, then real and fake scores `(batch, 1)`.

        Args:
            discriminator: Maps images, and by the name `num_sets` the number of equal
                sets that they are, to scores. It sees all sets in one call.
            sets: Real patches, generated images, and nothing else or the patches of the
                other class and from outside (Eq. 6, 7); each
                `(batch, height, width, channels)`.
            mixing_factors: See `gradient_penalty`; WGAN-GP only.
            score_scale: See `gradient_penalty`.
        """
        scores = discriminator(tf.concat(sets, axis=0), num_sets=len(sets))
        real_scores, fake_scores, *judged = tf.split(scores, len(sets))  # each [N, 1]
        if self.is_wgan_gp:
            loss = wasserstein_discriminator_loss(real_scores, fake_scores)
            loss += self.config.gradient_penalty_weight * gradient_penalty(
                discriminator, sets[0], sets[1], mixing_factors, score_scale
            )
            loss += self.config.drift_penalty_weight * drift_penalty(real_scores)
            return loss, real_scores, fake_scores
        loss = logistic_discriminator_loss(real_scores, fake_scores)
        if judged:
            loss += self.config.lc_weight * loss_conditional_term(*judged)
        return loss, real_scores, fake_scores

    def r1_loss(
        self,
        discriminator: Callable[[Any], Any],
        real: tf.Tensor,
        score_scale: Any = 1.0,
    ) -> Any:
        """Returns gamma / 2 * E[|dD/dx|^2], times the steps that it stands for."""
        weight = 0.5 * self.r1_weight * self.config.r1_interval_steps
        return weight * r1_penalty(discriminator, real, score_scale)

    def generator_loss(self, fake_scores: Any) -> Any:
        """Returns the scalar generator loss of scores `(batch, 1)`."""
        if self.is_wgan_gp:
            return wasserstein_generator_loss(fake_scores)
        if self.config.generator_loss == "minimax":
            return minimax_generator_loss(fake_scores)
        return non_saturating_generator_loss(fake_scores)


def _squared_gradient_norms(
    discriminator: Callable[[tf.Tensor], tf.Tensor],
    images: tf.Tensor,
    score_scale: Any,
) -> tf.Tensor:
    with tf.GradientTape() as tape:
        tape.watch(images)
        scores = tf.cast(discriminator(images), tf.float32)
        total_score = tf.reduce_sum(scores) * score_scale
    gradients = tape.gradient(total_score, images) / score_scale  # [N, H, W, C]
    return tf.reduce_sum(tf.square(gradients), axis=(1, 2, 3))  # [N]


def _mean(values: Any) -> tf.Tensor:
    return tf.reduce_mean(tf.cast(values, tf.float32))


def _mean_softplus(scores: Any) -> tf.Tensor:
    return tf.reduce_mean(tf.math.softplus(tf.cast(scores, tf.float32)))
