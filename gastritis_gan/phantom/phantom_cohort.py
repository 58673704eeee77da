"""A phantom cohort: invented patients, their DICOM images and PNG outlines."""

from __future__ import annotations

import concurrent.futures
import csv
import dataclasses
import datetime
import io
import os
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    XRayRadiofluoroscopicImageStorage,
    generate_uid,
)

from gastritis_gan.errors import InputError
from gastritis_gan.phantom.radiograph import MAX_VALUE, expose
from gastritis_gan.phantom.stomach import Relief, draw_mucosa, draw_stomach
from gastritis_gan.progress import progress_bar
from gastritis_gan.rng import stream
from gastritis_gan.storage import new_folder, write_bytes

MIN_IMAGE_SIZE = 256
MAX_IMAGE_SIZE = 4096
_NUM_THREADS = 2
_COLUMNS = ("image", "patient", "label", "outline")
_SOP_CLASSES = {
    "DX": DigitalXRayImageStorageForPresentation,
    "RF": XRayRadiofluoroscopicImageStorage,
}
_DATE = "%Y%m%d"
LABELS = ("gastritis", "non_gastritis")
_FAMILY_NAMES = ("Phantom", "Barium", "Rugae", "Antrum", "Fundus", "Pylorus", "Cardia")
_GIVEN_NAMES = ("Aiko", "Ben", "Chloe", "Daichi", "Emma", "Farid", "Grace", "Haruto")
_FIRST_STUDY = datetime.date(2010, 1, 4)
_STUDY_DAYS = 3000
_FIELD_MM = 400.0


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
        monochrome1: Whether low stored values are bright; DX only (PS3.3 C.8.7.1).
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
    monochrome1 = index // 2 % 2 == 1  # half of each class
    return Patient(
        label=label,
        relief=_draw_relief(rng, ill=label == LABELS[0]),
        identifier=f"PH{rng.integers(1000, 10000)}{index:05d}",
        name=f"{rng.choice(_FAMILY_NAMES)}^{rng.choice(_GIVEN_NAMES)}",
        sex=str(rng.choice(["F", "M"])),
        birth_date=study_date - datetime.timedelta(days=age_days),
        study_date=study_date,
        modality="DX" if monochrome1 else str(rng.choice(["DX", "RF"])),
        monochrome1=monochrome1,
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


def make_phantom(
    out: str | os.PathLike[str],
    *,
    patients: int = 40,
    image_size: int = 1024,
    seed: int = 0,
) -> Path:
    """Writes a new cohort of double-contrast barium phantoms, one image per patient.

    Patient `i` is a function of `(seed, i, image_size)` alone, so a larger cohort of
    the same seed begins with the smaller one, byte for byte.

    Args:
        out: The folder to make; it must not exist.
        patients: Their number; even, for half get each label.
        image_size: Side of the square images in pixels, 256 to 4096.
        seed: Non-negative.

    Returns:
        The cohort file in it.

    Raises:
        InputError: An argument is out of range, or `out` exists.

    Example:
        >>> gg.make_phantom("cohorts/tiny", patients=2, image_size=256)
        PosixPath('cohorts/tiny/cohort.csv')
    """
    out = Path(out)
    if patients < 2 or patients % 2:
        raise InputError(
            "the number of patients must be even and at least 2, since half get each "
            f"label. Received: {patients}."
        )
    if not MIN_IMAGE_SIZE <= image_size <= MAX_IMAGE_SIZE:
        raise InputError(
            f"the image size must be from {MIN_IMAGE_SIZE} to {MAX_IMAGE_SIZE} pixels. "
            f"Received: {image_size}."
        )
    with new_folder(out) as folder:
        (folder / "images").mkdir()
        (folder / "outlines").mkdir()
        rows = _write_patients(folder, patients, image_size, seed)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(_COLUMNS)
        writer.writerows(rows)
        write_bytes(folder / "cohort.csv", text.getvalue().encode())
    return out / "cohort.csv"


def _write_patients(
    folder: Path, patients: int, image_size: int, seed: int
) -> list[tuple[str, ...]]:
    # Not processes: those would import the caller's script again, and start slowly.
    pool = concurrent.futures.ThreadPoolExecutor(_NUM_THREADS)
    try:
        futures = [
            pool.submit(_write_patient, folder, index, image_size, seed)
            for index in range(patients)
        ]
        with progress_bar(total=patients, description="phantom", unit="image") as bar:
            for future in concurrent.futures.as_completed(futures):
                future.result()
                bar.update()
    finally:
        pool.shutdown(cancel_futures=True)
    return [future.result() for future in futures]


def _write_patient(
    folder: Path, index: int, image_size: int, seed: int
) -> tuple[str, ...]:
    """Writes one patient's files and returns the row of `cohort.csv`."""
    rng = stream(seed, "phantom.patient", index)
    patient = draw_patient(rng, index)
    stomach = draw_stomach(rng, image_size)
    mucosa = draw_mucosa(rng, stomach, patient.relief)
    image = expose(rng, stomach, mucosa)
    window = (int(rng.integers(1500, 1700)), int(rng.integers(2600, 3000)))
    image_name, outline_name = f"images/{index:05d}.dcm", f"outlines/{index:05d}.png"
    uid_sources = ("phantom", str(seed), str(index), str(image_size))
    write_dicom(
        folder / image_name, image, patient, uid_sources=uid_sources, window=window
    )
    Image.fromarray(stomach.mask.astype(np.uint8) * 255).save(folder / outline_name)
    return image_name, patient.identifier, patient.label, outline_name


def write_dicom(
    path: Path,
    image: np.ndarray,
    patient: Patient,
    *,
    uid_sources: tuple[str, ...],
    window: tuple[int, int],
) -> None:
    """Writes one image with its patient's invented identity.

    Args:
        path: The file to write.
        image: Uint16 array of shape (height, width), 0 to 4095, barium bright.
        patient: Whose image it is.
        uid_sources: What the UIDs are derived from; equal sources give equal UIDs.
        window: Centre and width of the window for barium-bright values.
    """
    instance_uid, study_uid, series_uid = (
        generate_uid(entropy_srcs=[*uid_sources, name])
        for name in ("instance", "study", "series")
    )
    sop_class = _SOP_CLASSES[patient.modality]
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = instance_uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)

    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = instance_uid
    dataset.StudyInstanceUID = study_uid
    dataset.SeriesInstanceUID = series_uid
    dataset.StudyID = "1"
    dataset.SeriesNumber = 1
    dataset.InstanceNumber = 1
    dataset.PatientName = patient.name
    dataset.PatientID = patient.identifier
    dataset.PatientSex = patient.sex
    dataset.PatientBirthDate = patient.birth_date.strftime(_DATE)
    dataset.StudyDate = patient.study_date.strftime(_DATE)
    dataset.StudyTime = "090000"
    dataset.AccessionNumber = ""
    dataset.ReferringPhysicianName = ""
    dataset.Manufacturer = "gastritis-gan phantom"
    dataset.Modality = patient.modality
    dataset.BodyPartExamined = "STOMACH"
    dataset.PatientOrientation = ["L", "F"]
    dataset.BurnedInAnnotation = "YES"
    dataset.SyntheticData = "YES"
    dataset.LossyImageCompression = "00"
    dataset.KVP = None
    dataset.ExposureTime = None
    dataset.XRayTubeCurrent = None
    dataset.Exposure = None

    centre, width = window
    dataset.PhotometricInterpretation = "MONOCHROME2"
    if patient.monochrome1:  # PS3.3 C.7.6.3.1.2: the lowest value is white
        dataset.PhotometricInterpretation = "MONOCHROME1"
        image = MAX_VALUE - image
        centre = (
            MAX_VALUE + 1 - centre
        )  # PS3.3 C.11.2.1.2: the window is about centre - 0.5
    dataset.WindowCenter = centre
    dataset.WindowWidth = width
    dataset.PresentationLUTShape = "INVERSE" if patient.monochrome1 else "IDENTITY"
    if patient.modality == "DX":  # PS3.3 A.26
        dataset.ImageType = ["DERIVED", "PRIMARY"]
        dataset.PresentationIntentType = "FOR PRESENTATION"
        dataset.AnatomicRegionSequence = [_stomach_code()]
        dataset.ImageLaterality = "U"
        dataset.AcquisitionContextSequence = []
        dataset.DetectorType = None
        dataset.ImagerPixelSpacing = [
            round(_FIELD_MM / length, 4) for length in image.shape
        ]
        dataset.PixelIntensityRelationship = "LOG"
        # C.8.11.3.1.2: barium lets little through
        dataset.PixelIntensityRelationshipSign = 1 if patient.monochrome1 else -1
        dataset.RescaleIntercept = 0
        dataset.RescaleSlope = 1
        dataset.RescaleType = "US"
    else:  # A.16
        dataset.ImageType = ["DERIVED", "PRIMARY", "SINGLE PLANE"]
        dataset.PixelIntensityRelationship = "DISP"
        dataset.RadiationSetting = "GR"
    dataset.SamplesPerPixel = 1
    dataset.Rows, dataset.Columns = image.shape
    dataset.BitsAllocated = 16
    dataset.BitsStored = 12
    dataset.HighBit = 11
    dataset.PixelRepresentation = 0
    dataset.PixelData = image.astype("<u2").tobytes()
    dataset.save_as(path, enforce_file_format=True)


def _stomach_code() -> Dataset:
    """Returns the stomach of CID 4031, Common Anatomic Region."""
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator = "69695003", "SCT"
    code.CodeMeaning = "Stomach"
    return code
