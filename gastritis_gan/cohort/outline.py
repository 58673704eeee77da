"""Reads the outline of the organ: a mask of the image's own size."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gastritis_gan.cohort.cohort_error import file_error
from gastritis_gan.cohort.dicom.segmentation import read_segmentation
from gastritis_gan.cohort.image_file import is_dicom, is_png_or_tiff, read_grey_file
from gastritis_gan.cohort.numbered_path import split_number
from gastritis_gan.cohort.outline_json import check_size, read_json_outline
from gastritis_gan.cohort.outline_volume import read_nifti, read_nrrd
from gastritis_gan.errors import InputError

_NIFTI_SUFFIXES = (".nii", ".nii.gz")
_NRRD_SUFFIXES = (".nrrd",)


def read_outline(
    path: Path, *, shape: tuple[int, ...], image: Path | None = None
) -> np.ndarray:
    """Reads an outline of any supported kind.

    A PNG or TIFF mask, LabelMe or COCO polygons, a DICOM Segmentation, or a NIfTI or
    NRRD mask. In masks, whatever is not 0 is the organ.

    Args:
        path: The file, with `#` and a number where it holds several outlines: the `id`
            of a COCO image, the number of a DICOM segment.
        shape: Height and width of the image in pixels.
        image: The image, to compare it with the one that a DICOM Segmentation names.

    Returns:
        ndarray of bool of shape `shape`, True inside the organ.

    Raises:
        InputError: The file cannot be read, is of another kind, size or orientation, or
            is empty.
    """
    path, number = split_number(path)
    mask = _read(path, number, shape=shape, image=image)
    try:
        check_size(mask.shape, shape)
    except InputError as error:
        raise file_error(path, error) from None
    if not mask.any():
        raise file_error(
            path,
            "the outline is empty; mark the organ with values above 0, or draw a "
            "polygon around it.",
        )
    return mask


def _read(
    path: Path, number: int | None, *, shape: tuple[int, ...], image: Path | None
) -> np.ndarray:
    name = path.name.lower()
    if name.endswith(".json"):
        return read_json_outline(path, number, shape=shape)
    if is_dicom(path):
        source = split_number(image)[0] if image is not None else None
        if source is not None and not is_dicom(source):
            source = None
        return read_segmentation(path, number, image=source)
    if number is not None:
        raise file_error(path, f"holds one outline, so {number} names nothing in it.")
    if is_png_or_tiff(path):
        mask: np.ndarray = read_grey_file(path) != 0
        return mask
    if name.endswith(_NIFTI_SUFFIXES):
        return read_nifti(path, shape=shape)
    if name.endswith(_NRRD_SUFFIXES):
        return read_nrrd(path, shape=shape)
    raise file_error(
        path,
        "an outline must be a PNG or TIFF mask, LabelMe or COCO polygons (.json), a "
        "DICOM Segmentation, or a NIfTI (.nii, .nii.gz) or NRRD mask (.nrrd).",
    )
