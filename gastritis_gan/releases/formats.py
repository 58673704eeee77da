"""What a release's images are written as: PNG, TFRecord, DICOM."""

from __future__ import annotations

import dataclasses
import io
import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from gastritis_gan.serving.exported_model import ExportedModel
from gastritis_gan.version import __version__

_IMAGES_PER_TFRECORD = 1000
_MANUFACTURER = "gastritis-gan"
_MAX_LONG_STRING = 64  # characters of the value representation LO


@dataclasses.dataclass(frozen=True)
class ReleasedImage:
    """What a format writes.

    Attributes:
        number: From 0, over the whole release.
        pixels: uint8 (r, r).
        model: The generator; the image is of its class.
        class_index: Position of the class in the alphabet of the release's classes.
        seed: That makes this image.
        truncation: 0 to 1.
    """

    number: int
    pixels: np.ndarray
    model: ExportedModel
    class_index: int
    seed: int
    truncation: float

    @property
    def stem(self) -> str:
        """Name of its file without an ending."""
        return f"{self.number:06d}"


Writer = Callable[[Iterable[ReleasedImage], Path], Iterator[tuple[ReleasedImage, str]]]
"""Writes images below a folder; yields each with its path there."""


def write_png(
    images: Iterable[ReleasedImage], folder: Path
) -> Iterator[tuple[ReleasedImage, str]]:
    """Writes `images/<class>/000000.png` ... and yields each image with its path."""
    for image in images:
        path = f"images/{image.model.class_name}/{image.stem}.png"
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.pixels).save(folder / path)
        yield image, path


def write_tfrecord(
    images: Iterable[ReleasedImage], folder: Path
) -> Iterator[tuple[ReleasedImage, str]]:
    """Writes `images/00000.tfrecord` ... and yields each image with its path.

    Every record is a `tf.train.Example` with the keys of `_example`.
    """
    import tensorflow as tf

    (folder / "images").mkdir()
    remaining = iter(images)
    for number in itertools.count():
        chunk = list(itertools.islice(remaining, _IMAGES_PER_TFRECORD))
        if not chunk:
            return
        path = f"images/{number:05d}.tfrecord"
        with tf.io.TFRecordWriter(str(folder / path)) as writer:
            for image in chunk:
                writer.write(_example(image).SerializeToString(deterministic=True))
        for image in chunk:
            yield image, path


def _example(image: ReleasedImage) -> Any:
    import tensorflow as tf

    def text(value: bytes) -> Any:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    def integer(value: int) -> Any:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))

    png = io.BytesIO()
    Image.fromarray(image.pixels).save(png, "PNG")
    height, width = image.pixels.shape
    return tf.train.Example(
        features=tf.train.Features(
            feature={
                "image/encoded": text(png.getvalue()),
                "image/format": text(b"png"),
                "image/height": integer(height),
                "image/width": integer(width),
                "image/class/label": integer(image.class_index),
                "image/class/text": text(image.model.class_name.encode()),
                "generator/name": text(image.model.name.encode()),
                "generator/version": integer(image.model.version),
                "generator/hash": text(image.model.model_hash.encode()),
                "generator/seed": integer(image.seed),
            }
        )
    )


def write_dicom(
    images: Iterable[ReleasedImage], folder: Path
) -> Iterator[tuple[ReleasedImage, str]]:
    """Writes `images/<class>/000000.dcm` ... and yields each image with its path.

    Each generator is a study of no patient with one series. Equal generators and seeds
    give equal UIDs on every machine.
    """
    for image in images:
        path = f"images/{image.model.class_name}/{image.stem}.dcm"
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        _dataset(image).save_as(folder / path, enforce_file_format=True)
        yield image, path


def _dataset(image: ReleasedImage) -> FileDataset:
    instance_uid = _uid(
        "instance", image.model.model_hash, image.seed, image.truncation
    )
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
    dataset.StudyInstanceUID = _uid("study", image.model.model_hash)
    dataset.StudyDate = ""
    dataset.StudyTime = ""
    dataset.ReferringPhysicianName = ""
    dataset.StudyID = ""
    dataset.AccessionNumber = ""
    dataset.StudyDescription = "Synthetic gastric radiographs"
    # General Series, SC Equipment and General Equipment, PS3.3 C.7.3.1, C.8.6.1
    dataset.Modality = "OT"
    dataset.SeriesInstanceUID = _uid("series", image.model.model_hash)
    dataset.SeriesNumber = 1
    dataset.BodyPartExamined = "STOMACH"  # unpaired, hence no Laterality
    dataset.SeriesDescription = image.model.class_name[:_MAX_LONG_STRING]
    dataset.ConversionType = "SYN"
    dataset.Manufacturer = _MANUFACTURER
    dataset.ManufacturerModelName = _model_name(image)
    dataset.SoftwareVersions = __version__
    # General Image and Image Pixel, PS3.3 C.7.6.1, C.7.6.3
    dataset.InstanceNumber = image.number + 1
    dataset.PatientOrientation = ""
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.ImageComments = f"Synthetic; class: {image.model.class_name}"
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
    """Returns the item that names what made the image, PS3.3 table C.12-1."""
    purpose = Dataset()
    purpose.CodeValue = "109102"
    purpose.CodingSchemeDesignator = "DCM"
    purpose.CodeMeaning = "Processing Equipment"
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = [purpose]
    item.Manufacturer = _MANUFACTURER
    item.ManufacturerModelName = _model_name(image)
    item.DeviceSerialNumber = image.model.model_hash  # 64 digits just fit
    item.SoftwareVersions = __version__
    item.ContributionDescription = (
        f"Generated from seed {image.seed} with truncation {image.truncation} by the "
        f"model whose SHA-256 is the serial number."
    )
    return item


def _model_name(image: ReleasedImage) -> str:
    return f"{image.model.name} {image.model.version}"[:_MAX_LONG_STRING]


def _uid(*sources: object) -> UID:
    return generate_uid(entropy_srcs=["gastritis-gan release", *map(str, sources)])


FORMATS: dict[str, Writer] = {
    "png": write_png,
    "tfrecord": write_tfrecord,
    "dicom": write_dicom,
}
