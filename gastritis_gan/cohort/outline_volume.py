"""Reads two-dimensional masks in NIfTI and NRRD files."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from gastritis_gan.cohort.cohort_error import file_error, quoting
from gastritis_gan.cohort.outline_json import check_size
from gastritis_gan.cohort.quiet import quiet
from gastritis_gan.errors import InputError

_AXES = ("L", "P", "S")  # the patient's left, back and head
_OPPOSITE = {"L": "R", "P": "A", "S": "I"}
# Columns to the patient's left, rows to the back or the feet: an image as ITK writes it
# without other knowledge, and a frontal radiograph as it is looked at.
_UPRIGHT = (("L", "P"), ("L", "I"))


def read_nifti(path: Path, *, shape: tuple[int, ...]) -> np.ndarray:
    """Reads a NIfTI mask; whatever is not 0 is the organ.

    Args:
        path: The file.
        shape: Height and width of the image in pixels.

    Returns:
        ndarray of bool of shape `shape`.

    Raises:
        InputError: nibabel is not installed, or the file is damaged, or of another size
            or orientation.
    """
    nibabel = _import("nibabel")
    with _refusal(path, "NIfTI"), quiet("nibabel.global"):
        file = nibabel.load(path)
        _check_is_plane(file.shape, shape)
        if file.header["sform_code"] or file.header["qform_code"]:
            to_lps = np.diag([-1.0, -1.0, 1.0])  # NIfTI's axes are right, front, head
            _check_is_upright((to_lps @ file.affine[:3, :3]).T)
        return _as_mask(file.dataobj)


def read_nrrd(path: Path, *, shape: tuple[int, ...]) -> np.ndarray:
    """Reads an NRRD mask; whatever is not 0 is the organ.

    Args:
        path: The file.
        shape: Height and width of the image in pixels.

    Returns:
        ndarray of bool of shape `shape`.

    Raises:
        InputError: pynrrd is not installed, or the file is damaged, or of another size
            or orientation.
    """
    nrrd = _import("nrrd")
    with _refusal(path, "NRRD"), path.open("rb") as stream:
        header = nrrd.read_header(stream)
        if "data file" in header or "datafile" in header:
            raise InputError("keeps its pixels in another file; save them in one.")
        _check_is_plane(tuple(int(size) for size in header["sizes"]), shape)
        space = str(header.get("space", "")).lower()
        if space and "space directions" in header:
            _check_is_upright(_directions_in_lps(space, header["space directions"]))
        return _as_mask(nrrd.read_data(header, stream, str(path)))


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise InputError(
            f"NIfTI and NRRD outlines need the package {name}, which is not installed; "
            "pip install 'gastritis-gan[outlines]'."
        ) from None


@contextlib.contextmanager
def _refusal(path: Path, kind: str) -> Iterator[None]:
    try:
        yield
    except MemoryError:
        raise
    except InputError as error:
        raise file_error(path, error) from None
    except Exception as error:  # noqa: BLE001 - damage surfaces as any exception
        reason = " ".join(str(error).split()) or type(error).__name__
        raise file_error(path, f"cannot be read as {kind}", reason=reason) from None


def _check_is_plane(sizes: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """Sizes are those of columns, rows and whatever else, which must be 1."""
    if len(sizes) < 2 or any(size != 1 for size in sizes[2:]):
        raise InputError(
            f"the outline has the sizes {' x '.join(str(size) for size in sizes)}; it "
            "must be one plane."
        )
    check_size((sizes[1], sizes[0]), shape)


def _directions_in_lps(space: str, directions: Any) -> np.ndarray:
    signs = {"left": 1, "right": -1, "posterior": 1, "anterior": -1, "superior": 1}
    names = space.split("-")
    short = {"lps": (1, 1, 1), "ras": (-1, -1, 1), "las": (1, -1, 1)}
    if space in short:
        return np.asarray(directions, np.float64) * short[space]
    if len(names) != 3 or names[2] != "superior" or any(n not in signs for n in names):
        raise quoting("states a space that is not the patient's.", space)
    return np.asarray(directions, np.float64) * [signs[name] for name in names]


def _check_is_upright(directions: np.ndarray) -> None:
    """Refuses a mask that states another orientation than the image is read in.

    Args:
        directions: ndarray of float: for each axis of the array, the step in LPS.
    """
    letters = []
    for step in directions[:2]:
        axis = int(np.argmax(np.abs(step)))
        letter = _AXES[axis]
        letters.append(letter if step[axis] > 0 else _OPPOSITE[letter])
    if tuple(letters) not in _UPRIGHT:
        raise InputError(
            f"states an orientation ({' and '.join(letters)} for columns and rows) in "
            "which it would be turned or mirrored; columns must go to the patient's L "
            "and rows to P or I, or no orientation be stated."
        )


def _as_mask(plane: Any) -> np.ndarray:
    values = np.asarray(plane)
    if values.dtype.kind not in "buif":
        raise InputError(f"holds {values.dtype}, not numbers.")
    mask: np.ndarray = values.reshape(values.shape[:2]).T != 0  # columns came first
    return mask
