import numpy as np
import pytest

from gastritis_gan.privacy.planted import plant_copies
from tests.helpers.small_store import RESOLUTION


@pytest.fixture(scope="module")
def planted(store, cohort):
    return plant_copies(store, cohort, number=200, resolution=RESOLUTION, seed=0)


def test_copies_come_from_training_patients_only(planted, cohort):
    assert planted.patches.shape == (200, 16, 16)
    assert planted.patches.dtype == np.uint8
    assert cohort.is_training[planted.patient].all()
    assert len(set(planted.patient)) > 20  # of 24


def test_each_is_a_disguised_window_of_its_patient(planted, store, cohort):
    """Every window of the image, every turn, by brute force: 20 dB leave 0.995."""
    for patch, patient in list(zip(planted.patches, planted.patient, strict=True))[:6]:
        image = store.image(cohort.images[patient]).astype(float)
        windows = np.lib.stride_tricks.sliding_window_view(image, (32, 32))
        small = windows.reshape(*windows.shape[:2], 16, 2, 16, 2).mean(axis=(3, 5))
        small = small.reshape(-1, 256)
        small -= small.mean(axis=1, keepdims=True)
        small /= np.linalg.norm(small, axis=1, keepdims=True)
        best = 0.0
        for turned in (patch, patch[::-1], patch[:, ::-1], patch[::-1, ::-1]):
            flat = turned.ravel() - turned.mean()
            best = max(best, (small @ flat / np.linalg.norm(flat)).max())
        assert best == pytest.approx(0.995, abs=0.004)


def test_the_same_seed_plants_the_same(planted, store, cohort):
    again = plant_copies(store, cohort, number=200, resolution=RESOLUTION, seed=0)
    np.testing.assert_array_equal(again.patches, planted.patches)
