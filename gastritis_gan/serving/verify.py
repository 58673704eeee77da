"""Checks that a copy of an exported model answers as the original did."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from gastritis_gan.errors import InputError
from gastritis_gan.serving.allow_list import loadable_copy
from gastritis_gan.serving.graph_lint import find_faults
from gastritis_gan.serving.model_folder import (
    CARD_FILE,
    hash_of_files,
    read_model_card,
)
from gastritis_gan.serving.signatures import latents_from_seeds, to_uint8
from gastritis_gan.serving.warmup import Run, replay_warmup
from gastritis_gan.storage import read_arrays
from gastritis_gan.tensorflow_setup import path_without_patterns

_PATH = Path("assets.extra") / "samples.npz"
_MOST_BYTES = 64 << 20  # four images of 4,096 pixels
_SEEDS = (0, 1, 2, 3)
_TRUNCATION = (1.0, 1.0, 0.5, 0.0)

# Kernels differ in the last bit, which can move a value over a rounding boundary.
_TOLERANCE_LEVELS = 1


class TfSession:
    """A loaded SavedModel; `run` may be called from several threads at once.

    This is TensorFlow 1's Session, which loads and runs as the server does. Loading by
    `tf.saved_model.load` proves less: it also loads exports that no server can run.

    Args:
        version_folder: Folder with `saved_model.pb`.

    Raises:
        OSError: There is no SavedModel.
        tf.errors.OpError: It cannot be loaded.
    """

    def __init__(self, version_folder: Path) -> None:
        graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=graph)
        try:
            with (
                graph.as_default(),
                _deprecation_unsaid(),
                path_without_patterns(version_folder) as path,
            ):
                meta_graph = tf.compat.v1.saved_model.load(
                    self._session, ["serve"], path
                )
        except BaseException:
            self._session.close()
            raise
        self.signatures: dict[str, Any] = dict(meta_graph.signature_def)

    def run(
        self, signature: str, inputs: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Returns the outputs of a signature by name.

        Raises:
            KeyError: There is no such signature or input.
            ValueError: An input has an impossible rank or type.
            tf.errors.OpError: The graph refuses the inputs.
        """
        definition = self.signatures[signature]
        outputs = {key: info.name for key, info in definition.outputs.items()}
        feed = {definition.inputs[key].name: value for key, value in inputs.items()}
        result: dict[str, np.ndarray] = self._session.run(outputs, feed)
        return result

    def close(self) -> None:
        """Frees the weights."""
        self._session.close()


@contextlib.contextmanager
def _deprecation_unsaid() -> Iterator[None]:
    """The old loader is the point here; its advice to avoid it is not for the user."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@dataclasses.dataclass(frozen=True)
class RecordedSamples:
    """Inputs, and the images that Keras made of them."""

    seeds: np.ndarray  # int64 (n,)
    truncation: np.ndarray  # float32 (n,)
    latents: np.ndarray  # float32 (n, latent_dim)
    images: np.ndarray  # uint8 (n, r, r, 1)

    @classmethod
    def of(cls, generator: Any) -> RecordedSamples:
        """Draws samples from a built generator with the attribute `latent_dim`.

        Raises:
            InputError: The images are not finite.
        """
        seeds = np.array(_SEEDS, np.int64)
        truncation = np.array(_TRUNCATION, np.float32)
        latents = latents_from_seeds(
            tf.constant(seeds), tf.constant(truncation), latent_dim=generator.latent_dim
        )
        images = tf.cast(generator(latents), tf.float32)
        if not np.isfinite(images).all():
            raise InputError(
                "the generator's images contain NaN or infinite values: its training "
                "diverged. Nothing was exported; choose another run."
            )
        return cls(seeds, truncation, latents.numpy(), to_uint8(images).numpy())

    @classmethod
    def read(cls, version_folder: Path) -> RecordedSamples:
        """Reads the samples of a version.

        Raises:
            InputError: They are missing or cannot be read.
        """
        path = version_folder / _PATH
        try:
            return cls(**read_arrays(path, most_bytes=_MOST_BYTES))
        except (OSError, ValueError, TypeError) as error:
            raise InputError(
                f"{path} cannot be read, so the version cannot be verified "
                f"({error}). Export the model again with this gastritis-gan."
            ) from error

    def write(self, version_folder: Path) -> None:
        """Writes the samples into a version."""
        path = version_folder / _PATH
        path.parent.mkdir(exist_ok=True)
        np.savez_compressed(path, **dataclasses.asdict(self))

    def find_faults(self, run: Run) -> list[str]:
        """Lists the signatures whose images differ; an empty list is a pass."""
        seeds = {"seeds": self.seeds, "truncation": self.truncation}
        pngs = run("generate_png", seeds)["png_bytes"]
        floats = run("serving_default", {"latents": self.latents})["images"]
        answers = {
            "serving_default": to_uint8(tf.constant(floats)).numpy(),
            "generate": run("generate", seeds)["images"],
            "generate_png": np.stack([_decode(png) for png in pngs])[..., None],
        }
        differences = {
            signature: int(np.abs(images.astype(int) - self.images).max())
            for signature, images in answers.items()
        }
        return [
            f"the signature {signature} differs from Keras by {levels} grey levels; "
            f"{_TOLERANCE_LEVELS} is allowed"
            for signature, levels in differences.items()
            if levels > _TOLERANCE_LEVELS
        ]


def _decode(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image)


def verify_version(version_folder: Path) -> list[str]:
    """Checks files, graph, warm-up requests and samples of a version.

    Args:
        version_folder: Folder of one version.

    Returns:
        A sentence on each check that passed.

    Raises:
        InputError: A check failed.
    """
    card = read_model_card(version_folder)
    done = [f"Files: {len(card['files'])} as exported."]
    for path in sorted(version_folder.rglob("*")):
        name = path.relative_to(version_folder).as_posix()
        if name not in {*card["files"], CARD_FILE} and not path.is_dir():
            raise InputError(
                f"{version_folder}: {name!a} is not in the model card, and a "
                "server might read it; remove it."
            )
    identity = hash_of_files(card["files"])
    if identity != card.get("model_hash"):
        raise InputError(
            f"{version_folder}: the model hash is {identity}, not the card's "
            f"{ascii(card.get('model_hash'))[:80]}. Export the model again."
        )
    done.append(f"Model hash: {identity}.")
    with loadable_copy(version_folder, card) as copy:
        faults = find_faults(copy, num_parameters=card.get("num_parameters", 0))
        if faults:
            raise InputError(f"{version_folder} cannot be served: {'; '.join(faults)}.")
        done.append("Graph: nothing that a server refuses.")
        samples = RecordedSamples.read(copy)
        with contextlib.closing(TfSession(copy)) as session:
            num_requests = replay_warmup(copy, session.run)
            done.append(f"Warm-up: {num_requests} requests answered.")
            faults = samples.find_faults(session.run)
    if faults:
        raise InputError(
            f"{version_folder} gives other images than when it was exported: "
            f"{'; '.join(faults)}."
        )
    done.append(
        f"Samples: {len(samples.seeds)} images by three signatures equal the recorded "
        "ones within one grey level."
    )
    return done
