import numpy as np
import pytest
from scipy import stats

from gastritis_gan.privacy.copies import (
    DISGUISES,
    PLAIN,
    copy_rate_bound,
    excess_rate,
    plant_copies,
    samples_needed,
)
from gastritis_gan.privacy.subjects import choose_cohort
from tests.helpers.small_store import RESOLUTION, SIDE, SmallStore

BACKGROUND = np.random.default_rng(0).random((5, RESOLUTION, RESOLUTION), np.float32)


def disguise_of(kind):
    (found,) = [disguise for disguise in DISGUISES if disguise.kind == kind]
    return found


def plant(store, cohort, kind, number=200):
    return plant_copies(
        store, cohort, disguise_of(kind), samples=BACKGROUND, number=number, seed=0
    )


@pytest.fixture(scope="module")
def planted(store, cohort):
    return plant(store, cohort, PLAIN.kind)


def test_copies_come_from_training_patients_only(planted, cohort):
    assert planted.patches.shape == (200, 16, 16)
    assert cohort.is_training[planted.patient].all()
    assert len(set(planted.patient)) > 20  # of 24


def best_correlation(patch, image, part=np.s_[:, :]):
    """Every window of the image, every flip, by brute force."""
    windows = np.lib.stride_tricks.sliding_window_view(image.astype(float), (32, 32))
    small = windows.reshape(*windows.shape[:2], 16, 2, 16, 2).mean(axis=(3, 5))
    best = 0.0
    for down in (1, -1):
        for right in (1, -1):
            turned = small[:, :, ::down, ::right][:, :, *part].reshape(65 * 65, -1)
            turned = turned - turned.mean(axis=1, keepdims=True)
            turned /= np.linalg.norm(turned, axis=1, keepdims=True)
            flat = patch[part].ravel() - patch[part].mean()
            best = max(best, (turned @ flat / np.linalg.norm(flat)).max())
    return best


@pytest.mark.parametrize(
    ("kind", "correlation", "tolerance"),
    [(PLAIN.kind, 0.995, 0.004), ("exact", 1, 0.001)],  # 20 dB of noise leave 0.995
)
def test_each_is_a_window_of_its_patient(store, cohort, kind, correlation, tolerance):
    copies = plant(store, cohort, kind, 4)
    for patch, patient in zip(copies.patches, copies.patient, strict=True):
        best = best_correlation(patch, store.image(cohort.images[patient]))
        assert best == pytest.approx(correlation, abs=tolerance)


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("halves of two patients", [np.s_[:8, :], np.s_[:, :8]]),
        ("quarters of two patients", [np.s_[:8, 8:]]),
    ],
)
def test_a_part_is_the_patients_and_the_rest_is_not(store, cohort, kind, parts):
    copies = plant(store, cohort, kind, 3)
    for patch, patient in zip(copies.patches, copies.patient, strict=True):
        image = store.image(cohort.images[patient])
        assert max(best_correlation(patch, image, part) for part in parts) > 0.97
        assert best_correlation(patch, image) < 0.9


def test_a_region_lies_in_a_sample_of_the_generator(store, cohort):
    copies = plant(store, cohort, "a region of 5/8 of the side", 30)
    for patch in copies.patches:
        close = [
            np.isclose(patch, other, atol=0.3).mean() for other in BACKGROUND
        ]  # contrast, brightness and noise are small beside white noise
        assert max(close) > 0.6  # 1 - (5 / 8)^2 is the sample's


class PlaneWaves(SmallStore):
    """Every image is a wave along the rows, of 12 pixels; 6 in a patch."""

    def image(self, index):
        wave = np.cos(2 * np.pi * np.arange(SIDE) / 12)
        return np.rint(120 + 60 * np.tile(wave, (SIDE, 1))).astype(np.uint8)


def measured_waves(copies):
    """Waves per pixel and angle to the rows, from the peak of a padded FFT."""
    window = np.outer(np.hanning(18)[1:-1], np.hanning(18)[1:-1])
    for patch in copies.patches:
        spectrum = np.abs(np.fft.fft2((patch - patch.mean()) * window, (512, 512)))
        row, column = np.unravel_index(spectrum.argmax(), spectrum.shape)
        y, x = (f - 512 if f > 256 else f for f in (row, column))
        yield np.hypot(x, y) / 512, np.degrees(np.arctan(abs(y / x)))


@pytest.mark.parametrize(
    ("kind", "angle", "scale"),
    [
        (PLAIN.kind, 0, 1),
        ("turned by 2 degrees", 2, 1),
        ("turned by 5 degrees", 5, 1),
        ("turned by 10 degrees", 10, 1),
        ("scaled by 0.9", 0, 0.9),
        ("scaled by 1.1", 0, 1.1),
    ],
)
def test_turns_and_scales_are_those_of_a_wave(kind, angle, scale):
    store = PlaneWaves(num_training=3, num_test=3)
    cohort = choose_cohort(store, "positive", seed=0)
    waves, angles = np.transpose(list(measured_waves(plant(store, cohort, kind, 30))))
    assert np.mean(angles) == pytest.approx(angle, abs=0.8)
    assert 1 / 6 / np.mean(waves) == pytest.approx(scale, rel=0.02)


def test_the_same_seed_plants_the_same(planted, store, cohort):
    again = plant(store, cohort, PLAIN.kind)
    np.testing.assert_array_equal(again.patches, planted.patches)


@pytest.mark.parametrize(("copies", "samples"), [(0, 1000), (3, 500), (10, 10)])
def test_bound_is_scipys_exact_one(copies, samples):
    expected = (
        stats.binomtest(copies, samples, alternative="less")
        .proportion_ci(0.95, method="exact")
        .high
    )
    assert copy_rate_bound(copies, samples, 1.0) == pytest.approx(expected)


def test_bound_grows_where_copies_are_overlooked():
    assert copy_rate_bound(0, 3000, 0.5) == pytest.approx(
        2 * copy_rate_bound(0, 3000, 1.0)
    )
    assert copy_rate_bound(0, 3000, 0.0) == 1


@pytest.mark.parametrize(("rate", "power"), [(0.001, 0.8), (0.01, 1.0)])
def test_samples_needed_are_just_enough(rate, power):
    needed = samples_needed(rate, power)
    assert copy_rate_bound(0, needed, power) <= rate * 1.001
    assert copy_rate_bound(0, needed - 2, power) > rate


def test_excess_is_the_difference_of_the_groups():
    scores = np.zeros((100, 6))
    scores[:4, 0] = scores[10:12, 1] = scores[20, 4] = 9
    is_training = np.array([True, True, True, False, False, False])
    rate = excess_rate(scores, is_training, threshold=5, seed=0)
    assert rate.training == pytest.approx(0.06)
    assert rate.held_out == pytest.approx(0.01)
    assert rate.excess == pytest.approx(0.05)
    assert rate.low < 0.05 < rate.high


def test_a_smaller_control_group_is_scaled_up():
    scores = np.zeros((100, 6))
    scores[0, 5] = 9
    is_training = np.arange(6) < 4
    rate = excess_rate(scores, is_training, threshold=5, seed=0)
    assert rate.held_out == pytest.approx(0.02)


def test_a_sample_counts_once_for_the_patient_it_matches_best():
    scores = np.zeros((100, 6))
    scores[:, 0], scores[:, 1], scores[:, 4] = 9, 8, 7
    scores[50:, 4] = 10
    is_training = np.array([True, True, True, False, False, False])
    rate = excess_rate(scores, is_training, threshold=5, seed=0)
    assert (rate.training, rate.held_out, rate.excess) == (0.5, 0.5, 0)
    assert -1 <= rate.low <= 0 <= rate.high <= 1


@pytest.mark.parametrize("of_training", [True, False])
def test_the_rate_lies_within_its_interval_when_every_sample_matches(of_training):
    is_training = np.arange(6) < 4
    scores = np.zeros((100, 6))
    scores[np.arange(100), np.where(of_training, np.arange(100) % 4, 5)] = 9
    rate = excess_rate(scores, is_training, threshold=5, seed=0)
    assert rate.excess == (1 if of_training else -2)  # 4 patients for 2
    assert rate.low <= rate.excess <= rate.high


def test_interval_covers_patients_not_samples():
    """One patient with all the copies: resampling patients leaves it out often."""
    scores = np.zeros((1000, 40))
    scores[:100, 0] = 9
    rate = excess_rate(scores, np.arange(40) < 20, threshold=5, seed=0)
    assert rate.low == 0
    assert rate.high == pytest.approx(0.3, abs=0.1)
