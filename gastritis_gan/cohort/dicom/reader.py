"""Reads a DICOM image as grey values."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import UID

from gastritis_gan.cohort.cohort import file_error, quoting
from gastritis_gan.cohort.dicom.display import (
    DISPLAY_KEYWORDS,
    display_values,
    is_padding,
    notes_of_attributes,
)
from gastritis_gan.cohort.dicom.frames import decode_frame
from gastritis_gan.cohort.dicom.header import (
    FUNCTIONAL_GROUPS,
    apply_display_macros,
    is_greyscale,
    name_of,
    num_frames,
    read_header,
    refusing_dicom,
    values_of,
)
from gastritis_gan.cohort.grey_image import GreyImage, notes_of_levels
from gastritis_gan.errors import InputError

# Shapes that leave a border of the image without anatomy (PS3.3 C.7.6.11, C.8.7.3).
_BORDERS = ("ShutterShape", "CollimatorShape")
_PIXELS_AT_ONCE = 1 << 16


def read_dicom(
    path: Path,
    *,
    bits: int,
    frame: int | None = None,
    window: int | str | None = None,
) -> GreyImage:
    """Reads a DICOM image as a viewer would show it.

    Modality LUT or rescale, VOI LUT or first window (without one: the 0.5th and 99.5th
    percentile become black and white), MONOCHROME1 inversion, padding black,
    quantisation (PS3.3 C.11.1, C.11.2, C.7.6.3.1.2, C.7.5.1.1.2).

    Args:
        path: The file.
        bits: 8 or 16 bits per pixel of the result.
        frame: Number of the frame, from 1; needed where there are several.
        window: Number or explanation of the VOI LUT or window; None: the first.

    Returns:
        The image, and what in the file contradicts it or took its grey levels.

    Raises:
        InputError: The file is not DICOM, does not hold one greyscale image, is
            damaged, or is compressed in a way that has no decoder.
    """
    header, pixels, has_high_bits = decode_dicom(path, frame=frame)
    # The chain is evaluated once per value, and 16 bits have at most 65,536 of them.
    if pixels.itemsize > 2:
        distinct, places = np.unique(pixels, return_inverse=True)
        smallest, stored_values = 0, distinct.astype(np.int64)
        pixels = places.reshape(pixels.shape)
    else:
        smallest = int(pixels.min())
        stored_values = np.arange(smallest, int(pixels.max()) + 1)
    counts = np.zeros(stored_values.size, np.int64)
    for index in _indices(pixels, smallest):
        counts += np.bincount(index, minlength=counts.size)
    with refusing_dicom(path, "the look-up tables or the window cannot be applied"):
        shown = display_values(stored_values, counts, header, window=window)  # [0, 1]
        is_seen = (counts > 0) & ~is_padding(stored_values, header)
        notes = _notes(header, has_high_bits=has_high_bits)
    notes += notes_of_levels(np.rint(shown[is_seen] * 255).astype(np.uint8))
    quantised = np.rint(shown * (2**bits - 1)).astype(f"uint{bits}")
    image = np.empty(pixels.size, quantised.dtype)
    start = 0
    for index in _indices(pixels, smallest):
        image[start : start + index.size] = quantised[index]
        start += index.size
    return GreyImage(pixels=image.reshape(pixels.shape), notes=tuple(notes))


def decode_dicom(
    path: Path, *, frame: int | None = None
) -> tuple[Dataset, np.ndarray, bool]:
    """Reads the attributes of the display chain and the stored pixel values.

    Returns:
        The attributes; an ndarray of an integer dtype of at most 32 bits and of shape
        (height, width); whether bits were set above BitsStored.

    Raises:
        InputError: As `read_dicom`.
    """
    header = read_header(
        path, FUNCTIONAL_GROUPS, unchecked=(*DISPLAY_KEYWORDS, *_BORDERS)
    )
    with refusing_dicom(path, "cannot be read as DICOM"):
        _check_is_grey(header)
        frame = _chosen_frame(header, frame)
        apply_display_macros(header, frame=frame)
    pixels, has_high_bits = decode_frame(path, header, frame=frame)
    if pixels.ndim == 3:  # [H, W, 3]
        if (pixels != pixels[:, :, :1]).any():
            raise file_error(
                path,
                "(0028,0004) PhotometricInterpretation is RGB, and red, green and blue "
                "differ: the image is in colour.",
            )
        pixels = np.ascontiguousarray(pixels[:, :, 0])
    return header, pixels, has_high_bits


def _indices(pixels: np.ndarray, smallest: int) -> Iterator[np.ndarray]:
    """Yields `pixels - smallest`, some at a time: as a whole it is 32 bits a pixel."""
    flat = pixels.reshape(-1)
    for start in range(0, flat.size, _PIXELS_AT_ONCE):
        yield flat[start : start + _PIXELS_AT_ONCE].astype(np.int32) - smallest


def _check_is_grey(header: Dataset) -> None:
    is_rgb = (
        header.get("PhotometricInterpretation") == "RGB"
        and header.get("SamplesPerPixel") == 3
        and not UID(header.file_meta.TransferSyntaxUID).is_encapsulated
    )
    if not (is_greyscale(header) or is_rgb):
        raise quoting(
            "(0028,0004) PhotometricInterpretation is not greyscale; only MONOCHROME1 "
            "and MONOCHROME2 with one sample a pixel are read, and RGB that is grey "
            "and not compressed.",
            header.get("PhotometricInterpretation"),
        )
    allocated, stored = header.get("BitsAllocated"), header.get("BitsStored")
    if allocated not in (1, 8, 16, 32):
        raise InputError(
            f"(0028,0100) BitsAllocated is {allocated}; only 1, 8, 16 and 32 are read."
        )
    if stored is None or not 1 <= stored <= allocated:
        raise InputError(
            f"(0028,0101) BitsStored is {stored}; it must be 1 to {allocated}."
        )
    if header.get("HighBit", stored - 1) != stored - 1:
        raise InputError(
            f"(0028,0102) HighBit is {header.get('HighBit')} with {stored} bits "
            "stored; PS3.5 8.1.1 allows BitsStored - 1 only."
        )
    if header.get("PixelRepresentation") not in (0, 1):
        raise InputError(
            f"(0028,0103) PixelRepresentation is {header.get('PixelRepresentation')}; "
            "it must be 0 or 1."
        )


def _chosen_frame(header: Dataset, frame: int | None) -> int:
    frames = num_frames(header)
    if frame is None and frames != 1:
        raise InputError(
            f"(0028,0008) NumberOfFrames is {frames}; name one of them by its number, "
            f"from #1 to #{frames} after the file name."
        )
    return 1 if frame is None else frame


def _notes(header: Dataset, *, has_high_bits: bool) -> list[str]:
    notes = notes_of_attributes(header)
    if has_high_bits:
        notes.append(
            "have bits set above (0028,0101) BitsStored, as overlays do; they are "
            "cleared."
        )
    notes += [
        f"state a {name_of(keyword)}: a border without anatomy, which stays as it is."
        for keyword in _BORDERS
        if values_of(header, keyword) not in ([], ["NONE"])
    ]
    return notes
