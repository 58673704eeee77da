"""The models that the local server has loaded, and running them within bounds."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf

from gastritis_gan.errors import InputError
from gastritis_gan.serving.local_server.model_spec import ModelSpec
from gastritis_gan.serving.local_server.request_error import Code, RequestError
from gastritis_gan.serving.local_server.servable import Servable, State
from gastritis_gan.serving.model_card import read_model_card
from gastritis_gan.serving.tf_serving import (
    BATCH_SIZES,
    MAX_REQUEST_ROWS,
    REQUEST_TIMEOUT_SECONDS,
    ServedModel,
)
from gastritis_gan.serving.verify import TfSession, replay_warmup


class Servables:
    """Loads models and answers requests, a few at a time.

    Args:
        models: What to serve.
    """

    def __init__(self, models: Sequence[ServedModel]) -> None:
        self._models = {model.name: model for model in models}
        self._versions = {
            model.name: [Servable(model.name, version) for version in model.versions]
            for model in models
        }
        self._slots = threading.BoundedSemaphore(os.cpu_count() or 1)

    def load(self, model: str) -> list[Servable]:
        """Loads the versions of a model; one that fails ends in END with its error."""
        for servable in self._versions[model]:
            self._load(servable)
        return self._versions[model]

    def any_available(self) -> bool:
        """Tells whether there is anything to serve."""
        return any(
            servable.state == State.AVAILABLE
            for servables in self._versions.values()
            for servable in servables
        )

    def _load(self, servable: Servable) -> None:
        folder = self._models[servable.model].base_path / str(servable.version)
        servable.state = State.LOADING
        try:
            read_model_card(folder)  # every file is what was exported
            session = TfSession(folder)
            replay_warmup(folder, session.run)
        except (InputError, OSError, ValueError, tf.errors.OpError) as error:
            servable.error = str(error)
            servable.state = State.END
        else:
            servable.session = session
            servable.state = State.AVAILABLE

    def versions(self, spec: ModelSpec) -> list[Servable]:
        """Returns the versions that a status request means, the highest first.

        Raises:
            RequestError: There is none.
        """
        servables = self._versions.get(spec.model, [])
        wanted = self._number(spec)
        found = [s for s in servables if wanted is None or s.version == wanted]
        if not found:
            suffix = "" if wanted is None else f" with version {wanted}"
            raise RequestError(
                Code.NOT_FOUND,
                f"Could not find any versions of model {spec.model}{suffix}",
            )
        return sorted(found, key=lambda servable: -servable.version)

    def available(self, spec: ModelSpec) -> tuple[Servable, TfSession]:
        """Returns the version that answers requests.

        Raises:
            RequestError: It is not available.
        """
        wanted = self._number(spec)
        for servable in sorted(
            self._versions.get(spec.model, []), key=lambda servable: -servable.version
        ):
            if servable.session is not None and wanted in (None, servable.version):
                return servable, servable.session
        named = (
            f"Latest({spec.model})"
            if wanted is None
            else f"Specific({spec.model}, {wanted})"
        )
        raise RequestError(Code.NOT_FOUND, f"Servable not found for request: {named}")

    def _number(self, spec: ModelSpec) -> int | None:
        if spec.label is None:
            return spec.version
        labels = self._models[spec.model].labels if spec.model in self._models else {}
        if spec.label not in labels:
            raise RequestError(
                Code.INVALID_ARGUMENT,
                f"Unrecognized servable version label: {spec.label}",
            )
        return labels[spec.label]

    def predict(
        self, session: TfSession, signature: str, inputs: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Runs a signature; large requests are split into batches.

        Raises:
            RequestError: There are too many rows, their numbers differ, the graph
                refuses them, or no slot got free in time.
        """
        num_rows = {len(array) if array.ndim else None for array in inputs.values()}
        if None in num_rows:
            raise RequestError(
                Code.INVALID_ARGUMENT,
                "Batching Run() input tensors must have at least one dimension",
            )
        if len(num_rows) != 1:
            raise RequestError(
                Code.INVALID_ARGUMENT,
                "Batching Run() input tensors must have equal 0th-dimension size",
            )
        rows = num_rows.pop() or 0
        if rows > MAX_REQUEST_ROWS:
            raise RequestError(
                Code.INVALID_ARGUMENT,
                f"Task size {rows} is larger than maximum input batch size "
                f"{MAX_REQUEST_ROWS}",
            )
        with self._slot(), _graph_errors():
            parts = [
                session.run(
                    signature,
                    {
                        name: array[start : start + BATCH_SIZES[-1]]
                        for name, array in inputs.items()
                    },
                )
                for start in range(0, max(rows, 1), BATCH_SIZES[-1])
            ]
        return {
            name: np.concatenate([part[name] for part in parts]) for name in parts[0]
        }

    @contextlib.contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._slots.acquire(timeout=REQUEST_TIMEOUT_SECONDS):
            raise RequestError(
                Code.DEADLINE_EXCEEDED, "Timed out waiting for notification"
            )
        try:
            yield
        finally:
            self._slots.release()


@contextlib.contextmanager
def _graph_errors() -> Iterator[None]:
    try:
        yield
    except tf.errors.OpError as error:
        raise RequestError(Code(error.error_code), error.message) from error
    except ValueError as error:  # a rank or width that the signature excludes
        raise RequestError(Code.INVALID_ARGUMENT, str(error)) from error
