"""Exports a trained generator as a SavedModel that TensorFlow Serving runs."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from gastritis_gan import __version__
from gastritis_gan.errors import InputError
from gastritis_gan.files import new_folder
from gastritis_gan.serving.graph_lint import find_faults, read_signatures
from gastritis_gan.serving.layout import check_model_name, version_folders
from gastritis_gan.serving.model_card import write_model_card
from gastritis_gan.serving.signatures import (
    TRUNCATION_DEFINITION,
    latents_from_seeds,
    make_signatures,
    to_uint8,
)

# Kernels differ in the last bit, which can move a value over a rounding boundary.
_TOLERANCE_LEVELS = 1


def export_generator(
    generator: Any, *, exported_dir: Path, name: str, facts: dict[str, Any]
) -> Path:
    """Writes the next version of an exported model and returns its folder.

    The version appears whole or not at all. Before it appears, the graph is searched
    for what a server cannot run, and a TensorFlow 1 Session, which loads as a server
    does, must give the images that Keras gives.

    Args:
        generator: A built Keras model from latents `(batch, latent_dim)` to images
            `(batch, r, r, 1)`, nominally in [-1, 1], with the attribute
            `latent_dim`.
        exported_dir: Folder of all exported models.
        name: Name of the model, also in a server's address.
        facts: What the model card tells about the training; JSON-able, with at least
            `class_name`, `resolution` and `latent_dim`.

    Returns:
        `exported_dir / name / version`; the first version is 1, others are one above
        the highest that exists.

    Raises:
        InputError: The name cannot be used, or the generator's images are not finite.
        RuntimeError: The SavedModel is not what a server needs.
    """
    check_model_name(name)
    model_folder = exported_dir / name
    if model_folder.exists() and not model_folder.is_dir():
        raise InputError(f"{model_folder} is a file; choose another model name.")
    example = _Example.of(generator)
    version = max(version_folders(model_folder), default=0) + 1
    with (
        _removed_if_empty(model_folder),
        new_folder(model_folder / str(version)) as partial,
    ):
        _write_saved_model(generator, partial)
        _check_saved_model(partial, example, num_parameters=generator.count_params())
        write_model_card(
            partial,
            {
                **facts,
                "name": name,
                "version": version,
                "num_parameters": generator.count_params(),
                "truncation": TRUNCATION_DEFINITION,
                "signatures": read_signatures(partial),
                "tensorflow": tf.__version__,
                "keras": keras.__version__,
                "gastritis_gan": __version__,
            },
        )
    return model_folder / str(version)


@dataclasses.dataclass(frozen=True)
class _Example:
    """What a server must answer: inputs, and the images that Keras makes of them."""

    seeds: np.ndarray  # int64 (n,)
    truncation: np.ndarray  # float32 (n,)
    latents: np.ndarray  # float32 (n, latent_dim)
    images: np.ndarray  # uint8 (n, r, r, 1)

    @classmethod
    def of(cls, generator: Any) -> _Example:
        seeds = np.array([0, 1], np.int64)
        truncation = np.array([1.0, 0.5], np.float32)
        latents = latents_from_seeds(
            tf.constant(seeds), tf.constant(truncation), latent_dim=generator.latent_dim
        )
        images = tf.cast(generator(latents), tf.float32)
        if not np.isfinite(images).all():
            raise InputError(
                "the generator's images hold NaN or infinite values: its training "
                "diverged. Nothing was exported; choose another run."
            )
        return cls(seeds, truncation, latents.numpy(), to_uint8(images).numpy())


def _write_saved_model(generator: Any, folder: Path) -> None:
    # Without `track(generator)`: tracking stores, and later loads, every weight twice.
    archive = keras.export.ExportArchive()
    for name, signature in make_signatures(generator).items():
        archive.add_endpoint(name, signature.function, input_signature=signature.inputs)
    archive.write_out(str(folder), verbose=False)


def _check_saved_model(folder: Path, example: _Example, *, num_parameters: int) -> None:
    """Raises RuntimeError unless a server would give the example's images."""
    faults = find_faults(folder, num_parameters=num_parameters)
    if faults:
        raise RuntimeError(f"The SavedModel cannot be served: {'; '.join(faults)}.")
    seeds = {"seeds": example.seeds, "truncation": example.truncation}
    with _session(folder) as run:
        floats = run("serving_default", {"latents": example.latents})["images"]
        images = run("generate", seeds)["images"]
        pngs = run("generate_png", seeds)["png_bytes"]
    _check_equal("serving_default", to_uint8(floats).numpy(), example.images)
    _check_equal("generate", images, example.images)
    decoded = [np.asarray(Image.open(io.BytesIO(png)))[..., None] for png in pngs]
    _check_equal("generate_png", np.stack(decoded), example.images)


def _check_equal(signature: str, actual: np.ndarray, expected: np.ndarray) -> None:
    difference = np.abs(actual.astype(int) - expected.astype(int)).max()
    if difference > _TOLERANCE_LEVELS:
        raise RuntimeError(
            f"The SavedModel's signature {signature} differs from Keras by "
            f"{difference} grey levels; {_TOLERANCE_LEVELS} is allowed."
        )


@contextlib.contextmanager
def _session(folder: Path) -> Iterator[Any]:
    """Yields a function of (signature, inputs) that runs them as a server does."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        with _deprecation_unsaid():
            meta_graph = tf.compat.v1.saved_model.load(session, ["serve"], str(folder))

        def run(signature: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            definition = meta_graph.signature_def[signature]
            outputs = {key: info.name for key, info in definition.outputs.items()}
            feed = {definition.inputs[key].name: value for key, value in inputs.items()}
            result: dict[str, np.ndarray] = session.run(outputs, feed)
            return result

        yield run


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


@contextlib.contextmanager
def _removed_if_empty(folder: Path) -> Iterator[None]:
    """A failed first export leaves no empty folder for a server to wait on."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            folder.rmdir()
        raise
