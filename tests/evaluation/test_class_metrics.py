from __future__ import annotations

import numpy as np
import pytest

from gastritis_gan.errors import InputError
from gastritis_gan.evaluation.class_metrics import (
    REAL,
    feature_metrics,
    halve_patients,
    pixel_metrics,
)

PATIENTS = np.repeat(np.arange(9), np.arange(10, 19))


def test_halves_are_of_different_patients_and_equally_large():
    halvings, count = halve_patients(PATIENTS, most=1000, seed=0)
    assert len(halvings) == 3
    # The smaller half is at least the four smallest patients: 10 + 11 + 12 + 13.
    assert 46 <= count <= len(PATIENTS) // 2
    for one, other in halvings:
        assert len(set(one)) == len(set(other)) == count
        assert not set(PATIENTS[one]) & set(PATIENTS[other])
    firsts = {tuple(np.unique(PATIENTS[halving[0]])) for halving in halvings}
    assert len(firsts) > 1


def test_at_most_so_many_patches_are_used():
    assert halve_patients(PATIENTS, most=30, seed=0)[1] == 30


@pytest.mark.parametrize(
    ("patients", "message"),
    [
        (np.repeat([0, 1, 2], 50), "need 4 training patients"),
        (np.arange(8), "more than 5 patches"),
    ],
)
def test_too_little_for_a_floor_is_refused(patients, message):
    with pytest.raises(InputError, match=message):
        halve_patients(patients, most=100, seed=0)


def test_samples_of_the_same_distribution_are_at_the_floor_and_others_are_not():
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(40), 5)
    real, same = rng.normal(size=(2, 200, 6))
    generated = {
        "same": lambda: same,
        "shifted": lambda: same + 3,
        "narrow": lambda: 0.1 * same,
    }
    halvings, _ = halve_patients(patients, most=90, seed=0)
    found = feature_metrics(real, patients, generated, halvings, seed=0)
    floor = found[REAL]["frechet_distance"]
    assert floor["lowest"] <= floor["value"] <= floor["highest"]
    assert found["same"]["frechet_distance"]["value"] < 2 * floor["highest"]
    # Means 3 apart in six features: 54; the covariances are equal.
    shifted = found["shifted"]["frechet_distance"]["value"]
    assert shifted == pytest.approx(54, rel=0.15)
    assert found["shifted"]["coverage"]["value"] < 0.1
    assert found["narrow"]["precision"]["value"] > found[REAL]["precision"]["value"]
    assert found["narrow"]["recall"]["value"] < 0.1


def test_pixels_have_a_floor_too():
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(8), 10)
    real = rng.integers(0, 256, (80, 16, 16), np.uint8)
    flat = np.repeat(rng.integers(0, 256, (40, 1, 16), np.uint8), 16, axis=1)
    halvings, _ = halve_patients(patients, most=40, seed=0)
    found = pixel_metrics(real, patients, {"flat": lambda: flat}, halvings[:1], seed=0)
    assert found["flat"]["swd_16"]["value"] > 3 * found[REAL]["swd_16"]["value"]
    assert found["flat"]["swd_mean"] == found["flat"]["swd_16"]
