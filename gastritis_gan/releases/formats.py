"""What a release's images are written as: PNG, TFRecord, DICOM."""

from __future__ import annotations

import dataclasses
import datetime
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from gastritis_gan.serving.exported_model import ExportedModel
from gastritis_gan.serving.synthetic_mark import (
    DIGITAL_SOURCE_TYPE,
    marked_png,
    synthetic_chunk,
)
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
        part: Position of the model in the release, from 0.
        release_id: Short hash of the release's models, seeds and truncation.
        date: Of the release.
    """

    number: int
    pixels: np.ndarray
    model: ExportedModel
    class_index: int
    seed: int
    truncation: float
    part: int
    release_id: str
    date: datetime.date

    @property
    def png(self) -> bytes:
        """The image as a marked PNG file."""
        chunk = synthetic_chunk(
            self.model.name,
            self.model.version,
            model_hash=self.model.model_hash,
            seed=self.seed,
            truncation=float(self.truncation),
        )
        return marked_png(self.pixels, chunk)

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
        (folder / path).write_bytes(image.png)
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

    height, width = image.pixels.shape
    return tf.train.Example(
        features=tf.train.Features(
            feature={
                "image/encoded": text(image.png),
                "image/format": text(b"png"),
                "image/height": integer(height),
                "image/width": integer(width),
                "image/class/label": integer(image.class_index),
                "image/class/text": text(image.model.class_name.encode()),
                "image/digital_source_type": text(DIGITAL_SOURCE_TYPE.encode()),
                "generator/name": text(image.model.name.encode()),
                "generator/version": integer(image.model.version),
                "generator/hash": text(image.model.model_hash.encode()),
                "generator/seed": integer(image.seed),
                "generator/truncation": tf.train.Feature(
                    float_list=tf.train.FloatList(value=[image.truncation])
                ),
            }
        )
    )


def write_dicom(
    images: Iterable[ReleasedImage], folder: Path
) -> Iterator[tuple[ReleasedImage, str]]:
    """Writes `images/<class>/000000.dcm` ... and yields each image with its path.

    A release is one study of a patient who does not exist, each generator a series.
    Equal releases of one date have equal UIDs on every machine.
    """
    for image in images:
        path = f"images/{image.model.class_name}/{image.stem}.dcm"
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        _dataset(image).save_as(folder / path, enforce_file_format=True)
        yield image, path


def _dataset(image: ReleasedImage) -> FileDataset:
    card = image.model.card
    series = (image.release_id, image.date, image.model.model_hash)
    instance_uid = _uid("instance", *series, image.seed)
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
    # Patient and General Study: an archive tells releases apart by them, for it merges
    # what has no PatientID
    dataset.PatientName = f"SYNTHETIC^{image.release_id}"
    dataset.PatientID = f"SYNTHETIC-{image.release_id}"
    dataset.PatientBirthDate = ""
    dataset.PatientSex = ""
    dataset.StudyInstanceUID = _uid("study", image.release_id, image.date)
    dataset.StudyDate = image.date
    dataset.StudyTime = "000000"
    dataset.ReferringPhysicianName = ""
    dataset.StudyID = image.release_id
    dataset.AccessionNumber = ""
    dataset.StudyDescription = "Synthetic images"
    # General Series, SC Equipment and General Equipment, PS3.3 C.7.3.1, C.8.6.1
    dataset.Modality = card.get("modality", "OT").upper()
    dataset.SeriesInstanceUID = _uid("series", *series)
    dataset.SeriesNumber = image.part + 1
    if "organ" in card:
        dataset.BodyPartExamined = card["organ"].upper()
    if "view" in card:  # a Secondary Capture has no ViewPosition
        dataset.ProtocolName = f"View {card['view'].upper()}"
    dataset.SeriesDescription = image.model.class_name[:_MAX_LONG_STRING]
    dataset.ConversionType = "SYN"
    dataset.Manufacturer = _MANUFACTURER
    dataset.ManufacturerModelName = _model_name(image)
    dataset.SoftwareVersions = __version__
    # General Image and Image Pixel, PS3.3 C.7.6.1, C.7.6.3
    dataset.InstanceNumber = image.number + 1
    dataset.PatientOrientation = ""
    dataset.ImageLaterality = "U"  # on no side of a body; required of paired organs
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.ImageComments = f"Synthetic; class: {image.model.class_name}"
    if _was_searched_for_text(card):
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


def _was_searched_for_text(card: Mapping[str, Any]) -> bool:
    """Whether patches over burned-in text were found and left out of the training."""
    config = card.get("config")
    patches = config.get("patches") if isinstance(config, dict) else None
    return isinstance(patches, dict) and patches.get("exclude_text") is True


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
