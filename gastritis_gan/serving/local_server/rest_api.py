"""TensorFlow Serving's REST interface as a function from requests to replies."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2

from gastritis_gan.serving.local_server.json_reply import write_error, write_outputs
from gastritis_gan.serving.local_server.json_request import (
    DEFAULT_SIGNATURE,
    InputTypes,
    read_predict_body,
)
from gastritis_gan.serving.local_server.model_spec import ModelSpec
from gastritis_gan.serving.local_server.request_error import (
    HTTP_STATUS,
    Code,
    RequestError,
)
from gastritis_gan.serving.local_server.servable import State
from gastritis_gan.serving.local_server.servables import Servables
from gastritis_gan.serving.verify import TfSession

JSON = "application/json"
HTML = "text/html; charset=utf-8"

_MODEL = (
    r"/v1/models/(?P<model>[^/:?]+)"
    r"(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:?]+))?"
)
_PREDICT = re.compile(rf"{_MODEL}:predict", re.IGNORECASE)
_STATUS = re.compile(rf"{_MODEL}(?P<metadata>/metadata)?", re.IGNORECASE)
_NO_MODEL = re.compile(r"/v1/models/?", re.IGNORECASE)
_MAX_SHOWN = 200  # characters of a path that an error repeats
_NOT_FOUND = (
    b"<HTML><HEAD>\n<TITLE>404 Not Found</TITLE>\n</HEAD><BODY>\n"
    b"<H1>Not Found</H1>\n</BODY></HTML>\n"
)


class Reply(NamedTuple):
    """What goes back."""

    status: int
    content_type: str
    body: bytes


def answer(servables: Servables, method: str, path: str, body: bytes) -> Reply:
    """Answers one request.

    Args:
        servables: The loaded models.
        method: `GET`, `POST` or another.
        path: As sent, with any query string, which matches nothing.
        body: Content of the request.
    """
    if not path.lower().startswith("/v1/"):
        return Reply(404, HTML, _NOT_FOUND)
    try:
        return Reply(200, JSON, _answer(servables, method, path, body))
    except RequestError as error:
        return error_reply(error)


def error_reply(error: RequestError) -> Reply:
    """Returns the reply to a refused request."""
    return Reply(HTTP_STATUS.get(error.code, 500), JSON, write_error(str(error)))


def _answer(servables: Servables, method: str, path: str, body: bytes) -> bytes:
    if method == "POST" and (match := _PREDICT.fullmatch(path)):
        return _predict(servables, _spec(match), body)
    if method == "GET" and _NO_MODEL.fullmatch(path):
        raise RequestError(Code.INVALID_ARGUMENT, "Missing model name in request.")
    if method == "GET" and (match := _STATUS.fullmatch(path)):
        if match["metadata"]:
            return _metadata(servables, _spec(match))
        return _status(servables, _spec(match))
    raise RequestError(
        Code.INVALID_ARGUMENT, f"Malformed request: {method} {path[:_MAX_SHOWN]}"
    )


def _spec(match: re.Match[str]) -> ModelSpec:
    version = None if match["version"] is None else match["version"].lstrip("0") or "0"
    if version is not None and (len(version) > 19 or int(version) >= 2**63):
        raise RequestError(
            Code.INVALID_ARGUMENT, "Failed to convert version to numeric."
        )
    return ModelSpec(
        match["model"], None if version is None else int(version), match["label"]
    )


def _predict(servables: Servables, spec: ModelSpec, body: bytes) -> bytes:
    _, session = servables.available(spec)
    request = read_predict_body(body, input_types(session))
    outputs = servables.predict(
        session, request.signature_name or DEFAULT_SIGNATURE, request.inputs
    )
    return write_outputs(outputs, is_row_format=request.is_row_format)


def input_types(session: TfSession) -> dict[str, InputTypes]:
    """Returns the types of the inputs of every signature."""
    return {
        signature: {
            name: np.dtype(tf.as_dtype(info.dtype).as_numpy_dtype)
            for name, info in definition.inputs.items()
        }
        for signature, definition in session.signatures.items()
    }


def _status(servables: Servables, spec: ModelSpec) -> bytes:
    statuses = [
        {
            "version": str(servable.version),
            "state": servable.state.name,
            "status": {
                "error_code": "UNKNOWN" if servable.state == State.END else "OK",
                "error_message": servable.error,
            },
        }
        for servable in servables.versions(spec)
    ]
    return _json({"model_version_status": statuses})


def _metadata(servables: Servables, spec: ModelSpec) -> bytes:
    servable, session = servables.available(spec)
    signatures = {
        signature: {
            "inputs": _tensors(definition.inputs),
            "outputs": _tensors(definition.outputs),
            "method_name": definition.method_name,
        }
        for signature, definition in session.signatures.items()
    }
    return _json(
        {
            "model_spec": {
                "name": servable.model,
                "signature_name": "",
                "version": str(servable.version),
            },
            "metadata": {"signature_def": {"signature_def": signatures}},
        }
    )


def _tensors(infos: Any) -> dict[str, Any]:
    return {
        name: {
            "dtype": types_pb2.DataType.Name(info.dtype),
            "tensor_shape": {
                "dim": [
                    {"size": str(dim.size), "name": dim.name}
                    for dim in info.tensor_shape.dim
                ],
                "unknown_rank": info.tensor_shape.unknown_rank,
            },
            "name": info.name,
        }
        for name, info in infos.items()
    }


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1).encode()
