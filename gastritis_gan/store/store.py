"""The store: a cohort after de-identification (docs/store-format.md)."""

from __future__ import annotations

import dataclasses
import functools
import math
import os
import re
import reprlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL.PngImagePlugin import PngImageFile

from gastritis_gan.cohort.cohort_settings import SUBJECT_KEYS, CohortConfig
from gastritis_gan.errors import InputError
from gastritis_gan.images import average_windows, float_to_uint8
from gastritis_gan.storage import DocumentFormat, read_arrays, refused_if_damaged
from gastritis_gan.store.patches import PatchGeometry
from gastritis_gan.store.pixels import is_cut_short, read_hashes, read_pixels
from gastritis_gan.store.pseudonym import split_mark
from gastritis_gan.store.split import SplitConfig, hash_split

STORE_FORMAT = DocumentFormat(
    "gastritis-gan store", 6, "Prepare the cohort again, into another path."
)
STORE_FILE = "store.json"
PATCHES_FILE = "patches.npz"
IMAGES_FOLDER = "images"
HASHES_FILE = "images/pixels.sha256"
OUTLINES_FOLDER = "outlines"
PATCH_SETS = ("positive", "negative", "outside")
SPLITS = ("train", "validation", "test")

_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MOST_PIXELS = 1 << 27  # of an image, as `cohort` reads them
_MOST_TEXT_BOXES = 1000  # of an image
_PATCH_COLUMNS = ("image", "row", "column", "pixels_inside")
_FEW_IMAGES = 4  # enough for whoever reads one image after the other
_MOST_KEPT_BYTES = 4 << 30
_TENSOR_ALIGNMENT = 64  # bytes


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoredImage:
    """One image of a store.

    Attributes:
        key: Pseudonym of the image and name of its file.
        patient: Pseudonym of the patient.
        label: "positive" or "negative".
        split: "train", "validation" or "test".
        height: Pixels.
        width: Pixels.
        sha256: Of the pixels as a `.npy` file, 64 hexadecimal digits; it stands in
            `images/pixels.sha256`, not in `store.json`.
        size_change: "none", "padded" or "rescaled", by `cohort.other_sizes`.
        burned_in: "yes", "no" or "not stated", from BurnedInAnnotation.
        notes: What a person should check in the image, each to be read after "2 of 9
            images".
    """

    key: str
    patient: str
    label: str
    split: str
    height: int
    width: int
    sha256: str
    size_change: str = "none"
    burned_in: str = "not stated"
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        texts = (self.patient, self.sha256, self.size_change, self.burned_in)
        sides = (self.height, self.width)
        if (
            not _KEY.fullmatch(self.key)
            or not all(isinstance(text, str) for text in (*texts, *self.notes))
            or self.label not in ("positive", "negative")
            or self.split not in SPLITS
            or not all(type(side) is int and side > 0 for side in sides)
            or math.prod(sides) > _MOST_PIXELS
        ):
            raise ValueError(f"an image is stated as {reprlib.repr(self)}")


class Store:
    """A de-identified cohort: images, virtual patches and a patient-level split.

    Use `Store.open`.

    Attributes:
        path: The folder.
        split_hash: 64 hexadecimal digits; equal only for equal images, labels,
            patients and split.
        split_mark: The same under the store's key; None in older stores.
        positive: Name of the positive class.
        negative: Name of the negative class.
        subject: What the images show: `organ`, `view` and `modality` of the section
            `cohort`, each empty where it was not stated; nothing in an older store.
        geometry: Size, stride and sets of the patches.
        bits: 8 or 16 bits per pixel; pixels use the full range.
        is_synthetic: Whether all images state that nobody was examined.
        split_given: Whether the cohort file assigned the patients (its column `split`)
            instead of the seed: such a split need not be random.
        images: The images in the order of their pixels' hashes; the patch table refers
            to their positions.
        splits: "train", "validation" if there is one, and "test".
        patch_image: ndarray of int32 of shape (n_patches,), ascending positions in
            `images`.
        patch_row: ndarray of int32 of shape (n_patches,), top row in pixels.
        patch_column: ndarray of int32 of shape (n_patches,), left column in pixels.
        patch_coverage: ndarray of float32 of shape (n_patches,), the fraction of a
            patch under the outline; NaN in an image without outline.
        patch_inside: ndarray of bool of shape (n_patches,), True inside the organ.
        patch_outside: ndarray of bool of shape (n_patches,), True outside the organ.
        patch_excluded: ndarray of bool of shape (n_patches,), True where the patch
            touches burned-in text, which excludes it from all sets.
    """

    def __init__(
        self,
        path: Path,
        metadata: dict[str, Any],
        hashes: list[tuple[str, str]],
        patches: dict[str, np.ndarray],
    ) -> None:
        self.path = path
        self.split_hash: str = metadata["split_hash"]
        self.split_mark: str | None = metadata.get("split_mark")
        self.positive: str = metadata["positive"]
        self.negative: str = metadata["negative"]
        self.subject: dict[str, str] = {
            key: str(metadata[key]) for key in SUBJECT_KEYS if key in metadata
        }
        self.geometry = PatchGeometry(**metadata["patches"])
        self.bits: int = metadata["bits"]
        self.is_synthetic: bool = metadata.get("is_synthetic", False) is True
        self.split_given: bool = metadata.get("split_given", False) is True
        image_of = {image["key"]: image for image in metadata["images"]}
        if sorted(image_of) != sorted(key for _, key in hashes):
            raise ValueError(f"{HASHES_FILE} does not list the images of {STORE_FILE}")
        if not np.isin(patches["text_boxes"][:, 0], np.arange(len(hashes))).all():
            raise ValueError(f"{PATCHES_FILE} has text in an image that is not there")
        self.images = tuple(
            StoredImage(**image_of[key], sha256=sha256) for sha256, key in hashes
        )
        self.patch_image = patches["image"]
        self.patch_row = patches["row"]
        self.patch_column = patches["column"]
        counts = patches["pixels_inside"]
        area = self.geometry.patch_size**2
        is_known = counts >= 0
        self.patch_coverage = np.where(is_known, counts / area, np.nan).astype("f4")
        self._first_patch = np.searchsorted(
            self.patch_image, np.arange(len(self.images) + 1)
        )
        self._text_boxes = patches["text_boxes"]
        self.patch_excluded = self._find_patches_over_text()
        is_free = is_known & ~self.patch_excluded
        self.patch_inside = is_free & self.geometry.is_inside(counts)
        self.patch_outside = is_free & self.geometry.is_outside(counts)
        found = {image.split for image in self.images}
        self.splits = tuple(split for split in SPLITS if split in found)
        self._cached_image = functools.lru_cache(_FEW_IMAGES)(self._read_image)

    def __repr__(self) -> str:
        patients = {image.patient for image in self.images}
        return (
            f"<Store {self.path}: {len(self.images):,} images of {len(patients):,} "
            f"patients, {self.patch_image.size:,} patches, split "
            f"{self.split_hash[:12]}>"
        )

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Store:
        """Opens a store and checks that it is whole; pixels are not read.

        Args:
            path: The folder that `gastritis-gan prepare` made.

        Raises:
            InputError: `path` is not a store, has another format version, or is
                damaged.
        """
        path = Path(path)
        if not (path / STORE_FILE).is_file():
            raise InputError(
                f"{path} is not a store: it has no {STORE_FILE}. Make one with "
                "`gastritis-gan prepare`."
            )
        metadata = STORE_FORMAT.read(path / STORE_FILE)
        with refused_if_damaged(path, "Prepare the cohort again."):
            store = cls(
                path,
                metadata,
                read_hashes(path / HASHES_FILE),
                _read_patch_table(path / PATCHES_FILE, _most_patch_bytes(metadata)),
            )
            problem = store._find_damage()
            if problem:
                raise ValueError(problem)
        return store

    def check_key(self, key: bytes) -> None:
        """Refuses the key of another store.

        Args:
            key: The secret of the pseudonyms.

        Raises:
            InputError: It is another one.
        """
        if self.split_mark not in (None, split_mark(key, self.split_hash)):
            raise InputError(
                f"the key is not the one of {self.path}; give its own with --key-file."
            )

    def image(self, index: int) -> np.ndarray:
        """Returns an image; the last few stay in memory.

        Args:
            index: Position in `images`.

        Returns:
            Read-only ndarray of uint8 or uint16 of shape (height, width).

        Raises:
            InputError: The file is not what the store states.
        """
        return self._cached_image(int(index))

    def keep_images(self) -> None:
        """Lets images stay in memory, for whoever reads patches in random order.

        They are decoded when they are first read. When they take more than 4 GiB,
        those that were not read for longest are decoded again.
        """
        largest = max(image.height * image.width for image in self.images)
        number = max(_FEW_IMAGES, _MOST_KEPT_BYTES // (largest * self.bits // 8))
        self._cached_image = functools.lru_cache(number)(self._read_image)

    def outline(self, index: int) -> np.ndarray | None:
        """Returns the outline of the organ in an image, None where the store has none.

        Args:
            index: Position in `images`.

        Returns:
            ndarray of bool of shape (height, width), True inside the organ.

        Raises:
            InputError: The file is damaged.
        """
        image = self.images[index]
        path = self.path / OUTLINES_FOLDER / f"{image.key}.png"
        if not path.is_file():
            return None
        with (
            refused_if_damaged(path, "Prepare the cohort again."),
            PngImageFile(path) as file,  # Image.open refuses very large ones
        ):
            if file.size != (image.width, image.height):
                raise ValueError("its size is not its image's")
            return np.array(file, dtype=bool)

    def text_boxes(self, index: int) -> np.ndarray:
        """Returns where burned-in text was found in an image.

        Args:
            index: Position in `images`.

        Returns:
            ndarray of int32 of shape (n_boxes, 4): top, left, bottom, right, the last
            two exclusive. Empty too where `patches.exclude_text` did not ask for it.
        """
        return self._text_boxes[self._text_boxes[:, 0] == index, 1:]

    def window(self, index: int) -> np.ndarray:
        """Returns a patch as a read-only view of its image.

        Args:
            index: Row of the patch table.

        Returns:
            ndarray of uint8 or uint16 of shape (patch_size, patch_size).
        """
        size = self.geometry.patch_size
        row, column = self.patch_row[index], self.patch_column[index]
        image = self.image(self.patch_image[index])
        return image[row : row + size, column : column + size]

    def patch_set(self, name: str, split: str) -> np.ndarray:
        """Returns the patches of a patch set.

        Args:
            name: "positive" or "negative" (inside the organ, of an image with that
                label) or "outside" (of any image).
            split: "train", "validation" (empty unless the config asks for validation
                patients) or "test".

        Returns:
            ndarray of int64 of shape (n,), ascending rows of the patch table.

        Raises:
            ValueError: There is no such patch set or split.
        """
        if name not in PATCH_SETS:
            raise ValueError(f"`name` must be one of {PATCH_SETS}. Received: {name!r}")
        if split not in SPLITS:
            raise ValueError(f"`split` must be one of {SPLITS}. Received: {split!r}")
        is_wanted = np.array(
            [
                image.split == split and name in ("outside", image.label)
                for image in self.images
            ]
        )
        in_set = self.patch_outside if name == "outside" else self.patch_inside
        return np.flatnonzero(in_set & is_wanted[self.patch_image])

    def patches_of_image(self, index: int, *, inside_only: bool) -> np.ndarray:
        """Returns the patches of one image.

        Args:
            index: Position in `images`.
            inside_only: Leave out boundary and outside patches.

        Returns:
            ndarray of int64 of shape (n,), ascending rows of the patch table.
        """
        patches = np.arange(self._first_patch[index], self._first_patch[index + 1])
        return patches[self.patch_inside[patches]] if inside_only else patches

    def read(self, patches: npt.ArrayLike, resolution: int) -> npt.NDArray[np.uint8]:
        """Reads patches as grey levels, averaged down to `resolution`.

        Args:
            patches: Integers of shape (n,), rows of the patch table, as `patch_set`
                returns them.
            resolution: Side of the output in pixels, at most the patch size.

        Returns:
            ndarray of uint8 of shape (n, resolution, resolution, 1).

        Raises:
            ValueError: `resolution` is above the patch size.
            InputError: The file of an image is damaged.
        """
        return float_to_uint8(read_patches(self, np.asarray(patches), resolution))

    def _find_patches_over_text(self) -> np.ndarray:
        """Returns which patches share a pixel with a box."""
        is_over = np.zeros(self.patch_image.size, bool)
        size = self.geometry.patch_size
        for image, top, left, bottom, right in self._text_boxes:
            of_image = slice(self._first_patch[image], self._first_patch[image + 1])
            row, column = self.patch_row[of_image], self.patch_column[of_image]
            is_over[of_image] |= (
                (row < bottom)
                & (row + size > top)
                & (column < right)
                & (column + size > left)
            )
        return is_over

    def _read_image(self, index: int) -> np.ndarray:
        image = self.images[index]
        path = self._image_path(image)
        with refused_if_damaged(path, "Prepare the cohort again."):
            return read_pixels(path, (image.height, image.width), image.sha256)

    def _image_path(self, image: StoredImage) -> Path:
        return self.path / IMAGES_FOLDER / f"{image.key}.png"

    def _find_damage(self) -> str:
        """Returns what is wrong with the store, or nothing."""
        if self.bits not in (8, 16):
            return f"{STORE_FILE} states {self.bits} bits"
        if self.split_hash != hash_split(
            (i.patient, i.sha256, i.label, i.split) for i in self.images
        ):
            return f"the images in {STORE_FILE} do not give its split_hash"
        position = self.patch_image
        if position.size and (
            position[0] < 0
            or position[-1] >= len(self.images)
            or (np.diff(position) < 0).any()
        ):
            return f"{PATCHES_FILE} does not follow the order of the images"
        size = self.geometry.patch_size
        height = np.array([i.height for i in self.images])[position]
        width = np.array([i.width for i in self.images])[position]
        if (
            (self.patch_row < 0).any()
            or (self.patch_column < 0).any()
            or (self.patch_row + size > height).any()
            or (self.patch_column + size > width).any()
        ):
            return f"{PATCHES_FILE} has a patch that leaves its image"
        for image in self.images:
            if is_cut_short(self._image_path(image)):
                return f"{self._image_path(image).name} is too short"
        return ""


def read_patches(store: Store, indices: np.ndarray, resolution: int) -> np.ndarray:
    """Reads patches in the range of the networks, averaged down to `resolution`.

    Args:
        store: The store.
        indices: ndarray of int of shape (n,), rows of the patch table.
        resolution: Side of the output in pixels, at most the store's patch size.

    Returns:
        ndarray of float32 of shape (n, resolution, resolution, 1) in [-1, 1].

    Raises:
        ValueError: `resolution` is above the patch size.
    """
    # Aligned memory is taken over by TensorFlow instead of copied.
    shape = (len(indices), resolution, resolution, 1)
    num_bytes = 4 * math.prod(shape)
    memory = np.empty(num_bytes + _TENSOR_ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _TENSOR_ALIGNMENT
    patches = memory[start : start + num_bytes].view(np.float32).reshape(shape)
    average_windows((store.window(index) for index in indices), patches[..., 0])
    return patches


def check_store_fits(
    store: Store,
    *,
    cohort: CohortConfig,
    patches: PatchGeometry,
    split: SplitConfig,
    config_name: str,
) -> None:
    """Refuses a config with which the store was not prepared.

    The seed of the split cannot be compared: a store does not hold it. With a split
    that the cohort file gave, the config has no numbers of patients.

    Args:
        store: The store.
        cohort: Section `cohort` of the config; all but its rules for sizes is compared.
        patches: Section `patches`.
        split: Section `split`; the numbers of patients are compared.
        config_name: What the message calls the config, such as its path.

    Raises:
        InputError: The store was prepared with other classes, organ, patches, bits or
            numbers of patients.
    """
    expected: dict[str, tuple[object, object]] = {
        "cohort.positive": (cohort.positive, store.positive),
        "cohort.negative": (cohort.negative, store.negative),
        "cohort.bits": (cohort.bits, store.bits),
    }
    for key, value in store.subject.items():
        expected[f"cohort.{key}"] = (getattr(cohort, key), value)
    stored_patches = dataclasses.asdict(store.geometry)
    for key, value in dataclasses.asdict(patches).items():
        expected[f"patches.{key}"] = (value, stored_patches[key])
    if store.split_given:
        split.refuse_numbers(f"{config_name}: ", f"the cohort of {store.path}")
    else:
        for key, number in _count_patients(store).items():
            expected[f"split.{key}"] = (split.numbers[key], number)
    for key, (configured, stored) in expected.items():
        if configured != stored:
            raise InputError(
                f"{config_name}: `{key}` is {_shown(configured)}, but {store.path} was "
                f"prepared with {_shown(stored)}. Give the config of the store, or "
                "prepare the cohort again."
            )


def _shown(value: object) -> object:
    return "empty" if value == "" else value


def _count_patients(store: Store) -> dict[str, int]:
    """Returns the numbers of patients by their keys in the section `split`."""
    split_of = {image.patient: image.split for image in store.images}
    positive = {image.patient for image in store.images if image.label == "positive"}
    numbers = {}
    for label, patients in (
        ("positive", positive),
        ("negative", split_of.keys() - positive),
    ):
        splits = [split_of[patient] for patient in patients]
        numbers[f"validation_{label}_patients"] = splits.count("validation")
        numbers[f"train_{label}_patients"] = len(splits) - splits.count("test")
    return numbers


def _most_patch_bytes(metadata: dict[str, Any]) -> int:
    """Returns what a table of all windows of all images takes, with boxes of text."""
    geometry = PatchGeometry(**metadata["patches"])
    number = sum(
        math.prod(
            1 + max(side - geometry.patch_size, 0) // geometry.stride
            for side in (image["height"], image["width"])
        )
        for image in metadata["images"]
    )
    num_boxes = _MOST_TEXT_BOXES * len(metadata["images"])
    return 4 * (len(_PATCH_COLUMNS) * int(number) + 5 * num_boxes) + (1 << 16)


def _read_patch_table(path: Path, most_bytes: int) -> dict[str, np.ndarray]:
    arrays = read_arrays(path, most_bytes=most_bytes)
    patches = {name: arrays[name] for name in _PATCH_COLUMNS}
    boxes = arrays["text_boxes"]
    if any(p.dtype != np.int32 or p.ndim != 1 for p in patches.values()):
        raise ValueError(f"{path.name} does not hold int32 columns")
    if len({p.size for p in patches.values()}) != 1:
        raise ValueError(f"the columns of {path.name} differ in length")
    if boxes.dtype != np.int32 or boxes.ndim != 2 or boxes.shape[1] != 5:
        raise ValueError(f"the boxes of {path.name} are not int32 rows of five")
    return {**patches, "text_boxes": boxes}
