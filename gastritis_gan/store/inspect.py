"""What a store holds, in numbers and in pictures, for a person to check."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from tqdm.utils import disp_len

from gastritis_gan.errors import InputError
from gastritis_gan.images import SHOWS_PATIENTS, drawable, find_font
from gastritis_gan.progress import progress_bar
from gastritis_gan.storage import new_folder, write_bytes, write_json
from gastritis_gan.store.burned_in_text import find_text, load_detector, verdict_on
from gastritis_gan.store.duplicates import Duplicate, find_duplicates
from gastritis_gan.store.store import PATCH_SETS, Store, StoredImage

COUNTS_FILE = "counts.json"
TABLES_FILE = "inspection.md"

# Section IV-A: 100 images a class train; the outside patches are those of all 200.
PAPER_PATCHES = {"positive": 45_127, "negative": 42_785, "outside": 48_385}
PAPER_IMAGES = {"positive": 100, "negative": 100, "outside": 200}

KINDS = ("inside", "outside", "boundary", "excluded", "unknown")

# Okabe and Ito's palette, which colour-blind readers can distinguish, and black
_COLOURS = {
    "positive": (213, 94, 0),
    "negative": (0, 114, 178),
    "outside": (240, 228, 66),
    "boundary": (0, 0, 0),  # the purple is as blue as the blue to the red-blind
    "excluded": (255, 255, 255),
}
_OUTLINE_COLOUR = (0, 255, 150)
_TEXT_COLOUR = (230, 159, 0)
_WARNING_COLOUR = (170, 0, 0)
_OVERLAY_STRENGTH = 0.4
_THUMBNAIL_PX = 280
_GAP_PX = 8
_TEXT_PX = 14
_CAPTION_PX = 2 * (_TEXT_PX + 3)
_PAIRS_PER_ROW = 2
_ROWS_PER_SHEET = 4


def inspect_store(store: Store, folder: str | os.PathLike[str]) -> list[Duplicate]:
    """Writes a store's counts and contact sheets into a new folder.

    Args:
        store: The store.
        folder: The folder to make: `inspection.md`, `counts.json`, and
            `sheet_<split>_<label>_<number>.png`.

    Returns:
        The images that are there twice, as in the tables.

    Raises:
        InputError: The folder exists, or an image of the store is damaged.

    Example:
        >>> gg.inspect_store(gg.open_store("stores/phantom"), "inspections/again")
        []
    """
    with new_folder(Path(folder), private=True) as partial:
        counts = count(store)
        duplicates = find_duplicates(store)
        counts["duplicates"] = [dataclasses.asdict(d) for d in duplicates]
        text_boxes = _text_of_images(store)
        for index, image in enumerate(counts["images"]):
            image["text"] = verdict_on(text_boxes[index]) if text_boxes else None
        sheets = []
        with progress_bar(
            total=len(store.images), description="inspect", unit="image"
        ) as bar:
            for name, sheet, num_images in contact_sheets(store, text_boxes):
                sheet.save(partial / name)
                sheets.append(name)
                bar.update(num_images)
        write_json(partial / COUNTS_FILE, counts)
        text = _tables(store, counts, duplicates, sheets)
        write_bytes(partial / TABLES_FILE, text.encode())
    return duplicates


def summarize(store: Store) -> str:
    """Returns what each patch set and split holds, as text for a terminal."""
    lines = [_markdown(count_sets(store)), *_statements(store)]
    changes = collections.Counter(image.size_change for image in store.images)
    lines += [
        f"Images that were {kind} (`cohort.other_sizes`): {changes[kind]:,}."
        for kind in ("padded", "rescaled")
        if changes[kind]
    ]
    if store.geometry.exclude_text:
        lines.append(
            count_text(
                [verdict_on(store.text_boxes(i)) for i in range(len(store.images))]
            )
        )
        lines.append(
            "Patches left out because they touch it (`patches.exclude_text`): "
            f"{int(store.patch_excluded.sum()):,} of {store.patch_excluded.size:,}."
        )
    return "\n".join(lines)


def count_text(verdicts: Sequence[str | None]) -> str:
    """Returns in a sentence how many images have burned-in text.

    Args:
        verdicts: Of every image what `verdict_on` says, None where nobody looked.
    """
    if None in verdicts:
        return "Burned-in text was not looked for: pip install 'gastritis-gan[text]'."
    return (
        f"Burned-in text: {verdicts.count('text'):,} of {len(verdicts):,} images; "
        f"{verdicts.count('lone characters'):,} have lone characters only, such as L "
        "and R."
    )


def _text_of_images(store: Store) -> list[np.ndarray] | None:
    """Returns the boxes of burned-in text of every image; None without the extra."""
    indices = range(len(store.images))
    if store.geometry.exclude_text:
        return [store.text_boxes(index) for index in indices]
    try:
        load_detector()
    except InputError:
        return None
    with progress_bar(total=len(indices), description="text", unit="image") as bar:
        found = []
        for index in indices:
            found.append(find_text(store.image(index)))
            bar.update()
    return found


def _statements(store: Store) -> list[str]:
    """Returns what holds for the whole cohort and is not the usual."""
    lines = []
    if store.is_synthetic:
        lines.append("Synthetic: every image states that nobody was examined.")
    if store.split_given:
        lines.append(
            "The split was given by the cohort file (column `split`), not drawn: an "
            "audit's membership part stays undecided."
        )
    return lines


def table_beside_paper(store: Store) -> str:
    """Returns the training patches, each number beside the paper's, in Markdown."""
    return _markdown(
        [
            {
                "set": row["set"]
                if row["set"] == "outside"
                else f"{row['set']} ({class_name(store, row['set'])})",
                "patches": row["patches"],
                "paper's": row["paper_patches"],
                "images": row["images"],
                "paper's images": row["paper_images"],
                "patches / image": row["patches"] / max(row["images"], 1),
                "paper's / image": row["paper_patches"] / row["paper_images"],
            }
            for row in count_beside_paper(store)
        ]
    )


def _tables(
    store: Store,
    counts: dict[str, Any],
    duplicates: list[Duplicate],
    sheets: list[str],
) -> str:
    """Returns everything that was counted as Markdown."""
    sides = sorted({(image.height, image.width) for image in store.images})
    sizes = ", ".join(f"{height} x {width}" for height, width in sides)
    geometry = store.geometry
    pairs = "\n".join(f"- {duplicate}" for duplicate in duplicates)
    notes = "\n".join(
        f"- {len(images)} of {len(store.images)} images {note} "
        + ", ".join(image.key for image in images)
        for note, images in images_of_notes(store).items()
    )
    parts = [
        "# Inspection of a store",
        f"Split {store.split_hash}. {len(store.images):,} images ({sizes} pixels, "
        f"height x width), {store.bits} bits. Patches of {geometry.patch_size} x "
        f"{geometry.patch_size} pixels every {geometry.stride}; inside from a coverage "
        f"of {geometry.inside_coverage}, outside up to {geometry.outside_coverage}.",
        *_statements(store),
        "## Patch sets",
        _markdown(counts["patch_sets"]),
        "## Training patches beside the paper's",
        table_beside_paper(store),
        "## Images that are there twice",
        pairs or "None, exact or near.",
        "## Images to look at",
        notes or "None.",
        "## Burned-in text",
        _tables_of_text(counts["images"]),
        "## Patients",
        _markdown(counts["patients"]),
        "## Contact sheets",
        "\n\n".join(f"![{name}]({name})" for name in sheets),
    ]
    return "\n\n".join(parts) + "\n"


def _tables_of_text(images: list[dict[str, Any]]) -> str:
    """Counts the images with burned-in text, and names them."""
    verdicts = [image["text"] for image in images]
    lines = [
        f"- {verdict}: {', '.join(i['key'] for i in images if i['text'] == verdict)}"
        for verdict in ("text", "lone characters")
        if verdict in verdicts
    ]
    return "\n".join([count_text(verdicts), "", *lines]).strip()


def images_of_notes(store: Store) -> dict[str, list[StoredImage]]:
    """Returns by note, in alphabetical order, the images that have it."""
    images: dict[str, list[StoredImage]] = {}
    for image in store.images:
        for note in image.notes:
            images.setdefault(note, []).append(image)
    return dict(sorted(images.items()))


def _markdown(rows: list[dict[str, Any]]) -> str:
    """Returns a table with the keys as its head, readable as plain text too."""
    cells = [list(rows[0]), *([_text(value) for value in row.values()] for row in rows)]
    widths = [max(map(disp_len, column)) for column in zip(*cells, strict=True)]
    is_number = [not isinstance(value, str) for value in rows[0].values()]
    lines = [
        [
            _spaces(text, width) + text if right else text + _spaces(text, width)
            for text, width, right in zip(row, widths, is_number, strict=True)
        ]
        for row in cells
    ]
    rule = [
        "-" * (width - right) + ":" * right
        for width, right in zip(widths, is_number, strict=True)
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in [lines[0], rule, *lines[1:]])


def _spaces(text: str, width: int) -> str:
    return " " * (width - int(disp_len(text)))  # kanji are two columns wide


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def count(store: Store) -> dict[str, Any]:
    """Counts patients, images and patches by patch set, class, split and patient.

    Returns:
        A mapping that JSON can hold: "split_hash"; "patch_sets" (set, class, split,
        patients, images, patches); "images" (key, patient, label, split, change of
        size, burned-in text and the patches of every kind in `KINDS`); "patients" (the
        same sums); "paper" (the training patches beside the paper's).
    """
    images = [count_image(store, index) for index in range(len(store.images))]
    return {
        "split_hash": store.split_hash,
        "patch_sets": count_sets(store),
        "paper": count_beside_paper(store),
        "patients": _count_patients(images),
        "images": images,
    }


def count_sets(store: Store) -> list[dict[str, Any]]:
    """Counts the patients, images and patches of every patch set and split."""
    rows = []
    for patch_set, split in itertools.product(PATCH_SETS, store.splits):
        images = [
            image
            for image in store.images
            if image.split == split and patch_set in ("outside", image.label)
        ]
        rows.append(
            {
                "set": patch_set,
                "class": class_name(store, patch_set),
                "split": split,
                "patients": len({image.patient for image in images}),
                "images": len(images),
                "patches": int(store.patch_set(patch_set, split).size),
            }
        )
    return rows


def count_beside_paper(store: Store) -> list[dict[str, Any]]:
    """Counts the training images and patches of every patch set, as the paper does."""
    training = {row["set"]: row for row in count_sets(store) if row["split"] == "train"}
    return [
        {
            "set": name,
            "images": training[name]["images"],
            "patches": training[name]["patches"],
            "paper_images": PAPER_IMAGES[name],
            "paper_patches": PAPER_PATCHES[name],
        }
        for name in PATCH_SETS
    ]


def count_image(store: Store, index: int) -> dict[str, Any]:
    """Counts the kinds of one image's patches; names it by its key."""
    image = store.images[index]
    patches = store.patches_of_image(index, inside_only=False)
    kinds = patch_kinds(store, patches, "inside").tolist()
    return {
        "key": image.key,
        "patient": image.patient,
        "label": image.label,
        "split": image.split,
        "size_change": image.size_change,
        "burned_in": image.burned_in,
        "notes": list(image.notes),
        **{kind: kinds.count(kind) for kind in KINDS},
    }


def patch_kinds(store: Store, indices: np.ndarray, label: str) -> np.ndarray:
    """Names the kind of every patch of one image.

    Args:
        store: The store.
        indices: ndarray of int of shape (n,), rows of the patch table.
        label: The image's label.

    Returns:
        ndarray of str of shape (n,): the label inside the organ, "outside", "boundary",
        "excluded" (it touches burned-in text), or "unknown"
        without an outline.
    """
    return np.select(
        [
            store.patch_excluded[indices],
            store.patch_inside[indices],
            store.patch_outside[indices],
            np.isnan(store.patch_coverage[indices]),
        ],
        ["excluded", label, "outside", "unknown"],
        "boundary",
    )


def class_name(store: Store, patch_set: str) -> str:
    """Returns what the cohort calls a patch set; other names stay."""
    names = {"positive": store.positive, "negative": store.negative}
    return names.get(patch_set, patch_set)


def _count_patients(images: list[dict[str, Any]]) -> list[dict[str, Any]]:
    patients: dict[str, dict[str, Any]] = {}
    for image in images:
        first = {"patient": image["patient"], "split": image["split"], "images": 0}
        patient = patients.setdefault(image["patient"], first)
        patient["images"] += 1
        for name in KINDS:
            patient[name] = patient.get(name, 0) + image[name]
    return list(patients.values())


def contact_sheets(
    store: Store, text_boxes: list[np.ndarray] | None = None
) -> Iterator[tuple[str, Image.Image, int]]:
    """Yields (file name, picture, number of images) for every split and class.

    Every image is shown twice: with the outline, and with a coloured square at the
    centre of each patch, as wide as the stride.
    """
    per_sheet = _PAIRS_PER_ROW * _ROWS_PER_SHEET
    for split in store.splits:
        for label in ("positive", "negative"):
            indices = [
                index
                for index, image in enumerate(store.images)
                if (image.split, image.label) == (split, label)
            ]
            for number, start in enumerate(range(0, len(indices), per_sheet), start=1):
                chosen = indices[start : start + per_sheet]
                name = f"sheet_{split}_{label}_{number:03}.png"
                yield name, _sheet(store, chosen, text_boxes), len(chosen)


def _sheet(
    store: Store, indices: list[int], text_boxes: list[np.ndarray] | None
) -> Image.Image:
    """Draws up to a sheet of images with their captions under a legend."""
    cell_width = 2 * _THUMBNAIL_PX + 2 * _GAP_PX
    cell_height = _THUMBNAIL_PX + _CAPTION_PX + _GAP_PX
    legend_height = _TEXT_PX + 2 * _GAP_PX
    num_rows = -(-len(indices) // _PAIRS_PER_ROW)
    sheet = Image.new(
        "RGB",
        (cell_width * _PAIRS_PER_ROW + _GAP_PX, legend_height + num_rows * cell_height),
        "white",
    )
    draw = ImageDraw.Draw(sheet)
    names = {name: drawable(class_name(store, name), name) for name in _COLOURS}
    own = ImageFont.load_default(_TEXT_PX)
    draw.font = find_font(" ".join(names.values())) or own
    _draw_legend(store, draw, names)
    for place, index in enumerate(indices):
        left = _GAP_PX + place % _PAIRS_PER_ROW * cell_width
        top = legend_height + place // _PAIRS_PER_ROW * cell_height
        boxes = text_boxes[index] if text_boxes else ()
        plain, overlay = _thumbnails(store, index, boxes)
        sheet.paste(plain, (left, top))
        sheet.paste(overlay, (left + _THUMBNAIL_PX + _GAP_PX // 2, top))
        caption = _caption(store.images[index], count_image(store, index))
        draw.multiline_text((left, top + _THUMBNAIL_PX + 2), caption, "black")
    return sheet


def _draw_legend(
    store: Store, draw: ImageDraw.ImageDraw, names: dict[str, str]
) -> None:
    left = _GAP_PX
    if not store.is_synthetic:
        draw.text((left, _GAP_PX - 1), SHOWS_PATIENTS, _WARNING_COLOUR)
        left += int(draw.textlength(SHOWS_PATIENTS)) + 3 * _GAP_PX
    colours = {"outline": _OUTLINE_COLOUR, "text": _TEXT_COLOUR, **_COLOURS}
    for name, colour in colours.items():
        square = (left, _GAP_PX, left + _TEXT_PX, _GAP_PX + _TEXT_PX)
        draw.rectangle(square, colour, "grey")  # an edge: one of them is white
        left += _TEXT_PX + 5
        text = names.get(name, name)
        draw.text((left, _GAP_PX - 1), text, "black")
        left += int(draw.textlength(text)) + 3 * _GAP_PX


def _caption(image: StoredImage, counts: dict[str, Any]) -> str:
    kinds = [
        f"{counts[kind]:,} {kind}" for kind in KINDS if counts[kind] or kind == "inside"
    ]
    mark = " (to look at)" if image.notes else ""
    return f"{image.key}{mark}\n{', '.join(kinds)}"


def _thumbnails(
    store: Store, index: int, text_boxes: Iterable[np.ndarray]
) -> tuple[Image.Image, Image.Image]:
    """Returns an image with its outline and text, and with its patches."""
    image = store.images[index]
    scale = _THUMBNAIL_PX / max(image.height, image.width)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    pixels = np.asarray(store.image(index))
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    grey = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))
    plain = np.repeat(grey[:, :, np.newaxis], 3, axis=2)  # [H, W, 3]
    overlay = _colour_patches(store, index, plain, scale)
    mask = store.outline(index)
    if mask is not None:
        small = Image.fromarray(mask).resize(size, Image.Resampling.NEAREST)
        for picture in (plain, overlay):
            picture[_edge(np.asarray(small, bool))] = _OUTLINE_COLOUR
    pictures = Image.fromarray(plain), Image.fromarray(overlay)
    for top, left, bottom, right in text_boxes:
        place = (np.array([left, top, right, bottom]) * scale).tolist()
        for drawn in pictures:
            ImageDraw.Draw(drawn).rectangle(place, outline=_TEXT_COLOUR, width=2)
    return pictures


def _colour_patches(
    store: Store, index: int, picture: np.ndarray, scale: float
) -> np.ndarray:
    """Returns a copy whose squares at the patches' centres have the kind's colour."""
    overlay = picture.astype(np.float32)
    patches = store.patches_of_image(index, inside_only=False)
    kinds = patch_kinds(store, patches, store.images[index].label)
    half = min(store.geometry.stride, store.geometry.patch_size) / 2
    centre = store.geometry.patch_size / 2
    middle = np.stack([store.patch_row[patches], store.patch_column[patches]]) + centre
    top, left = np.rint((middle - half) * scale).astype(int)
    bottom, right = np.rint((middle + half) * scale).astype(int)
    for place, kind in enumerate(kinds):
        if kind in _COLOURS:
            square = overlay[top[place] : bottom[place], left[place] : right[place]]
            square *= 1 - _OVERLAY_STRENGTH
            square += _OVERLAY_STRENGTH * np.array(_COLOURS[kind], np.float32)
    return overlay.astype(np.uint8)


def _edge(mask: np.ndarray) -> np.ndarray:
    """Returns the pixels of a mask that touch its complement or the border."""
    padded = np.pad(mask, 1)
    neighbours = (
        padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    )
    edge: np.ndarray = mask & ~neighbours
    return edge
