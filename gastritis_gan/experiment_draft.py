"""Drafts an experiment file that fits a cohort: patches, split, schedule."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from gastritis_gan.cohort.cohort import (
    COHORT_FILE,
    COLUMNS,
    CohortImage,
    naming_row,
    read_cohort,
)
from gastritis_gan.cohort.image_file import image_shape
from gastritis_gan.cohort.outlines import read_outline
from gastritis_gan.cohort.table import read_table
from gastritis_gan.config import config_from_dict
from gastritis_gan.errors import InputError
from gastritis_gan.progress import progress_bar
from gastritis_gan.storage import parse_yaml, refuse_existing, write_bytes
from gastritis_gan.store.patches import PatchGeometry

# The paper's patch is 299 pixels of a film of 2,048; its stride is a sixth of it.
_PATCH_SIZES = (299, 256, 224, 192, 150, 128, 112, 96, 80, 64, 48, 32, 24, 16)
_STRIDES_PER_PATCH = 6
_MOST_OUTLINES = 60  # looked at, spread over the cohort
_FEWEST_PATCHES = 4  # wholly inside the organ, of an image that counts as usable
_USABLE_IMAGES = 0.95  # of those looked at
_TRAINING_SHARE = 0.6  # of a class's patients; the rest test
_VALIDATION_SHARE = 6  # one in so many of the training patients, from twelve on
_FEWEST_WITH_VALIDATION = 12
_LARGEST_RESOLUTION = 64  # what hours on a CPU can train
_IMAGES_PER_STAGE = {4: 40_000, 8: 40_000, 16: 60_000, 32: 100_000}
_IMAGES_OF_LARGE_STAGES = 200_000

_TEXT = """\
# Drafted by `gastritis-gan init` for {num_images} images, {sizes},
# of {positive_patients} positive and {negative_patients} negative patients.
# Change what you know better; configs/paper.yaml has every key, with a remark each.

cohort:
  positive: {positive}
  negative: {negative}
  bits: 8  # per pixel of the store; 16 keeps more grey levels

patches:
  # Side of the square windows in pixels.
  # {usable} of {looked_at} outlines looked at have {fewest} or more wholly inside.
  patch_size: {patch_size}
  stride: {stride}  # pixels between neighbouring windows; a sixth, as in the paper
  inside_coverage: 1.0  # wholly inside the outline; 0.95 gives more patches
  outside_coverage: 0.0  # wholly outside

split:
{split}

networks:
  latent_dim: 128
  fmap_base: {fmap_base}
  fmap_max: 64  # widest layer; the paper's networks have 512, for a GPU
  fused_scale: true
  precision: auto  # bfloat16 on processors with matrix units (AMX), else float32

schedule:
  # Numbers are real images shown. `gastritis-gan fit --dry-run` forecasts the time.
  initial_resolution: 4
  final_resolution: {resolution}  # side of the synthetic images in pixels
  transition_images: {transitions}
  stable_images: {stables}
  batch_size: 16

objective:
  lc_resolution: {resolution}  # from here on lc_pggan also learns what is not the class

optimizer:
  learning_rate: 0.008  # for networks of this width; 0.001 with fmap_max: 512
  ema_half_life_images: 5500

training:
  seed: 0
  tick_images: 10000  # metrics are written this often
  checkpoint_images: 40000

evaluation:
  extractors: [texture]  # needs no download; `gastritis-gan weights` lists others
  samples_per_generator: 2000
  patches_per_class: 1000
  vote: inside  # a test image's patches inside the organ decide
"""
_SPLIT = """\
  # Patients per class that train; the others test, for `gan-train` and `audit`.
  train_positive_patients: {positive}
  train_negative_patients: {negative}
  # Of those above; they watch the training and do not train.
  validation_positive_patients: {positive_validation}
  validation_negative_patients: {negative_validation}
  seed: 0"""
_SPLIT_IS_GIVEN = """\
  # The column `split` of the cohort file decides which patients train and which test.
  seed: 0"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExperimentDraft:
    """A drafted experiment file.

    Attributes:
        path: The file.
        patch_size: Side of a patch in pixels.
        resolution: Side of the synthetic images in pixels.
        notes: What a person should know, a sentence each; they name no patient.
    """

    path: Path
    patch_size: int
    resolution: int
    notes: tuple[str, ...]


def draft_experiment(
    cohort: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    positive: str | None = None,
    resolution: int | None = None,
) -> ExperimentDraft:
    """Writes an experiment file that fits a cohort, with a remark on every choice.

    The patch is the largest of some sizes that lies wholly inside the organ often
    enough, by the outlines of up to 60 images; three fifths of the patients train.

    Args:
        cohort: A `cohort.csv`, or the folder that holds it.
        out: The file to write; it must not exist.
        positive: Label of the positive class; may be left out where one of the two
            labels is `gastritis`, `positive`, `1`, `yes` or `true`.
        resolution: Side of the synthetic images in pixels, a power of two; by default
            the largest up to 64 that a patch has.

    Returns:
        What was chosen, and notes.

    Raises:
        InputError: The cohort cannot be read, has not two labels or too few patients
            with one, no outline, or organs too small for any patch; or `out` exists.

    Example:
        >>> gg.draft_experiment("cohorts/phantom", "drafted.yaml").path.name
        'drafted.yaml'
    """
    out = Path(out)
    refuse_existing(out)
    labels = _labels(Path(cohort), positive)
    images = read_cohort(cohort, positive=labels[0], negative=labels[1]).images
    shapes = _shapes(images)
    patch_size, usable, looked_at = _patch_size(images, shapes)
    if resolution is None:
        resolution = min(_LARGEST_RESOLUTION, 1 << (patch_size.bit_length() - 1))
    patients = _patients(images)
    resolutions = [
        1 << bits for bits in range(2, max(resolution, 4).bit_length())
    ]  # 4 ... resolution
    text = _TEXT.format(
        num_images=len(images),
        sizes=_described(shapes.values()),
        positive=_quoted(labels[0]),
        negative=_quoted(labels[1]),
        positive_patients=patients["positive"],
        negative_patients=patients["negative"],
        usable=usable,
        looked_at=looked_at,
        fewest=_FEWEST_PATCHES,
        patch_size=patch_size,
        stride=max(1, patch_size // _STRIDES_PER_PATCH),
        split=_split(images, patients),
        fmap_base=32 * resolution,  # as wide at the top as configs/phantom_32.yaml
        resolution=resolution,
        transitions=_per_resolution(resolutions[1:]) if resolutions[1:] else 0,
        stables=_per_resolution(resolutions),
    )
    try:
        config_from_dict(parse_yaml(text.encode()))
    except InputError as error:
        raise InputError(f"no experiment fits: {error}") from None
    write_bytes(out, text.encode())
    return ExperimentDraft(
        path=out,
        patch_size=patch_size,
        resolution=resolution,
        notes=tuple(_notes(images, shapes, patients)),
    )


_USUAL_POSITIVES = ("gastritis", "positive", "1", "yes", "true")


def _labels(cohort: Path, positive: str | None) -> tuple[str, str]:
    """Returns the labels of the positive and of the negative class."""
    path = cohort / COHORT_FILE if cohort.is_dir() else cohort
    try:
        table = read_table(path, required=COLUMNS)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    found = sorted({row["label"] for _, row in table.rows} - {""})
    if len(found) != 2:
        raise InputError(
            f"{path}: the column `label` must have two different labels, and has "
            f"{len(found)}: {', '.join(found[:10]) or 'none'}."
        )
    if positive is None:
        usual = [label for label in found if label.lower() in _USUAL_POSITIVES]
        if len(usual) != 1:
            raise InputError(
                f"the labels are {found[0]} and {found[1]}; name the positive class: "
                f"--positive {found[0]} or --positive {found[1]}."
            )
        (positive,) = usual
    if positive not in found:
        raise InputError(
            f"--positive {positive} is not a label of the cohort; it has {found[0]} "
            f"and {found[1]}."
        )
    (negative,) = set(found) - {positive}
    return positive, negative


def _shapes(images: Sequence[CohortImage]) -> dict[int, tuple[int, int]]:
    """Returns height and width of each image by its row."""
    shapes = {}
    with progress_bar(
        total=len(images), description="init", unit="images", visible=True
    ) as bar:
        for image in images:
            with naming_row(image.row, "image"):
                shapes[image.row] = image_shape(image.image)
            bar.update(1)
    return shapes


def _patch_size(
    images: Sequence[CohortImage], shapes: dict[int, tuple[int, int]]
) -> tuple[int, int, int]:
    """Returns the side of a patch, and how many of how many images have enough."""
    outlined = [(image, image.outline) for image in images if image.outline]
    if not outlined:
        raise InputError(
            "no image of the cohort has an outline, so no patch lies inside the organ; "
            "fill the column `outline` in."
        )
    step = max(1, len(outlined) // _MOST_OUTLINES)
    masks = []
    for image, outline in outlined[::step][:_MOST_OUTLINES]:
        with naming_row(image.row, "outline"):
            masks.append(
                read_outline(outline, shape=shapes[image.row], image=image.image)
            )
    smallest = min(min(shape) for shape in shapes.values())
    for size in _PATCH_SIZES:
        if size > smallest:
            continue
        usable = sum(_num_inside(mask, size) >= _FEWEST_PATCHES for mask in masks)
        if usable >= _USABLE_IMAGES * len(masks):
            return size, usable, len(masks)
    raise InputError(
        f"organs or images are too small: no window of {_PATCH_SIZES[-1]} pixels or "
        f"more lies wholly inside {_USABLE_IMAGES:.0%} of the {len(masks)} outlines "
        "that were looked at."
    )


def _num_inside(mask: np.ndarray, size: int) -> int:
    geometry = PatchGeometry(patch_size=size, stride=max(1, size // _STRIDES_PER_PATCH))
    counts = geometry.count_pixels(mask, *geometry.grid(*mask.shape))
    return int(geometry.is_inside(counts).sum())


def _patients(images: Sequence[CohortImage]) -> dict[str, int]:
    """Returns the number of patients by class; one with both labels is positive."""
    positive = {image.patient for image in images if image.label == "positive"}
    negative = {image.patient for image in images} - positive
    return {"positive": len(positive), "negative": len(negative)}


def _split(images: Sequence[CohortImage], patients: dict[str, int]) -> str:
    if any(image.split for image in images):
        return _SPLIT_IS_GIVEN
    for label in ("positive", "negative"):
        if patients[label] < 2:
            raise InputError(
                f"the cohort has {patients[label]} {label} patients; it needs two at "
                "least, one to train and one to test."
            )
    # As many of each class: real data are to be compared at equal numbers.
    number = max(1, int(_TRAINING_SHARE * min(patients.values())))
    validation = number // _VALIDATION_SHARE
    if number < _FEWEST_WITH_VALIDATION:
        validation = 0
    return _SPLIT.format(
        positive=number,
        negative=number,
        positive_validation=validation,
        negative_validation=validation,
    )


def _per_resolution(resolutions: Sequence[int]) -> str:
    numbers = (
        f"{r}: {_IMAGES_PER_STAGE.get(r, _IMAGES_OF_LARGE_STAGES)}" for r in resolutions
    )
    return f"{{{', '.join(numbers)}}}"


def _described(shapes: Iterable[tuple[int, int]]) -> str:
    different = sorted(set(shapes))
    texts = [f"{height} x {width}" for height, width in different]
    if len(texts) > 2:
        return f"{texts[0]} to {texts[-1]} pixels"
    return f"{' and '.join(texts)} pixels"


def _quoted(label: str) -> str:
    """Returns a label as YAML reads it back as a text."""
    is_plain = label.replace("_", "").isalnum() and parse_yaml(label.encode()) == label
    escaped = label.replace("'", "''")
    return label if is_plain else f"'{escaped}'"


def _notes(
    images: Sequence[CohortImage],
    shapes: dict[int, tuple[int, int]],
    patients: dict[str, int],
) -> list[str]:
    notes = []
    without = sum(image.outline is None for image in images)
    if without:
        notes.append(
            f"{without} of {len(images)} images have no outline; they can only test."
        )
    if min(patients.values()) < 20:
        notes.append(
            f"The smaller class has {min(patients.values())} patients: `audit` will "
            "hardly decide, and generators may learn patients by heart."
        )
    if len(set(shapes.values())) > 1:
        notes.append(
            "Images differ in size; `cohort.other_sizes` can pad or rescale them."
        )
    return notes
