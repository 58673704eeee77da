"""Requests that a server replays before a version becomes available.

TensorFlow Serving reads `assets.extra/tf_serving_warmup_requests`. A record that cannot
be read or answered fails the load, so the file is also a self-test: a partly copied
version is never served.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from tensorflow.core.framework import tensor_pb2

from gastritis_gan import rng
from gastritis_gan.errors import InputError
from gastritis_gan.serving.tf_serving import BATCH_SIZES
from gastritis_gan.storage import DAMAGE

_MOST_RECORDS = 1000  # the server's own limit
_MAX_ELEMENTS = 1 << 20  # 64 latents of 512 numbers are 1 << 15
_PATH = Path("assets.extra") / "tf_serving_warmup_requests"
_PACKAGE = "gastritis_gan.serving"  # apart from the real one, which may be loaded too
_Field = descriptor_pb2.FieldDescriptorProto

# TensorFlow Serving's messages, described here so that its API package is not needed:
# that package demands a second copy of TensorFlow beside the CPU build. Message to
# (field, number, type); a list is repeated, and a map is a list of its entries.
_MESSAGES: dict[str, list[tuple[str, int, Any]]] = {
    "Entry": [("key", 1, _Field.TYPE_STRING), ("value", 2, _Field.TYPE_BYTES)],
    "ModelSpec": [
        ("name", 1, _Field.TYPE_STRING),
        ("signature_name", 3, _Field.TYPE_STRING),
    ],
    "PredictRequest": [("model_spec", 1, "ModelSpec"), ("inputs", 2, ["Entry"])],
    "PredictLog": [("request", 1, "PredictRequest")],
    "PredictionLog": [("predict_log", 6, "PredictLog")],
}


Run = Callable[[str, dict[str, np.ndarray]], dict[str, np.ndarray]]
"""From a signature's name and inputs to its outputs."""


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
            normals = rng.stream(0, "serving.warmup").standard_normal(
                (batch_size, latent_dim)
            )
            requests: dict[str, dict[str, np.ndarray]] = {
                "serving_default": {"latents": normals.astype(np.float32)},
                "generate": seeds,
                "generate_png": seeds,
            }
            for signature, inputs in requests.items():
                # No version in the specification: it is the one that the file lies in.
                request = {
                    "model_spec": {"name": name, "signature_name": signature},
                    "inputs": [
                        {
                            "key": key,
                            "value": tf.make_tensor_proto(array).SerializeToString(),
                        }
                        for key, array in inputs.items()
                    ],
                }
                log = _PredictionLog(predict_log={"request": request})
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
        _check_lengths(path.read_bytes())
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            request = _PredictionLog.FromString(record).predict_log.request
            inputs = {entry.key: _to_array(entry.value) for entry in request.inputs}
            yield request.model_spec.signature_name, inputs
    except (tf.errors.OpError, DecodeError, OSError, *DAMAGE) as error:
        raise InputError(
            f"{path} cannot be read ({type(error).__name__}), so a server would refuse "
            "this version. Copy the version again or export it again."
        ) from error


def _check_lengths(records: bytes) -> None:
    """Refuses a TFRecord file whose records would not fit in it.

    TensorFlow takes the memory that a record claims, and ends the process where there
    is none.

    Raises:
        ValueError: It is damaged, or has more records than a server reads.
    """
    position = number = 0
    while position < len(records):
        length = int.from_bytes(records[position : position + 8], "little")
        position += 8 + 4 + length + 4  # length, its checksum, record, its checksum
        number += 1
    if position != len(records) or number > _MOST_RECORDS:
        raise ValueError("a record is cut short, or there are too many")


def replay_warmup(version_folder: Path, run: Run) -> int:
    """Runs a version's warm-up requests as a server does; returns their number.

    Raises:
        InputError: The requests cannot be read or are none.
        tf.errors.OpError: A request fails.
    """
    num_requests = 0
    for signature, inputs in read_warmup_requests(version_folder):
        run(signature, inputs)
        num_requests += 1
    if not num_requests:
        raise InputError(
            f"{version_folder} has no warm-up requests; export the model again."
        )
    return num_requests


def _to_array(content: bytes) -> np.ndarray:
    """Returns the array of a serialized TensorProto.

    Raises:
        ValueError: It has an impossible shape, or more elements than any request needs.
    """
    proto = tensor_pb2.TensorProto.FromString(content)
    sizes = [dim.size for dim in proto.tensor_shape.dim]
    # A few bytes can claim any shape, for equal values are sent once.
    if min(sizes, default=0) < 0 or math.prod(sizes) > _MAX_ELEMENTS:
        raise ValueError(f"a tensor of the shape {sizes} is not accepted")
    array: np.ndarray = tf.make_ndarray(proto)
    return array


def _prediction_log_class() -> Any:
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
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = pool.FindMessageTypeByName(f"{_PACKAGE}.PredictionLog")
    return message_factory.GetMessageClass(found)


_PredictionLog = _prediction_log_class()
