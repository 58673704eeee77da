"""Outlines in JSON, by LabelMe or COCO: polygons and run lengths become a mask."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gastritis_gan.cohort.cohort import file_error, quoting
from gastritis_gan.errors import InputError

_FAR_AWAY = 1e9  # pixels
_MOST_PARTS = 256
_SAME_PART = 0.9  # of the pixels of two parts that are in both


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
    except (OSError, OverflowError, RecursionError, TypeError, ValueError) as error:
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
    parts = [part for item in shapes for part in _fill(item["points"], shape)]
    return combine_parts(parts, shape)


def _read_coco(
    document: dict[str, Any], number: int | None, shape: tuple[int, ...]
) -> np.ndarray:
    images = {item["id"]: item for item in document["images"]}
    if len(images) < len(document["images"]):
        raise InputError("two images have the same `id`.")
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
            for points in segmentation:
                parts += _fill(np.reshape(points, (-1, 2)), shape)
    return combine_parts(parts, shape)


def _read_runs(segmentation: dict[str, Any], shape: tuple[int, ...]) -> np.ndarray:
    check_size(tuple(segmentation["size"]), shape)
    counts = segmentation["counts"]
    runs = decode_counts(counts) if isinstance(counts, str) else np.asarray(counts)
    if runs.dtype.kind not in "iu":
        raise InputError("run lengths must be whole numbers.")
    return fill_runs(runs.astype(np.int64), shape)


def _fill(points: Any, shape: tuple[int, ...]) -> list[np.ndarray]:
    """Returns the rings of a polygon, filled."""
    corners = np.asarray(points, np.float64)
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3:
        raise InputError("a polygon has fewer than three corners.")
    if not (np.abs(corners) < _FAR_AWAY).all():
        raise InputError("a polygon has a corner far outside any image.")
    return [fill_polygon(ring, shape) for ring in split_rings(corners)]


def split_rings(points: np.ndarray) -> list[np.ndarray]:
    """Cuts a polygon where it comes back to a corner, so that no ring touches itself.

    One that goes around twice becomes two equal rings, and one with a bridge to a hole
    becomes its edge and the hole.

    Args:
        points: ndarray of float of shape (n, 2): x (column) and y (row) of the corners.

    Returns:
        Rings of at least three corners; none where the polygon has no area.
    """
    rings: list[list[tuple[float, float]]] = []
    path: list[tuple[float, float]] = []
    place: dict[tuple[float, float], int] = {}
    for x, y in [*points.tolist(), points[0].tolist()]:
        start = place.get((x, y))
        if start is not None:
            rings.append(path[start:])
            for corner in path[start + 1 :]:
                del place[corner]
            del path[start + 1 :]
        else:
            place[(x, y)] = len(path)
            path.append((x, y))
    return [np.array(ring) for ring in rings if len(ring) > 2]


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


def fill_polygon(points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Marks the pixels whose centre lies inside a polygon, by the even-odd rule.

    Pixel (row, column) covers [column, column + 1) x [row, row + 1), so that the centre
    of the first is (0.5, 0.5) and a polygon over the whole image has the corners (0, 0)
    and (width, height).

    Args:
        points: ndarray of float of shape (n, 2): x (column) and y (row) of the corners.
        shape: Height and width of the image in pixels.

    Returns:
        ndarray of bool of shape `shape`.
    """
    height, width = shape
    toggles = np.zeros((height, width + 1), bool)
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
        top, bottom = sorted((_first_centre(y0, height), _first_centre(y1, height)))
        rows = np.arange(top, bottom)  # an edge owns its upper end only
        if rows.size == 0:
            continue
        crossing = x0 + (rows + 0.5 - y0) * ((x1 - x0) / (y1 - y0))
        # every pixel from the crossing to the right changes sides
        columns = np.clip(np.ceil(crossing - 0.5), 0, width).astype(np.intp)
        toggles[rows, columns] ^= True
    inside: np.ndarray = np.logical_xor.accumulate(toggles, axis=1)[:, :width]
    return inside


def combine_parts(parts: Sequence[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Unites the parts of an outline; a part within another is a hole.

    From the largest part to the smallest: one that lies wholly inside what there is so
    far is cut out of it, any other is added, so that an island in a hole is inside.
    Parts that have nine tenths of their pixels in common are one that was drawn twice:
    the smaller is left out.

    Args:
        parts: ndarrays of bool of shape `shape`.
        shape: Height and width of the image in pixels.

    Returns:
        ndarray of bool of shape `shape`.

    Raises:
        InputError: There are more parts than an organ can have.
    """
    if len(parts) > _MOST_PARTS:
        raise InputError(
            f"has {len(parts)} parts; an outline of at most {_MOST_PARTS} is read."
        )
    mask = np.zeros(shape, bool)
    drawn: list[np.ndarray] = []
    for part in sorted(parts, key=np.count_nonzero, reverse=True):
        if any(_is_drawn_twice(part, other) for other in drawn):
            continue
        drawn.append(part)
        if (part & ~mask).any():
            mask |= part
        else:
            mask &= ~part
    return mask


def _is_drawn_twice(part: np.ndarray, larger: np.ndarray) -> bool:
    size = np.count_nonzero(part)
    if size < _SAME_PART * np.count_nonzero(larger):
        return False
    common = np.count_nonzero(part & larger)
    return bool(common >= _SAME_PART * np.count_nonzero(part | larger))


def _first_centre(y: float, height: int) -> int:
    """Returns the first row whose centre is at or below `y`, within the image."""
    return int(np.clip(np.ceil(y - 0.5), 0, height))
