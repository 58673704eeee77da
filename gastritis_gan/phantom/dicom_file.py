"""Writes a phantom radiograph as a 12-bit DICOM file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import (
    UID,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    XRayRadiofluoroscopicImageStorage,
    generate_uid,
)

from gastritis_gan.phantom.patient import Patient
from gastritis_gan.phantom.radiograph import MAX_VALUE

_SOP_CLASSES = {
    "DX": DigitalXRayImageStorageForPresentation,
    "RF": XRayRadiofluoroscopicImageStorage,
}
_DATE = "%Y%m%d"


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
    instance_uid = _uid(*uid_sources, "instance")
    sop_class = _SOP_CLASSES[patient.modality]
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = instance_uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)

    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = instance_uid
    dataset.StudyInstanceUID = _uid(*uid_sources, "study")
    dataset.SeriesInstanceUID = _uid(*uid_sources, "series")
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
    dataset.ImageType = ["DERIVED", "PRIMARY"]
    dataset.BurnedInAnnotation = "YES"

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
    if patient.modality == "DX":  # PS3.3 C.8.11.3: required there, absent in RF
        dataset.RescaleIntercept = 0
        dataset.RescaleSlope = 1
        dataset.RescaleType = "US"
    dataset.SamplesPerPixel = 1
    dataset.Rows, dataset.Columns = image.shape
    dataset.BitsAllocated = 16
    dataset.BitsStored = 12
    dataset.HighBit = 11
    dataset.PixelRepresentation = 0
    dataset.PixelData = image.astype("<u2").tobytes()
    dataset.save_as(path, enforce_file_format=True)


def _uid(*sources: str) -> UID:
    return generate_uid(entropy_srcs=list(sources))
