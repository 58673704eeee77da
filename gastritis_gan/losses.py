"""Adversarial losses and penalties: float32 means over the batch, functions of scores.

Scores are the discriminator's unbounded outputs, shape `(batch, 1)`; the paper's D(x)
is `sigmoid(score)`, so `-log D(x)` is `softplus(-score)` and `-log(1 - D(x))` is
`softplus(score)`. Nothing here is weighted: the caller multiplies penalties and terms.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from gastritis_gan.layers.resampling import downsample_mean, upsample_nearest

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
