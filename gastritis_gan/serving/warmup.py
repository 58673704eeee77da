"""Requests that a server replays before a version becomes available."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from tensorflow.core.framework import tensor_pb2

from gastritis_gan.errors import InputError
from gastritis_gan.serving.tf_serving import BATCH_SIZES

_PACKAGE = "gastritis_gan.serving"  # apart from the real one, which may be loaded too
_Field = descriptor_pb2.FieldDescriptorProto
_INT, _TEXT, _BYTES = _Field.TYPE_INT64, _Field.TYPE_STRING, _Field.TYPE_BYTES

# Message to (field, number, type); a list is repeated. A map is a list of its entries,
# an enumeration an integer, a wrapped integer a message: equal in bytes.
_MESSAGES: dict[str, list[tuple[str, int, Any]]] = {
    "Int64Value": [("value", 1, _INT)],
    "Entry": [("key", 1, _TEXT), ("value", 2, _BYTES)],
    "ModelSpec": [
        ("name", 1, _TEXT),
        ("version", 2, "Int64Value"),
        ("signature_name", 3, _TEXT),
        ("version_label", 4, _TEXT),
    ],
    "PredictRequest": [
        ("model_spec", 1, "ModelSpec"),
        ("inputs", 2, ["Entry"]),
        ("output_filter", 3, [_TEXT]),
    ],
    "PredictResponse": [("outputs", 1, ["Entry"]), ("model_spec", 2, "ModelSpec")],
    "PredictLog": [("request", 1, "PredictRequest")],
    "PredictionLog": [("predict_log", 6, "PredictLog")],
    "SignatureDefMap": [("signature_def", 1, ["Entry"])],
    "Any": [("type_url", 1, _TEXT), ("value", 2, _BYTES)],
    "AnyEntry": [("key", 1, _TEXT), ("value", 2, "Any")],
    "GetModelMetadataRequest": [
        ("model_spec", 1, "ModelSpec"),
        ("metadata_field", 2, [_TEXT]),
    ],
    "GetModelMetadataResponse": [
        ("model_spec", 1, "ModelSpec"),
        ("metadata", 2, ["AnyEntry"]),
    ],
    "GetModelStatusRequest": [("model_spec", 1, "ModelSpec")],
    "StatusProto": [("error_code", 1, _INT), ("error_message", 2, _TEXT)],
    "ModelVersionStatus": [
        ("version", 1, _INT),
        ("state", 2, _INT),
        ("status", 3, "StatusProto"),
    ],
    "GetModelStatusResponse": [("model_version_status", 1, ["ModelVersionStatus"])],
}


def _describe() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{_PACKAGE}.proto", package=_PACKAGE, syntax="proto3"
    )
    for message, fields in _MESSAGES.items():
        described = file.message_type.add(name=message)
        for name, number, kind in fields:
            field = described.field.add(name=name, number=number)
            field.label = _Field.LABEL_OPTIONAL
            if isinstance(kind, list):
                field.label = _Field.LABEL_REPEATED
                (kind,) = kind
            if isinstance(kind, str):
                field.type = _Field.TYPE_MESSAGE
                field.type_name = f".{_PACKAGE}.{kind}"
            else:
                field.type = kind
    return file


_POOL = descriptor_pool.DescriptorPool()
_POOL.Add(_describe())


def _message(name: str) -> Any:
    return message_factory.GetMessageClass(
        _POOL.FindMessageTypeByName(f"{_PACKAGE}.{name}")
    )


GetModelMetadataRequest = _message("GetModelMetadataRequest")
GetModelMetadataResponse = _message("GetModelMetadataResponse")
GetModelStatusRequest = _message("GetModelStatusRequest")
GetModelStatusResponse = _message("GetModelStatusResponse")
PredictRequest = _message("PredictRequest")
PredictResponse = _message("PredictResponse")
PredictionLog = _message("PredictionLog")
SignatureDefMap = _message("SignatureDefMap")


_MAX_ELEMENTS = 1 << 20  # 64 latents of 512 numbers are 1 << 15


def to_entries(arrays: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Returns a message's map from names to tensors."""
    return [
        {"key": name, "value": tf.make_tensor_proto(array).SerializeToString()}
        for name, array in arrays.items()
    ]


def from_entries(entries: Iterable[Any]) -> dict[str, np.ndarray]:
    """Returns the arrays of a message's map.

    Raises:
        ValueError: A tensor has an impossible shape, or more elements than any request
            needs.
    """
    return {entry.key: _to_array(entry.value) for entry in entries}


def _to_array(content: bytes) -> np.ndarray:
    proto = tensor_pb2.TensorProto.FromString(content)
    sizes = [dim.size for dim in proto.tensor_shape.dim]
    # A few bytes can claim any shape, for equal values are sent once.
    if min(sizes, default=0) < 0 or math.prod(sizes) > _MAX_ELEMENTS:
        raise ValueError(f"a tensor of the shape {sizes} is not accepted")
    array: np.ndarray = tf.make_ndarray(proto)
    return array


_PATH = Path("assets.extra") / "tf_serving_warmup_requests"


def write_warmup_requests(version_folder: Path, *, name: str, latent_dim: int) -> None:
    """Writes one request per signature and batch size that a server can run.

    Args:
        version_folder: Folder of the version.
        name: Name of the model.
        latent_dim: Length of a latent vector.
    """
    path = version_folder / _PATH
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for batch_size in BATCH_SIZES:
            seeds: dict[str, np.ndarray] = {
                "seeds": np.arange(batch_size, dtype=np.int64),
                "truncation": np.ones(batch_size, np.float32),
            }
            normals = np.random.default_rng(0).standard_normal((batch_size, latent_dim))
            requests: dict[str, dict[str, np.ndarray]] = {
                "serving_default": {"latents": normals.astype(np.float32)},
                "generate": seeds,
                "generate_png": seeds,
            }
            for signature, inputs in requests.items():
                # No version in the specification: it is the one that the file lies in.
                request = {
                    "model_spec": {"name": name, "signature_name": signature},
                    "inputs": to_entries(inputs),
                }
                log = PredictionLog(predict_log={"request": request})
                writer.write(log.SerializeToString())


def read_warmup_requests(
    version_folder: Path,
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Yields the signature and the inputs of each request.

    Raises:
        InputError: The file is missing or cannot be read.
    """
    path = version_folder / _PATH
    try:
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            request = PredictionLog.FromString(record).predict_log.request
            yield request.model_spec.signature_name, from_entries(request.inputs)
    except (tf.errors.OpError, DecodeError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read ({type(error).__name__}), so a server would refuse "
            "this version. Copy the version again or export it again."
        ) from error
