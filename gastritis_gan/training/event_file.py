"""What TensorBoard shows of a run, in a file that does not name the machine.

TensorFlow's own writer puts the host into the file's name. An event file is a file of
TFRecords, each a serialized `Event`.
"""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from PIL import Image

_GREYSCALE = 1


class EventFile:
    """A new event file; its name is the number of files that were there before.

    Args:
        folder: For `tensorboard --logdir`; is made.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        number = len(list(folder.iterdir()))
        path = folder / f"events.out.tfevents.{number:06d}"  # read in this order
        self._writer = tf.io.TFRecordWriter(str(path))
        self._write(file_version="brain.Event:2")

    def add_scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Adds a point to the curve of each name."""
        self._add(step, [{"tag": k, "simple_value": v} for k, v in values.items()])

    def add_picture(self, step: int, name: str, picture: Image.Image) -> None:
        """Adds a greyscale picture."""
        content = io.BytesIO()
        picture.save(content, "PNG")
        image = tf.compat.v1.Summary.Image(
            height=picture.height,
            width=picture.width,
            colorspace=_GREYSCALE,
            encoded_image_string=content.getvalue(),
        )
        self._add(step, [{"tag": name, "image": image}])

    def _add(self, step: int, values: list[dict[str, Any]]) -> None:
        entries = [tf.compat.v1.Summary.Value(**value) for value in values]
        self._write(step=step, summary=tf.compat.v1.Summary(value=entries))

    def _write(self, **content: Any) -> None:
        event = tf.compat.v1.Event(wall_time=time.time(), **content)
        self._writer.write(event.SerializeToString())
        self._writer.flush()
