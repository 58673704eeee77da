"""The JSON of TensorFlow Serving's REST interface: requests to arrays and back.

Replies of the real server's `util/json_tensor.cc` are its tests.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

DEFAULT_SIGNATURE = "serving_default"

_MAX_DIMENSIONS = 8
_MAX_INTEGER_DIGITS = 20  # longer ones are beyond int64; Python refuses very long ones
_BYTES_SUFFIX = "_bytes"
_JSON_DTYPES = ("bool", "float32", "float64", "int32", "int64", "object", "uint8")


class RequestError(Exception):
    """A request that gets an error as its reply.

    Attributes:
        status: The HTTP status.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class PredictRequest(NamedTuple):
    """What a predict request asks for."""

    signature_name: str
    is_row_format: bool
    inputs: dict[str, np.ndarray]


InputTypes = Mapping[str, np.dtype]
"""From the names of a signature's inputs to their types, integer or float."""


def read_predict_request(
    body: bytes, signatures: Mapping[str, InputTypes]
) -> PredictRequest:
    """Reads a request in row form (`instances`) or column form (`inputs`).

    Args:
        body: The request's content.
        signatures: The inputs of every signature that can be called.

    Raises:
        RequestError: The request is malformed.
    """
    document = _parse(body)
    if not isinstance(document, dict):
        raise RequestError("the request is not a JSON object")
    name = document.get("signature_name", "")
    types = signatures.get(name or DEFAULT_SIGNATURE) if isinstance(name, str) else None
    if not types:
        known = ", ".join(name for name in signatures if signatures[name])
        raise RequestError(f"'signature_name' must be one of {known}")
    if ("instances" in document) == ("inputs" in document):
        raise RequestError("the request needs either 'instances' or 'inputs'")
    is_row_format = "instances" in document
    columns: Any
    if is_row_format:
        columns = _columns_of_rows(document["instances"], types)
    else:
        columns = document["inputs"]
        if not isinstance(columns, dict):
            columns = dict.fromkeys(types, columns) if len(types) == 1 else {}
        if not types.keys() <= columns.keys():
            raise RequestError(f"'inputs' must have {', '.join(sorted(types))}")
    inputs = {name: _array(name, columns[name], dtype) for name, dtype in types.items()}
    return PredictRequest(name, is_row_format, inputs)


def write_outputs(outputs: Mapping[str, np.ndarray], *, is_row_format: bool) -> bytes:
    """Returns the reply `{"predictions": ...}` or, in column form, `{"outputs": ...}`.

    The name of a single output is left out. A string is written in base64 if the name
    of its output ends in `_bytes`, else as it is.

    Raises:
        RequestError: The outputs have no rows, not as many rows as others, or a type
            that the server's JSON lacks.
    """
    lengths = {array.shape[:1] for array in outputs.values()}
    if is_row_format and (len(lengths) != 1 or () in lengths):
        raise RequestError("the outputs do not have equally many rows")
    columns = {name: _to_json(name, array) for name, array in outputs.items()}
    reply: Any = columns
    if len(columns) == 1:
        (reply,) = columns.values()
    elif is_row_format:
        rows = zip(*columns.values(), strict=True)
        reply = [dict(zip(columns, row, strict=True)) for row in rows]
    text = json.dumps(
        {"predictions" if is_row_format else "outputs": reply}, ensure_ascii=False
    )
    return text.encode("utf-8", "surrogateescape")  # other strings' bytes as they are


def _parse(body: bytes) -> Any:
    try:
        text = body.decode("utf-8").lstrip(" \t\r\n")
        # What follows the first value is ignored, as the server does.
        return json.JSONDecoder(parse_int=_integer).raw_decode(text)[0]
    except RecursionError:
        raise RequestError("the request's JSON is nested too deeply") from None
    except ValueError as error:
        raise RequestError(f"the request is not JSON: {error}") from None


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_INTEGER_DIGITS else float(digits)


def _columns_of_rows(rows: Any, types: InputTypes) -> dict[str, list[Any]]:
    if not isinstance(rows, list) or not rows:
        raise RequestError("'instances' must be a list of at least one row")
    if not isinstance(rows[0], dict) and len(types) == 1:
        return dict.fromkeys(types, rows)
    for number, row in enumerate(rows):
        if not isinstance(row, dict) or row.keys() != types.keys():
            raise RequestError(
                f"row {number} of 'instances' must be an object of exactly "
                f"{', '.join(sorted(types))}"
            )
    return {name: [row[name] for row in rows] for name in types}


def _array(name: str, value: Any, dtype: np.dtype) -> np.ndarray:
    array = np.array(value, object)
    numbers = {int, float} if dtype.kind == "f" else {int}
    # Of lists of different lengths NumPy makes elements that are lists.
    if array.ndim > _MAX_DIMENSIONS or not {type(x) for x in array.flat} <= numbers:
        raise RequestError(
            f"{name!r} must be {dtype} in lists of equal lengths and of at most "
            f"{_MAX_DIMENSIONS} dimensions"
        )
    try:
        with np.errstate(over="ignore"):  # beyond float32: infinite
            return array.astype(dtype)
    except OverflowError:
        raise RequestError(f"{name!r} has a number beyond {dtype}") from None


def _to_json(name: str, array: np.ndarray) -> Any:
    if array.dtype.name not in _JSON_DTYPES:
        raise RequestError(f"the output {name} is {array.dtype}, which JSON lacks here")
    if array.dtype != object:
        return array.tolist()
    if name.endswith(_BYTES_SUFFIX):
        return [{"b64": base64.b64encode(text).decode("ascii")} for text in array]
    return [text.decode("utf-8", "surrogateescape") for text in array]
