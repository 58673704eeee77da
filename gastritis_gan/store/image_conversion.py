"""One image of a cohort becomes one image of a store."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gastritis_gan.cohort.cohort import CohortImage, file_error, naming_row
from gastritis_gan.cohort.dicom.header import ImageMetadata
from gastritis_gan.cohort.image_file import read_image, read_metadata
from gastritis_gan.cohort.outlines import read_outline
from gastritis_gan.cohort.size_rule import SizeChange
from gastritis_gan.errors import InputError
from gastritis_gan.storage import read_json, write_bytes
from gastritis_gan.store.border_text import touches_text
from gastritis_gan.store.input_hashes import hash_inputs, refuse_changed_files
from gastritis_gan.store.store import (
    FINISHED_FOLDER,
    IMAGES_FOLDER,
    OUTLINES_FOLDER,
    STORE_FOLDER,
)
from gastritis_gan.store.store_settings import StoreSettings
from gastritis_gan.store.stored_pixels import (
    PNG_SUFFIX,
    encode_png,
    hash_pixels,
    read_pixels,
)

_NO_OUTLINE = -1


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageConversion:
    """How every image is converted; knows the folder, so it can run anywhere."""

    folder: Path
    secret: bytes
    settings: StoreSettings

    def __call__(self, row: CohortImage, key: str) -> dict[str, Any]:
        """Converts an image unless an earlier run has, and returns its record."""
        inputs = hash_inputs(row, secret=self.secret)
        record_file = self.folder / FINISHED_FOLDER / f"{key}.json"
        store = self.folder / STORE_FOLDER
        image_file = store / IMAGES_FOLDER / f"{key}{PNG_SUFFIX}"
        if record_file.is_file():
            record: dict[str, Any] = read_json(record_file)
            refuse_changed_files(self.folder, row, record["inputs"], inputs)
            if _is_whole(image_file, record):
                return _with_arrays(record)
        geometry = self.settings.geometry
        with naming_row(row.row, "image"):
            facts, change, pixels = self._read(row)
            rows, columns = self._grid(row, pixels)
        counts = np.full(rows.size, _NO_OUTLINE, np.int32)
        if row.outline is not None:
            with naming_row(row.row, "outline"):
                mask = read_outline(
                    row.outline, shape=change.original_shape, image=row.image
                )
            mask = change.apply_to_mask(mask)
            counts = geometry.count_pixels(mask, rows, columns)
            buffer = io.BytesIO()
            Image.fromarray(mask).save(buffer, "PNG")  # 1 bit per pixel
            write_bytes(store / OUTLINES_FOLDER / f"{key}.png", buffer.getvalue())
        write_bytes(image_file, encode_png(pixels))
        text = touches_text(pixels, geometry, rows, columns, film=change.film())
        record = {
            "inputs": inputs,
            "height": pixels.shape[0],
            "width": pixels.shape[1],
            "sha256": hash_pixels(pixels),
            "size_change": change.kind,
            "burned_in": facts.burned_in,
            "pixels_inside": counts.tolist(),
            "border_text": text.astype(int).tolist(),
        }
        # Last: what has a record is finished. Indents would take long to write.
        write_bytes(record_file, json.dumps(record).encode())
        return _with_arrays(record)

    def _read(self, row: CohortImage) -> tuple[ImageMetadata, SizeChange, np.ndarray]:
        facts = read_metadata(row.image)
        settings = self.settings
        pixels = read_image(row.image, bits=settings.bits, window=settings.window)
        try:
            change = settings.size_rule.change(pixels.shape, facts.pixel_spacing_mm)
        except InputError as error:
            raise file_error(row.image, error) from None
        return facts, change, change.apply(pixels)

    def _grid(
        self, row: CohortImage, pixels: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        try:
            return self.settings.geometry.grid(*pixels.shape)
        except InputError as error:
            raise file_error(row.image, error) from None


def _is_whole(path: Path, record: dict[str, Any]) -> bool:
    """Says whether a finished image is still what its record says."""
    try:
        read_pixels(path, (record["height"], record["width"]), record["sha256"])
    except (OSError, ValueError, SyntaxError):
        return False
    return True


def _with_arrays(record: dict[str, Any]) -> dict[str, Any]:
    """Returns a record whose columns take 4 bytes a patch; all images' are held."""
    columns = ("pixels_inside", "border_text")
    return record | {name: np.array(record[name], np.int32) for name in columns}
