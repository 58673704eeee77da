"""Reads the outline of the organ: a mask of the image's own size."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from gastritis_gan.cohort.cohort import file_error, quoting, refusing, split_number
from gastritis_gan.cohort.dicom.segmentation import read_segmentation
from gastritis_gan.cohort.image_file import is_dicom, is_png_or_tiff, read_grey_file
from gastritis_gan.cohort.polygons import combine_parts, fill_polygon
from gastritis_gan.errors import InputError

_NIFTI_SUFFIXES = (".nii", ".nii.gz")
_NRRD_SUFFIXES = (".nrrd",)
_FAR_AWAY = 1e9  # pixels
_AXES = ("L", "P", "S")  # the patient's left, back and head
_OPPOSITE = {"L": "R", "P": "A", "S": "I"}
# Columns to the patient's left, rows to the back or the feet: an image as ITK writes it
# without other knowledge, and a frontal radiograph as it is looked at.
_UPRIGHT = (("L", "P"), ("L", "I"))


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


def read_json_outline(
    path: Path, number: int | None, *, shape: tuple[int, ...]
) -> np.ndarray:
    """Reads the outline of one image from a LabelMe or a COCO file.

    Args:
        path: The file.
        number: In a COCO file of several images, the `id` of the image.
        shape: Height and width of the image in pixels.

    Returns:
        ndarray of bool of shape `shape`.

    Raises:
        InputError: The file is damaged, of another kind or for an image of another
            size, or it outlines nothing or more than one thing.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
        if "shapes" in document:
            if number is not None:
                raise InputError(f"is a LabelMe file, which has no image {number}.")
            return _read_labelme(document, shape)
        if "annotations" in document:
            return _read_coco(document, number, shape)
    except InputError as error:
        raise file_error(path, error) from None
    except KeyError as error:
        raise file_error(path, f"a key is missing: {error}.") from None
    except (OSError, RecursionError, TypeError, ValueError) as error:
        problem = "cannot be read as JSON outline"
        raise file_error(path, problem, reason=str(error)) from None
    raise file_error(
        path, "is neither a LabelMe file (`shapes`) nor a COCO file (`annotations`)."
    )


def check_size(found: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """Refuses an outline of another size; both are height and width.

    Raises:
        InputError: They differ.
    """
    if tuple(found) != tuple(shape):
        sizes = " x ".join(
            str(length) if isinstance(length, int) else "?"  # any text of a JSON file
            for length in reversed(found)
        )
        raise InputError(
            f"the outline is {sizes} pixels (width x height), its image {shape[1]} x "
            f"{shape[0]}; draw it on the image itself, at full size."
        )


def _read_labelme(document: dict[str, Any], shape: tuple[int, ...]) -> np.ndarray:
    check_size((document["imageHeight"], document["imageWidth"]), shape)
    shapes = document["shapes"]
    _check_is_one_thing("labels", {str(item["label"]) for item in shapes})
    for item in shapes:
        kind = item.get("shape_type") or "polygon"
        if kind != "polygon":
            raise quoting("a `shape_type` must be polygon.", kind)
    return combine_parts([_fill(item["points"], shape) for item in shapes], shape)


def _read_coco(
    document: dict[str, Any], number: int | None, shape: tuple[int, ...]
) -> np.ndarray:
    images = {item["id"]: item for item in document["images"]}
    if number is None and len(images) != 1:
        raise InputError(
            f"holds {len(images)} images; name one by its `id`, as in "
            f"{'outlines.json#17'!r}."
        )
    image_id = number if number is not None else next(iter(images))
    if image_id not in images:
        raise InputError(f"has no image with the `id` {image_id}.")
    image = images[image_id]
    check_size((image["height"], image["width"]), shape)
    found = [a for a in document["annotations"] if a["image_id"] == image_id]
    _check_is_one_thing("categories", {str(a.get("category_id")) for a in found})
    parts = []
    for annotation in found:
        segmentation = annotation["segmentation"]
        if isinstance(segmentation, dict):
            parts.append(_read_runs(segmentation, shape))
        else:
            parts += [_fill(np.reshape(p, (-1, 2)), shape) for p in segmentation]
    return combine_parts(parts, shape)


def _read_runs(segmentation: dict[str, Any], shape: tuple[int, ...]) -> np.ndarray:
    check_size(tuple(segmentation["size"]), shape)
    counts = segmentation["counts"]
    if isinstance(counts, str):
        return fill_runs(decode_counts(counts), shape)
    return fill_runs(np.asarray(counts, np.int64), shape)


def _fill(points: Any, shape: tuple[int, ...]) -> np.ndarray:
    corners = np.asarray(points, np.float64)
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3:
        raise InputError("a polygon has fewer than three corners.")
    if not (np.abs(corners) < _FAR_AWAY).all():
        raise InputError("a polygon has a corner far outside any image.")
    return fill_polygon(corners, shape)


def _check_is_one_thing(what: str, names: set[str]) -> None:
    if len(names) > 1:
        raise quoting(f"has {len(names)} {what}; keep the organ's only.", sorted(names))


def decode_counts(text: str) -> np.ndarray:
    """Decodes the compressed form of COCO's run lengths.

    Each number is written in groups of five bits, the lowest first, as the character 48
    higher; 32 means that more groups follow. From the fourth on, numbers are
    differences to the one two before.

    Args:
        text: The value of `counts`.

    Returns:
        ndarray of int64: alternating lengths of background and foreground.

    Raises:
        ValueError: The text is cut off or has other characters.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        group = ord(character) - 48
        if not 0 <= group < 64 or shift > 60:
            raise ValueError("the compressed run lengths are damaged")
        value |= (group & 31) << shift
        shift += 5
        if group & 32:
            continue
        if group & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("the compressed run lengths are cut off")
    return np.array(counts, np.int64)


def fill_runs(counts: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Draws run lengths, which go down the columns, the first of them background.

    Args:
        counts: ndarray of int: alternating lengths of background and foreground.
        shape: Height and width of the image in pixels.

    Returns:
        ndarray of bool of shape `shape`.

    Raises:
        ValueError: The lengths do not add up to the image.
    """
    height, width = shape
    total = height * width
    if (counts < 0).any() or (counts > total).any() or counts.sum() != total:
        raise ValueError(f"the run lengths do not add up to {width} x {height} pixels")
    values = np.arange(counts.size) % 2 == 1
    return np.repeat(values, counts).reshape(width, height).T


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
    with refusing(path, "cannot be read as NIfTI", logger="nibabel.global"):
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
    with refusing(path, "cannot be read as NRRD"), path.open("rb") as stream:
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
