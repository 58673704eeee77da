"""Who a phantom patient is: label, severity of the disease, invented identity."""

from __future__ import annotations

import dataclasses
import datetime

import numpy as np

from gastritis_gan.phantom.stomach import Relief

LABELS = ("gastritis", "non_gastritis")
_FAMILY_NAMES = ("Phantom", "Barium", "Rugae", "Antrum", "Fundus", "Pylorus", "Cardia")
_GIVEN_NAMES = ("Aiko", "Ben", "Chloe", "Daichi", "Emma", "Farid", "Grace", "Haruto")
_FIRST_STUDY = datetime.date(2010, 1, 4)
_STUDY_DAYS = 3000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Patient:
    """One invented patient.

    Attributes:
        label: "gastritis" or "non_gastritis".
        relief: How the mucosa looks.
        identifier: Unique within the cohort.
        name: DICOM person name.
        sex: "F" or "M".
        birth_date: Day of birth.
        study_date: Day of the examination.
        modality: "DX" or "RF".
        monochrome1: Whether low stored values are bright.
    """

    label: str
    relief: Relief
    identifier: str
    name: str
    sex: str
    birth_date: datetime.date
    study_date: datetime.date
    modality: str
    monochrome1: bool


def draw_patient(rng: np.random.Generator, index: int) -> Patient:
    """Draws the patient of one index; labels alternate, so half the cohort has each."""
    label = LABELS[index % 2]
    study_date = _FIRST_STUDY + datetime.timedelta(days=int(rng.integers(_STUDY_DAYS)))
    age_days = int(rng.integers(30 * 365, 85 * 365))
    return Patient(
        label=label,
        relief=_draw_relief(rng, ill=label == LABELS[0]),
        identifier=f"PH{rng.integers(1000, 10000)}{index:05d}",
        name=f"{rng.choice(_FAMILY_NAMES)}^{rng.choice(_GIVEN_NAMES)}",
        sex=str(rng.choice(["F", "M"])),
        birth_date=study_date - datetime.timedelta(days=age_days),
        study_date=study_date,
        modality=str(rng.choice(["DX", "RF"])),
        monochrome1=index // 2 % 2 == 1,  # half of each class
    )


def _draw_relief(rng: np.random.Generator, *, ill: bool) -> Relief:
    """Draws a relief such that mild gastritis looks like coarse normal mucosa."""
    severity = rng.beta(4.5, 1.4)
    if not ill:
        severity = 1 - severity

    def between(healthy: float, diseased: float, spread: float) -> float:
        share = np.clip(severity + rng.normal(0, 0.12), -0.1, 1.1)
        value = healthy * (diseased / healthy) ** share
        return float(value * np.exp(rng.normal(0, spread)))

    return Relief(
        fold_spacing_px=between(28, 42, 0.08),
        fold_width=between(0.36, 0.52, 0.05),
        fold_wander=between(0.10, 0.42, 0.1),
        fold_wander_px=between(260, 120, 0.1),
        fold_unevenness=between(0.08, 0.4, 0.1),
        areae_px=between(10, 22, 0.08),
        areae_irregularity=min(1.0, between(0.25, 0.8, 0.1)),
        fold_share=float(rng.uniform(0.45, 0.7)),
    )
