"""A release as TFRecord files of 8-bit PNG images with labels."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf
from PIL import Image

from gastritis_gan.releases.released_image import ReleasedImage

_IMAGES_PER_FILE = 1000


def write_tfrecord(
    images: Iterable[ReleasedImage], folder: Path
) -> Iterator[tuple[ReleasedImage, str]]:
    """Writes `images/00000.tfrecord` ... and yields each image with its path.

    Every record is a `tf.train.Example` with the keys of `_example`.
    """
    (folder / "images").mkdir()
    remaining = iter(images)
    for number in itertools.count():
        chunk = list(itertools.islice(remaining, _IMAGES_PER_FILE))
        if not chunk:
            return
        path = f"images/{number:05d}.tfrecord"
        with tf.io.TFRecordWriter(str(folder / path)) as writer:
            for image in chunk:
                writer.write(_example(image).SerializeToString(deterministic=True))
        for image in chunk:
            yield image, path


def _example(image: ReleasedImage) -> Any:
    png = io.BytesIO()
    Image.fromarray(image.pixels).save(png, "PNG")
    height, width = image.pixels.shape
    return tf.train.Example(
        features=tf.train.Features(
            feature={
                "image/encoded": _bytes(png.getvalue()),
                "image/format": _bytes(b"png"),
                "image/height": _integer(height),
                "image/width": _integer(width),
                "image/class/label": _integer(image.class_index),
                "image/class/text": _bytes(image.class_name.encode()),
                "generator/name": _bytes(image.model.encode()),
                "generator/version": _integer(image.version),
                "generator/hash": _bytes(image.model_hash.encode()),
                "generator/seed": _integer(image.seed),
            }
        )
    )


def _bytes(value: bytes) -> Any:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _integer(value: int) -> Any:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
