"""Exports a trained generator as a SavedModel that TensorFlow Serving runs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from gastritis_gan.errors import InputError
from gastritis_gan.serving.exported_model import ExportedModel
from gastritis_gan.serving.graph_lint import (
    describe_graph,
    find_faults,
    read_signatures,
)
from gastritis_gan.serving.model_folder import (
    check_model_name,
    version_folders,
    write_model_card,
)
from gastritis_gan.serving.signatures import TRUNCATION_DEFINITION, make_signatures
from gastritis_gan.serving.synthetic_mark import synthetic_chunk
from gastritis_gan.serving.tf_serving import PARAMETERS_FILE, model_parameters
from gastritis_gan.serving.verify import RecordedSamples, TfSession
from gastritis_gan.serving.warmup import write_warmup_requests
from gastritis_gan.storage import new_folder
from gastritis_gan.version import __version__


def export_generator(
    generator: Any,
    *,
    exported_dir: str | os.PathLike[str],
    name: str,
    metadata: Mapping[str, Any],
    version: int | None = None,
) -> ExportedModel:
    """Writes a version of an exported model.

    The version appears whole or not at all. Before it appears, the graph is searched
    for what a server cannot run, and a TensorFlow 1 Session, which loads as a server
    does, must give the images that Keras gives.

    Args:
        generator: A built Keras model from latents `(batch, latent_dim)` to images
            `(batch, r, r, 1)`, nominally in [-1, 1], with the attribute
            `latent_dim`.
        exported_dir: Folder of all exported models.
        name: Name of the model, also in a server's address.
        metadata: What the model card has about the training; JSON-able, with at least
            `class_name`, `resolution` and `latent_dim`.
        version: Number of the version, at least 0; by default one above the highest
            that exists, and 1 for the first.

    Returns:
        The model in `exported_dir / name / version`.

    Raises:
        InputError: The name cannot be used, the version exists, or the generator's
            images are not finite.
        RuntimeError: The SavedModel is not what a server needs.
    """
    check_model_name(name)
    model_folder = Path(exported_dir) / name
    if model_folder.exists() and not model_folder.is_dir():
        raise InputError(f"{model_folder} is a file; choose another model name.")
    if version is None:
        version = max(version_folders(model_folder), default=0) + 1
    folder = model_folder / str(version)
    samples = RecordedSamples.of(generator)
    with _removed_if_empty(model_folder), new_folder(folder) as partial:
        _write_saved_model(generator, synthetic_chunk(name, version), partial)
        _check_saved_model(partial, samples, num_parameters=generator.count_params())
        samples.write(partial)
        write_warmup_requests(partial, name=name, latent_dim=generator.latent_dim)
        (partial / PARAMETERS_FILE).write_text(model_parameters(), encoding="utf-8")
        write_model_card(
            partial,
            {
                **metadata,
                "name": name,
                "version": version,
                "num_parameters": generator.count_params(),
                "truncation": TRUNCATION_DEFINITION,
                "signatures": read_signatures(partial),
                "graph": describe_graph(partial),
                "tensorflow": tf.__version__,
                "keras": keras.__version__,
                "gastritis_gan": __version__,
            },
        )
    return ExportedModel.open(folder)


def _write_saved_model(generator: Any, png_chunk: bytes, folder: Path) -> None:
    # Without `track(generator)`: tracking stores, and later loads, every weight twice.
    archive = keras.export.ExportArchive()
    for name, signature in make_signatures(generator, png_chunk).items():
        archive.add_endpoint(name, signature.function, input_signature=signature.inputs)
    try:
        archive.write_out(str(folder), verbose=False)
    except tf.errors.OpError as error:  # a full disk has another name each time
        reason = str(error.message).splitlines()[0].rpartition(";")[2].strip()
        raise InputError(
            f"TensorFlow cannot write the model ({reason}). Free some space, or give "
            "another --exported-dir."
        ) from error


def _check_saved_model(
    folder: Path, samples: RecordedSamples, *, num_parameters: int
) -> None:
    """Raises RuntimeError unless a server would give the recorded images."""
    faults = find_faults(folder, num_parameters=num_parameters)
    if not faults:
        with contextlib.closing(TfSession(folder)) as session:
            faults = samples.find_faults(session.run)
    if faults:
        raise RuntimeError(f"The SavedModel cannot be served: {'; '.join(faults)}.")


@contextlib.contextmanager
def _removed_if_empty(folder: Path) -> Iterator[None]:
    """A failed first export leaves no empty folder for a server to wait on."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            folder.rmdir()
        raise
