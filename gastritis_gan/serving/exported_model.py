"""Samples from an exported model in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gastritis_gan.errors import InputError
from gastritis_gan.serving.layout import find_version
from gastritis_gan.serving.model_card import read_model_card

_BATCH_SIZE = 16
_PIXELS_AT_ONCE = 16 * 128**2  # four images of 256 pixels: 64 maps of them are 67 MB


class ExportedModel:
    """A generator read back from `exported/<name>/<version>`.

    Needs TensorFlow, but neither the code nor the checkpoints that trained the
    generator.

    Example:
        >>> model = ExportedModel.open(Path("exported/gastritis"))
        >>> images = model.generate(np.arange(100))
    """

    def __init__(self, *, card: dict[str, Any], loaded: Any) -> None:
        """Use `open`."""
        self._card = card
        self._loaded = (
            loaded  # owns the weights; the function below only refers to them
        )
        self._generate = loaded.signatures["generate"]

    @classmethod
    def open(cls, path: Path, version: int | None = None) -> ExportedModel:
        """Loads a model after checking its files against the model card.

        Args:
            path: `exported/<name>`, or the folder of one version in it.
            version: Which version of `exported/<name>`; the highest by default.

        Raises:
            InputError: There is no such model or version, or it is damaged.
        """
        folder = find_version(path, version)
        card = read_model_card(folder)
        import tensorflow as tf  # seconds; a wrong path is refused before

        try:
            loaded = tf.saved_model.load(str(folder))
        except (OSError, ValueError, tf.errors.OpError) as error:
            raise InputError(
                f"{folder} cannot be loaded by TensorFlow {tf.__version__}; it was "
                f"exported with {card.get('tensorflow')} ({error})."
            ) from error
        return cls(card=card, loaded=loaded)

    @property
    def card(self) -> dict[str, Any]:
        """The model card: what the model was trained on, how, and its hashes."""
        return self._card

    @property
    def name(self) -> str:
        """Name of the model."""
        return str(self._card["name"])

    @property
    def class_name(self) -> str:
        """Class of the images."""
        return str(self._card["class_name"])

    @property
    def version(self) -> int:
        """The version's number."""
        return int(self._card["version"])

    def generate(self, seeds: np.ndarray, truncation: float = 1.0) -> np.ndarray:
        """Makes one image per seed, in batches that bound the memory.

        The same seed gives the same image in any batch, within one grey level.

        Args:
            seeds: Integers of shape (n,), n at least 1, within int64.
            truncation: 0 (one image for every seed) to 1 (as trained).

        Returns:
            uint8 (n, r, r, 1).

        Raises:
            ValueError: `seeds` is empty or not of shape (n,).
        """
        import tensorflow as tf

        seeds = np.asarray(seeds, np.int64)
        if seeds.ndim != 1 or not seeds.size:
            raise ValueError(
                f"`seeds` must have the shape (n,) with n >= 1. Received: {seeds.shape}"
            )
        size = int(self._card["resolution"])
        batch_size = min(_BATCH_SIZE, max(1, _PIXELS_AT_ONCE // size**2))
        batches = []
        for start in range(0, len(seeds), batch_size):
            batch = seeds[start : start + batch_size]
            outputs = self._generate(
                seeds=tf.constant(batch),
                truncation=tf.fill(batch.shape, tf.constant(truncation, tf.float32)),
            )
            batches.append(outputs["images"].numpy())
        return np.concatenate(batches)
