"""Reads outlines drawn with LabelMe, or kept in COCO's format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from gastritis_gan.cohort.coco_rle import decode_counts, fill_runs
from gastritis_gan.cohort.cohort_error import file_error, quoting
from gastritis_gan.cohort.polygons import combine_parts, fill_polygon
from gastritis_gan.errors import InputError

_FAR_AWAY = 1e9  # pixels


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
            raise quoting("a `shape_type` is none that is read: polygon.", kind)
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
        raise InputError("a polygon has a corner that is in no image.")
    return fill_polygon(corners, shape)


def _check_is_one_thing(what: str, names: set[str]) -> None:
    if len(names) > 1:
        raise quoting(f"has {len(names)} {what}; keep the organ's only.", sorted(names))
