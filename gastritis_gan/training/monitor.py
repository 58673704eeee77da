"""How a run is doing: means of its steps, measurements, and verdicts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from gastritis_gan import rng
from gastritis_gan.evaluation.pixel_metrics import (
    mean_pairwise_distance,
    ms_ssim_diversity,
)
from gastritis_gan.images import float_to_uint8
from gastritis_gan.training.losses import fade_real_images
from gastritis_gan.training.quality import QualityPatches

MEANS = (
    "d_loss",
    "g_loss",
    "real_scores",
    "fake_scores",
    "real_scores_squared",
    "fake_scores_squared",
    "d_gradient_norm",
    "g_gradient_norm",
)
_SPREADS = ("real_scores", "fake_scores")

_SEED = 0  # of pairs: the same in every run, so that runs compare
_NUM_PAIRS = 64

# Calibrated on the collapse drills and on runs that went well: docs/training.md.
_MEMORISED_SHARE = 0.5  # of the distance from samples to training patches
_COLLAPSED_DIVERSITY = 0.25  # of the real patches' diversity
_COLLAPSED_MS_SSIM = 0.5  # of what the real patches leave below 1
_FLAT_LEVELS = 1.0  # mean distance of two images that are the same to the eye
_WON_MARGIN = 20.0  # scores: sigmoid(-10) is 5e-5, no gradient is left
_FEW_IMAGES = 16


class RunningMeans(keras.metrics.Metric):
    """Means of `MEANS` over the steps that were done, and a count of the skipped ones.

    One vector holds all sums: a metric of its own for each would cost a small network
    more than its update.
    """

    def __init__(self, name: str = "running_means", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.totals = self._sum_of((len(MEANS),), "totals")
        self.num_steps = self._sum_of((), "num_steps")
        self.num_skipped = self._sum_of((), "num_skipped")

    def _sum_of(self, shape: tuple[int, ...], name: str) -> keras.Variable:
        return self.add_variable(
            shape, "zeros", aggregation="only_first_replica", name=name
        )

    def update_state(self, values: Any, done: Any) -> None:
        """Adds a step.

        Args:
            values: One number per name in `MEANS`, the same on every replica.
            done: Boolean scalar; False: the step was skipped, its values do not count.
        """
        share = tf.cast(done, tf.float32)
        self.totals.assign_add(tf.where(done, values, 0.0))
        self.num_steps.assign_add(share)
        self.num_skipped.assign_add(1.0 - share)

    def result(self) -> dict[str, Any]:
        """Returns scalars by name; means are NaN where every step was skipped.

        Next to `MEANS`, with the standard deviation of scores instead of their squares
        (`real_scores_std`, `fake_scores_std`), there is the sum `skipped_steps`.
        """
        means = tf.convert_to_tensor(self.totals) / self.num_steps
        results = dict(zip(MEANS, tf.unstack(means), strict=True))
        for name in _SPREADS:
            variance = results.pop(f"{name}_squared") - tf.square(results[name])
            results[f"{name}_std"] = tf.sqrt(tf.maximum(variance, 0.0))
        results["skipped_steps"] = tf.convert_to_tensor(self.num_skipped)
        return results


class HealthCheck:
    """Measures the model of a stage on the same real patches and latents every time.

    Args:
        training: Patches of training patients that the generator imitates, float32
            `(n, r, r, 1)` in [-1, 1]; n is a multiple of the stage's batch size.
        validation: As many patches of patients that no gradient has seen, or None.
        quality: Patches that samples are compared with, or None; not in a transition,
            where real patches would have to be faded, and compared, at every tick.
        seed: Seed of the run, for the latents.
    """

    def __init__(
        self,
        training: np.ndarray,
        validation: np.ndarray | None,
        quality: QualityPatches | None,
        *,
        seed: int,
    ) -> None:
        self._training = training
        self._validation = validation
        self._quality = quality
        self._seed = seed

    def measure(self, model: Any, alpha: float) -> dict[str, float]:
        """Returns the metrics that `verdicts` reads.

        Args:
            model: The `GAN` of the stage.
            alpha: Weight of its newest block, in [0, 1].

        Returns:
            `training_scores`, `sample_scores`: mean scores of the discriminator;
            `score_spread`: standard deviation of the scores of training patches;
            `diversity`, `real_diversity`: mean distance of two images, in grey levels;
            `ms_ssim`, `real_ms_ssim`: mean MS-SSIM of two images;
            `quality`, `quality_floor`, `quality_other_class`: as of
            `QualityPatches.measure`, where there are patches;
            with validation patches also `validation_scores`.
        """
        blend = tf.constant(alpha) if model.spec.stage.transition else None
        training = _faded(self._training, blend)
        num_judged = 0 if self._quality is None else self._quality.num_samples
        drawn = self._samples(model, max(len(training), num_judged), blend)
        samples = drawn[: len(training)]
        training_scores = _scores(model, training, blend)
        grey_training, grey_samples = _grey(training), _grey(samples)
        metrics = {
            "training_scores": training_scores.mean(),
            "sample_scores": _scores(model, samples, blend).mean(),
            "score_spread": training_scores.std(),
            "diversity": mean_pairwise_distance(grey_samples),
            "real_diversity": mean_pairwise_distance(grey_training),
            "ms_ssim": _ms_ssim(grey_samples),
            "real_ms_ssim": _ms_ssim(grey_training),
        }
        if self._validation is not None:
            validation = _faded(self._validation, blend)
            metrics["validation_scores"] = _scores(model, validation, blend).mean()
        if self._quality is not None:
            judged = float_to_uint8(drawn[:num_judged].numpy())
            metrics |= self._quality.measure(judged)
        return {name: float(value) for name, value in metrics.items()}

    def _samples(self, model: Any, num_images: int, alpha: Any) -> tf.Tensor:
        latents = tf.random.stateless_normal(
            (num_images, model.generator.latent_dim),
            seed=rng.stateless_seed(self._seed, "training.health_latents"),
            alg="philox",
        )
        return tf.concat(
            [
                model.generator_ema(part, alpha=alpha, training=False)
                for part in _batches(latents, model.spec.stage.batch_size)
            ],
            axis=0,
        )


def _faded(images: np.ndarray, alpha: Any) -> tf.Tensor:
    tensor = tf.constant(images)
    return tensor if alpha is None else fade_real_images(tensor, alpha)


def _scores(model: Any, images: tf.Tensor, alpha: Any) -> np.ndarray:
    """Scores in training's batches: a minibatch standard deviation depends on them."""
    return np.concatenate(
        [
            model.discriminator(part, alpha=alpha, training=False).numpy().ravel()
            for part in _batches(images, model.spec.stage.batch_size)
        ]
    )


def _batches(rows: tf.Tensor, size: int) -> list[tf.Tensor]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _grey(images: tf.Tensor) -> np.ndarray:
    levels: np.ndarray = float_to_uint8(images.numpy())[..., 0]
    return levels


def _ms_ssim(images: np.ndarray) -> float:
    return ms_ssim_diversity(images, num_pairs=_NUM_PAIRS, seed=_SEED)


def verdicts(
    metrics: Mapping[str, float],
    *,
    num_images: int,
    logistic: bool,
    class_name: str | None = None,
) -> list[str]:
    """Returns what is wrong, one sentence each with a way out; empty if nothing is.

    Args:
        metrics: What `HealthCheck.measure` and the tick returned.
        num_images: Training images that the patches come from.
        logistic: Whether scores are logits; the Wasserstein loss has no such scale.
        class_name: What samples should show by now; None before the last stage.
    """
    found = []
    if skipped := round(metrics.get("skipped_steps", 0)):
        found.append(
            f"a loss or gradient was not finite in {skipped} of the steps since the "
            "last tick, and these were skipped: look for damaged patches, or lower "
            "`optimizer.learning_rate`."
        )
    if num_images < _FEW_IMAGES:
        found.append(
            f"the training patches come from few images, {num_images}: the generator "
            "can repeat them; add patients, and audit the model before anything is "
            "shared."
        )
    return [
        *found,
        *_on_samples(metrics, class_name),
        *_on_scores(metrics, logistic=logistic),
    ]


def _on_samples(metrics: Mapping[str, float], class_name: str | None) -> Iterator[str]:
    if metrics.get("real_diversity", math.inf) < _FLAT_LEVELS:
        yield (
            "the training patches all look the same: there is nothing to learn; look "
            "at them with `gastritis-gan inspect`."
        )
    elif "diversity" in metrics:
        share = metrics["diversity"] / metrics["real_diversity"]
        left = 1 - metrics["real_ms_ssim"]
        alike = 1 - metrics["ms_ssim"] < _COLLAPSED_MS_SSIM * left
        if share < _COLLAPSED_DIVERSITY or (alike and share < 0.5):
            yield (
                f"the samples hardly differ: their diversity is {share:.0%} of the "
                "training patches'; if this lasts, the generator has collapsed: lower "
                "`optimizer.learning_rate`, or go back to a checkpoint before."
            )
    other = metrics.get("quality_other_class", math.inf)
    if class_name is not None and metrics.get("quality", 0.0) > other:
        yield (
            f"the samples are further from real {class_name} patches than real patches "
            f"of the other class are ({metrics['quality']:.3f} and {other:.3f}); if "
            "this lasts, try another `optimizer.learning_rate` or wider networks."
        )


def _on_scores(metrics: Mapping[str, float], *, logistic: bool) -> Iterator[str]:
    if "validation_scores" in metrics:
        lead = metrics["training_scores"] - metrics["validation_scores"]
        distance = metrics["training_scores"] - metrics["sample_scores"]
        if distance > metrics["score_spread"] and lead >= _MEMORISED_SHARE * distance:
            yield (
                "the discriminator is memorising the training patients: patches of "
                f"validation patients score {lead / distance:.0%} of the way from "
                "training patches to samples; try augmentation, more patients, or stop "
                "here."
            )
    if logistic and "training_scores" in metrics:
        margin = metrics["training_scores"] - metrics["sample_scores"]
        if margin >= _WON_MARGIN:
            yield (
                f"the discriminator has won: it scores training patches {margin:.0f} "
                "above samples, which leaves the generator no gradient; lower "
                "`optimizer.learning_rate`, or raise `objective.r1_weight`."
            )
