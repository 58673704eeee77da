"""One image of a cohort becomes one image of a store."""

from __future__ import annotations

import dataclasses
import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gastritis_gan.data.cohort import CohortImage
from gastritis_gan.data.image_file import read_image
from gastritis_gan.data.input_hashes import hash_inputs, refuse_changed_files
from gastritis_gan.data.outline import read_outline
from gastritis_gan.data.patches import PatchGeometry
from gastritis_gan.data.store import IMAGES_FOLDER, OUTLINES_FOLDER
from gastritis_gan.data.work_folder import FINISHED_FOLDER, STORE_FOLDER
from gastritis_gan.errors import InputError
from gastritis_gan.files import read_json, sha256_of_file, write_bytes, write_json

_NO_OUTLINE = -1


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageConversion:
    """How every image is converted; knows the folder, so it can run anywhere."""

    folder: Path
    secret: bytes
    geometry: PatchGeometry
    bits: int
    image_size: int | None

    def __call__(self, row: CohortImage, key: str) -> dict[str, Any]:
        """Converts an image unless an earlier run has, and returns its record."""
        inputs = hash_inputs(row, secret=self.secret)
        record_file = self.folder / FINISHED_FOLDER / f"{key}.json"
        store = self.folder / STORE_FOLDER
        image_file = store / IMAGES_FOLDER / f"{key}.npy"
        if record_file.is_file():
            record: dict[str, Any] = read_json(record_file)
            refuse_changed_files(self.folder, row, record["inputs"], inputs)
            if image_file.is_file() and sha256_of_file(image_file) == record["sha256"]:
                return _with_array(record)
        pixels = read_image(row.image, bits=self.bits)
        self._check_size(row, pixels)
        rows, columns = self._grid(row, pixels)
        counts = np.full(rows.size, _NO_OUTLINE, np.int32)
        if row.outline is not None:
            mask = read_outline(row.outline, shape=pixels.shape, image=row.image)
            counts = self.geometry.count_pixels(mask, rows, columns)
            buffer = io.BytesIO()
            Image.fromarray(mask).save(buffer, "PNG")  # 1 bit per pixel
            write_bytes(store / OUTLINES_FOLDER / f"{key}.png", buffer.getvalue())
        # np.save into a file reports a full disk as no error number.
        buffer = io.BytesIO()
        np.save(buffer, pixels, allow_pickle=False)
        write_bytes(image_file, buffer.getvalue())
        record = {
            "inputs": inputs,
            "height": pixels.shape[0],
            "width": pixels.shape[1],
            "sha256": hashlib.sha256(buffer.getbuffer()).hexdigest(),
            "pixels_inside": counts.tolist(),
        }
        write_json(record_file, record)  # last: what has a record is finished
        return _with_array(record)

    def _check_size(self, row: CohortImage, pixels: np.ndarray) -> None:
        height, width = pixels.shape
        if self.image_size is not None and {height, width} != {self.image_size}:
            raise InputError(
                f"{row.image}: the image has {height} x {width} pixels (height x "
                f"width), but `cohort.image_size` is {self.image_size}. Leave the "
                "image out, or set the key to null to allow any size."
            )

    def _grid(
        self, row: CohortImage, pixels: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        try:
            return self.geometry.grid(*pixels.shape)
        except InputError as error:
            raise InputError(f"{row.image}: {error}") from None


def _with_array(record: dict[str, Any]) -> dict[str, Any]:
    """Returns a record whose counts take 4 bytes each; all images' are held."""
    return {**record, "pixels_inside": np.array(record["pixels_inside"], np.int32)}
