"""Quality of samples beside its anchors, on stripes and blotches."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from gastritis_gan.store.store import Store
from gastritis_gan.training.monitor import HealthCheck
from gastritis_gan.training.quality import QualityPatches
from tests.helpers.striped_store import CONFIG, make_workplace

PATIENTS = [f"p{number}x" for number in range(20)]


@pytest.fixture(scope="module", params=[0, 4])
def quality(request, tmp_path_factory):
    """With and without validation patients."""
    split = (
        "split: {train_positive_patients: 8, train_negative_patients: 8, "
        f"validation_positive_patients: {request.param}, "
        f"validation_negative_patients: {request.param}}}"
    )
    lines = CONFIG.splitlines()
    config = "\n".join(split if "split" in line else line for line in lines) + "\n"
    path = make_workplace(
        tmp_path_factory.mktemp("quality"), patients=PATIENTS, config=config
    )
    store = Store.open(path / "store")
    found = QualityPatches.read(store, "positive", 16)
    assert found.has_validation == (request.param > 0)
    test = store.read(store.patch_set("positive", "test"), 16)
    return found, test


def measured(quality, samples):
    return quality.measure(samples)


def test_other_patients_of_the_class_are_near_the_floor(quality):
    patches, test = quality
    found = measured(patches, test)
    assert found["quality_floor"] < 0.2 * found["quality_other_class"]
    assert found["quality"] < 0.3 * found["quality_other_class"]


def test_worse_samples_are_further_away(quality):
    patches, test = quality
    noise = np.random.default_rng(0).normal(0, 60, test.shape)
    noisy = np.clip(test + noise, 0, 255).astype(np.uint8)
    values = [
        measured(patches, samples)["quality"]
        for samples in (test, noisy, np.full_like(test, 128))
    ]
    assert values[0] < values[1] / 2
    assert values[2] > measured(patches, test)["quality_other_class"]


def test_the_other_class_is_its_own_anchor(quality):
    patches, _ = quality
    found = measured(patches, patches.other_class)
    assert found["quality"] == pytest.approx(found["quality_other_class"])


def test_a_health_check_draws_500_samples_once(quality):
    patches, test = quality
    drawn, shown = [], []

    def generator_ema(latents, **options):
        drawn.append(latents.numpy())
        shown.append(test[np.arange(len(latents)) % len(test)])
        return tf.constant(shown[-1] / 127.5 - 1, tf.float32)

    model = SimpleNamespace(
        spec=SimpleNamespace(stage=SimpleNamespace(transition=False, batch_size=16)),
        generator=SimpleNamespace(latent_dim=3),
        generator_ema=generator_ema,
        discriminator=lambda images, **options: tf.reduce_mean(images, (1, 2, 3)),
    )
    training = (patches.training[:32] / 127.5 - 1).astype("float32")
    metrics = HealthCheck(training, None, patches, seed=0).measure(model, 1.0)
    assert len(np.unique(np.concatenate(drawn), axis=0)) == 500
    assert len(np.concatenate(shown)) == 500
    expected = patches.measure(np.concatenate(shown))
    assert metrics["quality"] == pytest.approx(expected["quality"])
    assert metrics["sample_scores"] == pytest.approx(
        np.concatenate(shown)[:32].mean() / 127.5 - 1, abs=1e-5
    )
