"""Samples from an exported model, in this process or behind a server."""

from __future__ import annotations

import functools
import gc
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gastritis_gan.errors import InputError
from gastritis_gan.serving.model_folder import (
    find_version,
    hash_of_files,
    highest_versions,
    read_model_card,
)
from gastritis_gan.serving.remote import RemoteModel

_BATCH_SIZE = 16
_PIXELS_AT_ONCE = 16 * 128**2  # four images of 256 pixels: 64 maps of them are 67 MB


class ExportedModel:
    """A generator in `exported/<name>/<version>`; its weights load when they are used.

    `open` reads the model card and checks every file against it. TensorFlow and the
    weights are loaded by the first `generate`. Neither the code nor the checkpoints
    that trained the generator are needed.

    Attributes:
        path: Folder of the version.
        card: The model card: what the model was trained on, how, and its hashes.

    Example:
        >>> model = ExportedModel.open("exported/gastritis")  # doctest: +SKIP
        >>> images = model.generate(range(100))  # doctest: +SKIP
    """

    def __init__(self, path: Path, card: dict[str, Any]) -> None:
        """Use `open`."""
        self.path = path
        self.card = card
        self._loaded: Any = None  # owns the weights; its signatures only refer to them

    @classmethod
    def open(
        cls, path: str | os.PathLike[str], version: int | None = None
    ) -> ExportedModel:
        """Opens a model after checking its files against the model card.

        Args:
            path: `exported/<name>`, or the folder of one version in it.
            version: Which version of `exported/<name>`; the highest by default.

        Raises:
            InputError: There is no such model or version, or it is damaged.
        """
        folder = find_version(Path(path), version)
        return cls(folder, read_model_card(folder))

    @property
    def name(self) -> str:
        """Name of the model."""
        return str(self.card["name"])

    @property
    def version(self) -> int:
        """The version's number."""
        return int(self.card["version"])

    @property
    def class_name(self) -> str:
        """Class of the images."""
        return str(self.card["class_name"])

    @property
    def resolution(self) -> int:
        """Height and width of the images in pixels."""
        return int(self.card["resolution"])

    @functools.cached_property
    def model_hash(self) -> str:
        """Identity of graph and weights, 64 hexadecimal digits."""
        return hash_of_files(self.card["files"])

    def generate(
        self, seeds: Sequence[int] | np.ndarray, truncation: float = 1.0
    ) -> np.ndarray:
        """Makes one image per seed, in batches that bound the memory.

        The same seed gives the same image in any batch, within one grey level. The
        first call loads TensorFlow and the weights, which takes seconds.

        Args:
            seeds: Integers of shape (n,), n at least 1, within int64.
            truncation: 0 (one image for every seed) to 1 (as trained).

        Returns:
            uint8 (n, r, r, 1).

        Raises:
            ValueError: `seeds` is empty or not of shape (n,).
            InputError: This TensorFlow cannot load the model.
        """
        seeds = np.asarray(seeds, np.int64)
        if seeds.ndim != 1 or not seeds.size:
            raise ValueError(
                f"`seeds` must have the shape (n,) with n >= 1. Received: {seeds.shape}"
            )
        if self._loaded is None:
            self._loaded = self.load()
        size = batch_size(self.resolution)
        return np.concatenate(
            [
                self._run(seeds[start : start + size], truncation)
                for start in range(0, len(seeds), size)
            ]
        )

    def load(self) -> Any:
        """Loads the SavedModel, after checking that it does nothing but arithmetic.

        Returns:
            What `tf.saved_model.load` returns.

        Raises:
            InputError: A file is not what the card says, the graph has operations that
                no export has, or this TensorFlow cannot load it.
        """
        import tensorflow as tf

        from gastritis_gan.serving.allow_list import loadable_copy

        with loadable_copy(self.path, self.card) as copy:
            return tf.saved_model.load(str(copy))

    def _run(self, seeds: np.ndarray, truncation: float) -> np.ndarray:
        import tensorflow as tf

        size = self.resolution
        try:
            outputs = self._loaded.signatures["generate"](
                seeds=tf.constant(seeds),
                truncation=tf.fill(seeds.shape, tf.constant(truncation, tf.float32)),
            )
            images: np.ndarray = outputs["images"].numpy()
        except (tf.errors.OpError, KeyError, TypeError, ValueError) as error:
            text = " ".join(str(error).split())[:300]
            raise InputError(
                f"{self.path} cannot be run ({type(error).__name__}: {text}); get the "
                "model again from whoever exported it."
            ) from error
        if images.shape != (len(seeds), size, size, 1) or images.dtype != np.uint8:
            raise InputError(
                f"{self.path} gives {images.dtype} of the shape {images.shape} for "
                f"{len(seeds)} seeds, not images of {size} x {size} pixels as its card "
                "says; get the model again from whoever exported it."
            )
        return images

    def close(self) -> None:
        """Frees the memory of the weights; another `generate` would load them again."""
        self._loaded = None
        gc.collect()  # TensorFlow's functions refer to themselves

    def __repr__(self) -> str:
        return (
            f"<ExportedModel {self.name}, version {self.version}: "
            f"class '{self.class_name}', {self.resolution} x {self.resolution} pixels>"
        )


def batch_size(resolution: int) -> int:
    """Returns how many images of `resolution` pixels are made at a time."""
    return min(_BATCH_SIZE, max(1, _PIXELS_AT_ONCE // resolution**2))


def open_model(
    where: str | os.PathLike[str],
    name: str | None = None,
    *,
    version: int | None = None,
    label: str | None = None,
    wait_seconds: float = 0.0,
    timeout_seconds: float = 120.0,
) -> ExportedModel | RemoteModel:
    """Opens an exported model; equal seeds give equal images wherever it is.

    Args:
        where: A folder, `exported/<name>`, which needs TensorFlow; or the address of a
            server's REST port, which does not.
        name: Name of the model on the server.
        version: Which version; the highest by default.
        label: Which version of a server, by its label.
        wait_seconds: How long to wait until a server has loaded the model.
        timeout_seconds: How long one request to a server may take.

    Raises:
        InputError: The model is not there, or the arguments do not fit together.

    Example:
        >>> model = gg.open_model("exported/phantom_lc_positive")
        >>> images = model.generate(seeds=range(16))  # grey levels, 0 to 255
        >>> images.dtype, images.shape
        (dtype('uint8'), (16, 16, 16, 1))

        From a server: `gg.open_model("http://127.0.0.1:8501", "phantom_lc_positive")`.
    """
    if str(where).startswith(("http://", "https://")):
        if name is None:
            raise InputError(
                f"{where} may serve many models; name one with --model, in Python with "
                "`name`."
            )
        return RemoteModel.open(
            str(where),
            name,
            version=version,
            label=label,
            wait_seconds=wait_seconds,
            timeout_seconds=timeout_seconds,
        )
    if name is not None or label is not None:
        raise InputError(
            f"{where} is a folder: a model name or a label needs a server."
        )
    return ExportedModel.open(where, version)


def find_models(
    paths: Sequence[str | os.PathLike[str]], *, split_hash: str
) -> tuple[list[ExportedModel], list[str]]:
    """Opens the models of one split.

    Args:
        paths: Versions, models (the highest version of each) or folders of models (the
            highest version of each model).
        split_hash: The split that the models must have been trained on, of a store.

    Returns:
        The models in the order of `paths`, and a sentence on each path or model that
        was left out.

    Raises:
        InputError: A path does not exist, a model is damaged, or two models are of the
            same kind, class and training seed.
    """
    models: dict[tuple[str, str, int], ExportedModel] = {}
    notes = []
    for path in map(Path, paths):
        if not path.is_dir():
            raise InputError(
                f"{path} does not exist; give a folder of exported models."
            )
        folders = highest_versions(path)
        if not folders:
            notes.append(f"{path.name} contains no exported model.")
        for folder in folders:
            model = ExportedModel.open(folder)
            card = model.card
            if card.get("split_hash") != split_hash:
                notes.append(
                    f"{model.name}, version {model.version}, was skipped: it was "
                    "trained on another split than this store's."
                )
                continue
            key = (card["model"], card["target"], card["seed"])
            other = models.get(key)
            if other and other.path.resolve() != folder.resolve():
                raise InputError(
                    f"{other.path} and {folder} are both {key[0]} models of the "
                    f"{key[1]} class with the training seed {key[2]}, and exactly one "
                    "is needed: give the wanted models one by one."
                )
            models[key] = model
    return list(models.values()), notes
