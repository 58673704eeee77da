"""How a run is doing: scores, diversity and distances of a few fixed images."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from gastritis_gan.evaluation.image_metrics.diversity import (
    mean_pairwise_distance,
    ms_ssim_diversity,
)
from gastritis_gan.evaluation.image_metrics.swd import sliced_wasserstein_distance
from gastritis_gan.losses import fade_real_images
from gastritis_gan.serving.signatures import to_uint8

_SEED = 0  # of projections and pairs: the same in every run, so that runs compare
_NUM_PAIRS = 64
_LATENT_STREAM = (1 << 40) + 1  # apart from every training step and the sheets


class HealthCheck:
    """Measures the model of a stage on the same real patches and latents every time.

    Args:
        training: Patches of training patients that the generator imitates, float32
            `(n, r, r, 1)` in [-1, 1]; n is a multiple of the stage's batch size.
        validation: As many patches of patients that no gradient has seen, or None.
        seed: Seed of the run, for the latents.
    """

    def __init__(
        self, training: np.ndarray, validation: np.ndarray | None, *, seed: int
    ) -> None:
        self._training = training
        self._validation = validation
        self._seed = seed

    def measure(self, model: Any, alpha: float) -> dict[str, float]:
        """Returns the figures that `verdicts` reads.

        Args:
            model: The `ProgressiveGAN` of the stage.
            alpha: Weight of its newest block, in [0, 1].

        Returns:
            `training_scores`, `sample_scores`: mean scores of the discriminator;
            `score_spread`: deviation of the scores of training patches;
            `diversity`, `real_diversity`: mean distance of two images, in grey levels;
            `ms_ssim`, `real_ms_ssim`: mean MS-SSIM of two images;
            `swd`: of samples against validation patches (training patches without
            them), mean over levels;
            with validation patches also `validation_scores` and `swd_floor`, the `swd`
            of training patches.
        """
        blend = tf.constant(alpha) if model.stage.transition else None
        training = _faded(self._training, blend)
        samples = self._samples(model, len(training), blend)
        training_scores = _scores(model, training, blend)
        grey_training, grey_samples = _grey(training), _grey(samples)
        figures = {
            "training_scores": training_scores.mean(),
            "sample_scores": _scores(model, samples, blend).mean(),
            "score_spread": training_scores.std(),
            "diversity": mean_pairwise_distance(grey_samples),
            "real_diversity": mean_pairwise_distance(grey_training),
            "ms_ssim": _ms_ssim(grey_samples),
            "real_ms_ssim": _ms_ssim(grey_training),
        }
        if self._validation is None:
            figures["swd"] = _swd(grey_samples, grey_training)
        else:
            validation = _faded(self._validation, blend)
            grey_validation = _grey(validation)
            figures["validation_scores"] = _scores(model, validation, blend).mean()
            figures["swd"] = _swd(grey_samples, grey_validation)
            figures["swd_floor"] = _swd(grey_training, grey_validation)
        return {name: float(value) for name, value in figures.items()}

    def _samples(self, model: Any, num_images: int, alpha: Any) -> tf.Tensor:
        latents = tf.random.stateless_normal(
            (num_images, model.generator.latent_dim),
            seed=(self._seed, _LATENT_STREAM),
            alg="philox",
        )
        return tf.concat(
            [
                model.generator_ema(part, alpha=alpha, training=False)
                for part in _batches(latents, model.stage.batch_size)
            ],
            axis=0,
        )


def _faded(images: np.ndarray, alpha: Any) -> tf.Tensor:
    tensor = tf.constant(images)
    return tensor if alpha is None else fade_real_images(tensor, alpha)


def _scores(model: Any, images: tf.Tensor, alpha: Any) -> np.ndarray:
    """Scores in training's batches: a minibatch deviation depends on them."""
    return np.concatenate(
        [
            model.discriminator(part, alpha=alpha, training=False).numpy().ravel()
            for part in _batches(images, model.stage.batch_size)
        ]
    )


def _batches(rows: tf.Tensor, size: int) -> list[tf.Tensor]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _grey(images: tf.Tensor) -> np.ndarray:
    levels: np.ndarray = to_uint8(images).numpy()[..., 0]
    return levels


def _ms_ssim(images: np.ndarray) -> float:
    return ms_ssim_diversity(images, num_pairs=_NUM_PAIRS, seed=_SEED)


def _swd(first: np.ndarray, second: np.ndarray) -> float:
    by_level = sliced_wasserstein_distance(first, second, seed=_SEED)
    return float(np.mean(list(by_level.values())))
