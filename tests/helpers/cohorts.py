"""A small cohort of DICOM, PNG and TIFF files whose every text carries a marker."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from gastritis_gan.cohort.cohort_settings import CohortConfig
from gastritis_gan.store.patches import PatchGeometry
from gastritis_gan.store.prepare import prepare_cohort
from gastritis_gan.store.split import SplitConfig
from gastritis_gan.store.store import Store

MARKER = "Zebrafink"
SIZE = 64
GEOMETRY = PatchGeometry(patch_size=16, stride=8)


def grey_dataset(pixels: np.ndarray, **attributes: object) -> Dataset:
    """Returns a one-frame greyscale data set; `attributes` override and add."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = "1.2.3"
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated = 8 * pixels.dtype.itemsize
    dataset.BitsStored = dataset.BitsAllocated
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def save_dicom(path: Path, dataset: Dataset) -> Path:
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    return path


def organ_mask() -> np.ndarray:
    """The same disc in every image: radius 20 about the centre."""
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    return y**2 + x**2 <= 20**2


@pytest.fixture
def make_cohort(tmp_path: Path) -> Callable[..., Path]:
    """Writes `patients` patients with two images each; the first half is positive."""

    def make(*, patients: int = 6, folder: str = f"{MARKER}_cohort") -> Path:
        root = tmp_path / folder
        (root / MARKER).mkdir(parents=True)
        rng = np.random.default_rng(0)
        Image.fromarray(organ_mask().astype(np.uint8) * 255).save(
            root / MARKER / f"{MARKER}.png"
        )
        with (root / "cohort.csv").open("w", newline="") as stream:
            rows = csv.writer(stream)
            rows.writerow(["image", "patient", "label", "outline"])
            for number in range(2 * patients):
                name = f"{MARKER}/{MARKER}{number:02}"
                pixels = rng.integers(0, 4096, (SIZE, SIZE), np.uint16)
                if number % 3 == 0:
                    name += ".png"
                    Image.fromarray((pixels >> 4).astype(np.uint8)).save(root / name)
                elif number % 3 == 1:
                    name += ".tif"
                    Image.fromarray(pixels * np.uint16(16)).save(root / name)
                else:
                    name += ".dcm"
                    save_dicom(
                        root / name,
                        grey_dataset(
                            pixels,
                            BitsStored=12,
                            HighBit=11,
                            PatientName=f"{MARKER}^Ada",
                            PatientID=MARKER,
                            PatientBirthDate="19010203",
                            InstitutionName=MARKER,
                            ImageComments=MARKER,
                        ),
                    )
                patient = number // 2
                label = "dense" if patient < patients // 2 else "fatty"
                rows.writerow(
                    [name, f"{MARKER}{patient}", label, f"{MARKER}/{MARKER}.png"]
                )
        return root

    return make


@pytest.fixture
def make_store(make_cohort, tmp_path: Path) -> Callable[..., Store]:
    """Prepares the cohort; two patients a class are on the training side."""

    def make(
        name: str = "store",
        *,
        cohort: Path | None = None,
        workers: int = 1,
        validation: int = 0,
        discard_key: bool = False,
        geometry: PatchGeometry = GEOMETRY,
        window: int | str | None = None,
        **settings: Any,
    ) -> Store:
        return prepare_cohort(
            cohort or make_cohort(),
            tmp_path / name,
            settings=CohortConfig(positive="dense", negative="fatty", **settings),
            geometry=geometry,
            split=SplitConfig(
                train_positive_patients=2,
                train_negative_patients=2,
                validation_positive_patients=validation,
                validation_negative_patients=validation,
                seed=5,
            ),
            workers=workers,
            window=window,
            discard_key=discard_key,
        )

    return make
