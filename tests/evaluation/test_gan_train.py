from __future__ import annotations

import numpy as np
import pytest

from gastritis_gan.errors import InputError
from gastritis_gan.evaluation.gan_train import gan_train
from gastritis_gan.evaluation.labelled_image import LabelledImage
from gastritis_gan.evaluation.training_set import TrainingSet


class Pixels:
    """Features are the pixels; it remembers how many patches it was given."""

    name = "pixels"
    dim = 16

    def __init__(self):
        self.num_patches = []

    def __call__(self, images):
        self.num_patches.append(len(images))
        return images.reshape(len(images), -1)

    def describe(self):
        return {"name": self.name, "dim": self.dim}


def draw_patches(mean: float, count: int, seed: int) -> np.ndarray:
    """Returns (count, 4, 4, 1) patches: `mean` plus unit noise, scaled into [-1, 1]."""
    noise = np.random.default_rng(seed).normal(size=(count, 4, 4, 1))
    return np.clip((mean + noise) / 8, -1, 1).astype(np.float32)


def make_training_set(name, positive, negative):
    return TrainingSet(
        name=name,
        num_positive=len(positive),
        num_negative=len(negative),
        positive=lambda: iter(np.array_split(positive, 3)),
        negative=lambda: iter(np.array_split(negative, 3)),
    )


def make_images(mean, *, per_class, num_patches=5):
    """Returns images whose patches lie at +mean if positive, at -mean if negative."""
    images = []
    for number in range(2 * per_class):
        positive = number < per_class
        patches = draw_patches(mean if positive else -mean, num_patches, 1000 + number)
        images.append(
            LabelledImage(
                key=f"image{number}",
                patient=f"patient{number}",
                positive=positive,
                num_patches=num_patches,
                read_patches=lambda patches=patches: patches,
            )
        )
    return images


def rate_of_right_images(row, images):
    right = [
        (2 * votes > image.num_patches) == image.positive
        for votes, image in zip(row.positive_votes, images, strict=True)
    ]
    return np.mean(right)


def test_separable_classes_are_all_right():
    training_set = make_training_set(
        "real", draw_patches(2, 60, 0), draw_patches(-2, 60, 1)
    )
    images = make_images(2, per_class=10)
    (row,) = gan_train(Pixels(), [training_set], images, svm_c=1.0, seed=0)
    assert row.positive_votes.tolist() == [5] * 10 + [0] * 10
    assert row.converged
    assert (row.num_positive, row.num_negative) == (60, 60)


def test_permuted_labels_are_at_chance_on_average():
    # One permutation may lean to either side, and all test images then lean with it;
    # the mean of 40 rates with a deviation of about 0.1 has one of 0.016: 4 of them.
    patches = np.concatenate([draw_patches(0.3, 50, 0), draw_patches(-0.3, 50, 1)])
    images = make_images(0.3, per_class=20, num_patches=1)
    true = make_training_set("true", patches[:50], patches[50:])
    training_sets = [true]
    for seed in range(40):
        permuted = np.random.default_rng(seed).permutation(patches)
        training_sets.append(make_training_set(str(seed), permuted[:50], permuted[50:]))
    rows = gan_train(Pixels(), training_sets, images, svm_c=1.0, seed=0)
    true_rate, *rates = (rate_of_right_images(row, images) for row in rows)
    assert true_rate > 0.75
    assert abs(np.mean(rates) - 0.5) < 0.065


def test_generated_equal_to_real_scores_as_real_and_features_are_computed_once():
    positive, negative = draw_patches(0.2, 60, 0), draw_patches(-0.2, 60, 1)
    training_sets = [
        make_training_set(name, positive, negative) for name in ("generated", "real")
    ]
    images = make_images(0.2, per_class=20, num_patches=7)
    extractor = Pixels()
    generated, real = gan_train(extractor, training_sets, images, svm_c=1.0, seed=0)
    assert generated.positive_votes.tolist() == real.positive_votes.tolist()
    assert 0.6 < rate_of_right_images(real, images) < 1
    assert extractor.num_patches == [20] * 12 + [7] * 40


def test_progress_reports_every_patch():
    training_set = make_training_set(
        "real", draw_patches(2, 10, 0), draw_patches(-2, 13, 1)
    )
    reported = []
    gan_train(
        Pixels(),
        [training_set],
        make_images(2, per_class=3),
        svm_c=1.0,
        seed=0,
        report_patches=reported.append,
    )
    assert sum(reported) == 10 + 13 + 6 * 5


@pytest.mark.parametrize(
    ("chosen", "missing"), [(slice(0, 3), "negative"), (slice(3, 6), "positive")]
)
def test_test_images_of_one_class_are_refused(chosen, missing):
    images = make_images(2, per_class=3)[chosen]
    with pytest.raises(InputError, match=f"no {missing} test image"):
        gan_train(Pixels(), [], images, svm_c=1.0, seed=0)
