"""Black-box attack: how near do the released samples come to a patient's patches?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.privacy.feature_matcher import closeness, nearest_distances


def nearest_sample_scores(
    patches: Sequence[NDArray[np.floating]], samples: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Scores every patient by the distances of the patches' nearest samples.

    A plain patch lies near everything, so each distance is calibrated: minus the
    logarithm of the distance to the nearest sample, plus that of the distance to the
    nearest patch of any other patient, of both groups alike.

    Args:
        patches: Standardised features of each patient's patches, `(m, features)`; at
            least one patch each, and at least two patients.
        samples: Standardised features of the samples, `(n, features)`.

    Returns:
        Shape `(patients,)`: the mean over the patient's patches, higher for "member".

    Reference: L. Watson et al., On the importance of difficulty calibration in
        membership inference attacks, ICLR 2022.
    """
    scores = []
    for patient, own in enumerate(patches):
        others = np.concatenate([p for i, p in enumerate(patches) if i != patient])
        to_sample = closeness(nearest_distances(own, samples))
        to_other = closeness(nearest_distances(own, others))
        scores.append((to_sample - to_other).mean())
    return np.array(scores)


def closest_samples_scores(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores every patient by the mean of the closest 1 % of the samples.

    Args:
        scores: From `standardize_rows`, of shape `(samples, patients)`.
    """
    number = max(1, len(scores) // 100)
    return np.asarray(np.sort(scores, axis=0)[-number:].mean(axis=0))
