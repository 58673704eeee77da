"""A small REST server for development: TensorFlow Serving's interface, without it.

Predict, status and metadata, on waitress. It has neither batching between requests nor
hot reload, monitoring, TLS, gRPC or compression.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import http
import json
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from waitress.server import create_server

from gastritis_gan.errors import InputError
from gastritis_gan.serving.allow_list import loadable_copy
from gastritis_gan.serving.model_folder import read_model_card
from gastritis_gan.serving.rest_json import (
    DEFAULT_SIGNATURE,
    RequestError,
    read_predict_request,
    write_outputs,
)
from gastritis_gan.serving.tf_serving import (
    BATCH_SIZES,
    MAX_REQUEST_ROWS,
    REQUEST_TIMEOUT_SECONDS,
    ServedModel,
)
from gastritis_gan.serving.verify import TfSession
from gastritis_gan.serving.warmup import replay_warmup
from gastritis_gan.storage import write_bytes

MAX_REQUEST_BYTES = 4 << 20
"""64 rows of 512 latents are 0.7 MB of JSON."""

_MAX_CONNECTIONS = 100
_NUM_THREADS = 16
_IDLE_SECONDS = 30  # then a silent connection is closed
_DRAIN_SECONDS = 30
_POLL_SECONDS = 0.02
_NO_WATERMARK = 1 << 40  # a reply to a slow reader waits in a file, not in a thread
_MAX_SHOWN = 200  # characters of a path that an error repeats

_ROUTE = re.compile(
    r"/v1/models/(?P<model>[^/:?]+)"
    r"(?:/versions/(?P<version>[0-9]{1,19})|/labels/(?P<label>[^/:?]+))?"
    r"(?P<verb>:predict|/metadata|)",
    re.IGNORECASE,
)


@dataclasses.dataclass
class ModelVersion:
    """One version of a model; `state` and `error` are those of a status reply."""

    model: str
    number: int
    folder: Path
    state: str = "START"
    error: str = ""
    session: TfSession | None = None

    def load(self) -> None:
        """Loads the version; one that fails ends in the state END with its error."""
        self.state = "LOADING"
        try:
            card = read_model_card(self.folder)
            with loadable_copy(self.folder, card) as copy:
                session = TfSession(copy)
                replay_warmup(copy, session.run)
        except (InputError, OSError) as error:
            self.error = str(error)
            self.state = "END"
        else:
            self.session = session
            self.state = "AVAILABLE"


class LoadedModels:
    """The models of a server; as many requests run at a time as there are cores.

    Args:
        models: What to serve.

    Attributes:
        versions: All versions; they are served once they are loaded.
    """

    def __init__(self, models: Sequence[ServedModel]) -> None:
        self.versions = [
            ModelVersion(model.name, number, model.base_path / str(number))
            for model in models
            for number in model.versions
        ]
        self._labels = {model.name: model.labels for model in models}
        self._slots = threading.BoundedSemaphore(os.cpu_count() or 1)

    def find(
        self, model: str, version: int | None = None, label: str | None = None
    ) -> list[ModelVersion]:
        """Returns the versions that a request names, the highest first.

        Raises:
            RequestError: There is none.
        """
        if label is not None:
            version = self._labels.get(model, {}).get(label)
            if version is None:
                raise RequestError(f"{model} has no version label {label}")
        found = [
            v for v in self.versions if v.model == model and version in (None, v.number)
        ]
        if not found:
            raise RequestError(f"Could not find any such version of model {model}", 404)
        return sorted(found, key=lambda v: -v.number)

    def predict(
        self, session: TfSession, signature: str, inputs: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Runs a signature; large requests are split into batches.

        Raises:
            RequestError: There are too many rows, their numbers differ, the graph
                refuses them, or it is not their turn in time.
        """
        shapes = {array.shape[:1] for array in inputs.values()}
        if len(shapes) != 1 or () in shapes:
            raise RequestError("every input needs one dimension of equally many rows")
        ((rows,),) = shapes
        if rows > MAX_REQUEST_ROWS:
            raise RequestError(
                f"{rows} rows are larger than the maximum input batch size "
                f"{MAX_REQUEST_ROWS}"
            )
        if not self._slots.acquire(timeout=REQUEST_TIMEOUT_SECONDS):
            raise RequestError("timed out waiting for other requests", 504)
        step = BATCH_SIZES[-1]
        try:
            parts = [
                session.run(
                    signature, {name: a[i : i + step] for name, a in inputs.items()}
                )
                for i in range(0, max(rows, 1), step)
            ]
        except (tf.errors.InvalidArgumentError, ValueError) as error:
            # a rank or width that the signature excludes
            raise RequestError(str(error)) from error
        except tf.errors.OpError as error:
            raise RequestError(error.message, 500) from error
        finally:
            self._slots.release()
        return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}


def answer(models: LoadedModels, method: str, path: str, body: bytes) -> bytes:
    """Returns the JSON that answers one request.

    Args:
        models: What is served.
        method: `GET`, `POST` or another.
        path: As sent, with any query string, which matches nothing.
        body: Content of the request.

    Raises:
        RequestError: The request is malformed or cannot be answered.
    """
    match = _ROUTE.fullmatch(path)
    expected = "POST" if match and match["verb"].lower() == ":predict" else "GET"
    if match is None or method != expected:
        status = 400 if path.lower().startswith("/v1/") else 404
        raise RequestError(f"Malformed request: {method} {path[:_MAX_SHOWN]}", status)
    number = None if match["version"] is None else int(match["version"])
    found = models.find(match["model"], number, match["label"])
    if not match["verb"]:
        return _json({"model_version_status": [_status(v) for v in found]})
    available = [(v, v.session) for v in found if v.session is not None]
    if not available:
        raise RequestError(f"no such version of {match['model']} is available", 404)
    version, session = available[0]
    if match["verb"].lower() == "/metadata":
        return _json(_metadata(version, session))
    request = read_predict_request(body, _input_types(session))
    outputs = models.predict(
        session, request.signature_name or DEFAULT_SIGNATURE, request.inputs
    )
    return write_outputs(outputs, is_row_format=request.is_row_format)


class LocalServer:
    """Answers REST requests on threads of its own until it is stopped.

    Slow or silent clients hold a connection, never a thread: a request reaches a thread
    when it is complete.

    Args:
        models: What is served.
        host: Address to listen on.
        port: 0 takes a free one.

    Raises:
        InputError: The address cannot be used.
    """

    def __init__(self, models: LoadedModels, *, host: str, port: int) -> None:
        self._models = models
        try:
            listening = socket.create_server((host, port))
        except OSError as error:
            raise InputError(
                f"the server cannot listen on {host}:{port} ({error}); choose another "
                "--port, or 0 for a free one."
            ) from error
        self.port: int = listening.getsockname()[1]
        self._server: Any = create_server(
            self._application,
            sockets=[listening],
            threads=_NUM_THREADS,
            connection_limit=_MAX_CONNECTIONS,
            channel_timeout=_IDLE_SECONDS,
            cleanup_interval=_IDLE_SECONDS,
            max_request_body_size=MAX_REQUEST_BYTES,
            outbuf_high_watermark=_NO_WATERMARK,
            ident=None,
        )
        threading.Thread(target=self._server.run, daemon=True).start()

    def stop(self) -> None:
        """Takes no new connection, finishes the requests at hand, then closes."""
        server = self._server
        server.trigger.pull_trigger(server.del_channel)  # no longer polled
        deadline = time.monotonic() + _DRAIN_SECONDS
        while self.is_busy() and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        server.close()

    def is_busy(self) -> bool:
        """Returns whether a request or a reply is under way."""
        return any(
            channel.requests or channel.total_outbufs_len
            for channel in list(self._server.active_channels.values())
        )

    def _application(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        status = 200
        method, path = environ["REQUEST_METHOD"], environ["REQUEST_URI"]
        try:
            reply = answer(self._models, method, path, environ["wsgi.input"].read())
        except RequestError as error:
            status, reply = error.status, _json({"error": str(error)})
        start_response(
            f"{status} {http.HTTPStatus(status).phrase}",
            [
                ("Content-Type", "application/json"),
                ("Content-Length", str(len(reply))),
            ],
        )
        return [reply]


def run_local_server(
    models: Sequence[ServedModel],
    *,
    host: str,
    port: int,
    report: Callable[[str], None],
    url_file: Path | None = None,
) -> None:
    """Serves models until SIGTERM or SIGINT, then finishes what was asked.

    Args:
        models: What to serve.
        host: Address to listen on.
        port: 0 takes a free one.
        report: Receives a sentence on each thing that is ready.
        url_file: Receives the address, `http://host:port`, once the models are loaded;
            removed in the end.

    Raises:
        InputError: The port cannot be used, or no model can be loaded.
    """
    if url_file is not None:
        url_file.unlink(missing_ok=True)  # of a server that was killed
    loaded = LoadedModels(models)
    with contextlib.ExitStack() as stack:
        stop_requested = stack.enter_context(_stop_signals())
        server = LocalServer(loaded, host=host, port=port)
        stack.callback(server.stop)
        report(f"REST: http://{host}:{server.port}/v1/models/NAME")
        for version in loaded.versions:
            if stop_requested.is_set():
                return
            version.load()
            state = version.error or version.state
            report(f"{version.model}, version {version.number}: {state}")
        if not any(version.session for version in loaded.versions):
            raise InputError("no model could be loaded; nothing can be served.")
        gc.freeze()  # else the lists of a large reply set off searches of TensorFlow's
        if url_file is not None:
            write_bytes(url_file, f"http://{host}:{server.port}".encode())
            stack.callback(url_file.unlink, missing_ok=True)
        report("Ready; Ctrl-C or SIGTERM ends it.")
        stop_requested.wait()


@contextlib.contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    stop_requested = threading.Event()
    earlier = {
        number: signal.signal(number, lambda *_: stop_requested.set())
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield stop_requested
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _input_types(session: TfSession) -> dict[str, dict[str, np.dtype]]:
    return {
        signature: {
            name: np.dtype(tf.as_dtype(info.dtype).as_numpy_dtype)
            for name, info in definition.inputs.items()
        }
        for signature, definition in session.signatures.items()
    }


def _status(version: ModelVersion) -> dict[str, Any]:
    return {
        "version": str(version.number),
        "state": version.state,
        "status": {
            "error_code": "UNKNOWN" if version.error else "OK",
            "error_message": version.error,
        },
    }


def _metadata(version: ModelVersion, session: TfSession) -> dict[str, Any]:
    signatures = {
        name: json_format.MessageToDict(
            definition,
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
        )
        for name, definition in session.signatures.items()
    }
    return {
        "model_spec": {
            "name": version.model,
            "signature_name": "",
            "version": str(version.number),
        },
        "metadata": {"signature_def": {"signature_def": signatures}},
    }


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1).encode()
