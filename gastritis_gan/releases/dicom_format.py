"""A release as DICOM Secondary Capture images that say that they are synthetic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from gastritis_gan import __version__
from gastritis_gan.releases.released_image import ReleasedImage

_MANUFACTURER = "gastritis-gan"
_MAX_LONG_STRING = 64  # characters of the value representation LO


def write_dicom(
    images: Iterable[ReleasedImage], folder: Path
) -> Iterator[tuple[ReleasedImage, str]]:
    """Writes `images/<class>/000000.dcm` ... and yields each image with its path.

    Each generator is a study of no patient with one series. Equal generators and seeds
    give equal UIDs on every machine.
    """
    for image in images:
        path = f"images/{image.class_name}/{image.stem}.dcm"
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        _dataset(image).save_as(folder / path, enforce_file_format=True)
        yield image, path


def _dataset(image: ReleasedImage) -> FileDataset:
    instance_uid = _uid("instance", image.model_hash, image.seed, image.truncation)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = instance_uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)

    # SOP Common, PS3.3 C.12.1
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = instance_uid
    dataset.SyntheticData = "YES"
    dataset.ContributingEquipmentSequence = [_generator(image)]
    # Patient and General Study: required, and empty, for there is no patient
    dataset.PatientName = ""
    dataset.PatientID = ""
    dataset.PatientBirthDate = ""
    dataset.PatientSex = ""
    dataset.StudyInstanceUID = _uid("study", image.model_hash)
    dataset.StudyDate = ""
    dataset.StudyTime = ""
    dataset.ReferringPhysicianName = ""
    dataset.StudyID = ""
    dataset.AccessionNumber = ""
    dataset.StudyDescription = "Synthetic gastric radiographs"
    # General Series, SC Equipment and General Equipment, PS3.3 C.7.3.1, C.8.6.1
    dataset.Modality = "OT"
    dataset.SeriesInstanceUID = _uid("series", image.model_hash)
    dataset.SeriesNumber = 1
    dataset.BodyPartExamined = "STOMACH"  # unpaired, hence no Laterality
    dataset.SeriesDescription = image.class_name[:_MAX_LONG_STRING]
    dataset.ConversionType = "SYN"
    dataset.Manufacturer = _MANUFACTURER
    dataset.ManufacturerModelName = _model_name(image)
    dataset.SoftwareVersions = __version__
    # General Image and Image Pixel, PS3.3 C.7.6.1, C.7.6.3
    dataset.InstanceNumber = image.number + 1
    dataset.PatientOrientation = ""
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.ImageComments = f"Synthetic; class: {image.class_name}"
    dataset.BurnedInAnnotation = "NO"
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = image.pixels.shape
    dataset.BitsAllocated = 8
    dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelRepresentation = 0
    pixels = image.pixels.tobytes()
    dataset.PixelData = pixels + b"\0" * (len(pixels) % 2)
    dataset["PixelData"].VR = "OB"
    return dataset


def _generator(image: ReleasedImage) -> Dataset:
    """Returns the item that tells what made the image, PS3.3 table C.12-1."""
    purpose = Dataset()
    purpose.CodeValue = "109102"
    purpose.CodingSchemeDesignator = "DCM"
    purpose.CodeMeaning = "Processing Equipment"
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = [purpose]
    item.Manufacturer = _MANUFACTURER
    item.ManufacturerModelName = _model_name(image)
    item.DeviceSerialNumber = image.model_hash  # 64 digits just fit
    item.SoftwareVersions = __version__
    item.ContributionDescription = (
        f"Generated from seed {image.seed} with truncation {image.truncation} by the "
        f"model whose SHA-256 is the serial number."
    )
    return item


def _model_name(image: ReleasedImage) -> str:
    return f"{image.model} {image.version}"[:_MAX_LONG_STRING]


def _uid(*sources: object) -> UID:
    return generate_uid(entropy_srcs=["gastritis-gan release", *map(str, sources)])
