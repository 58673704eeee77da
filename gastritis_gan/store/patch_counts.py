"""Counts what a store holds, beside the paper's numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from gastritis_gan.store.store import PATCH_SETS, Store

# Section IV-A: 100 images a class train; the outside patches are those of all 200.
PAPER_PATCHES = {"positive": 45_127, "negative": 42_785, "outside": 48_385}
PAPER_IMAGES = {"positive": 100, "negative": 100, "outside": 200}

KINDS = ("inside", "outside", "boundary", "excluded", "unknown")


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
    return [
        _count_set(store, patch_set, split)
        for patch_set in PATCH_SETS
        for split in store.splits
    ]


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


def _count_set(store: Store, patch_set: str, split: str) -> dict[str, Any]:
    images = [
        image
        for image in store.images
        if image.split == split and patch_set in ("outside", image.label)
    ]
    return {
        "set": patch_set,
        "class": class_name(store, patch_set),
        "split": split,
        "patients": len({image.patient for image in images}),
        "images": len(images),
        "patches": int(store.patch_set(patch_set, split).size),
    }


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
        "excluded" (outside, with text-like structure in the border), or "unknown"
        without an outline.
    """
    return np.select(
        [
            store.patch_inside[indices],
            store.patch_outside[indices],
            store.patch_excluded[indices],
            np.isnan(store.patch_coverage[indices]),
        ],
        [label, "outside", "excluded", "unknown"],
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
