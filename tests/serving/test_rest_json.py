"""Requests and replies of TensorFlow Serving's own JSON code, and hostile ones."""

import base64
import json

import numpy as np
import pytest

from gastritis_gan.serving.rest_json import (
    RequestError,
    read_predict_request,
    write_outputs,
)

SEEDS = {"seeds": np.dtype(np.int64), "truncation": np.dtype(np.float32)}
SIGNATURES = {
    "serving_default": {"latents": np.dtype(np.float32)},
    "generate": SEEDS,
    "generate_png": SEEDS,
    "__saved_model_init_op": {},
}
HTTP_STATUS = {3: 400}  # of the code INVALID_ARGUMENT, as the server translates it


@pytest.fixture(scope="module")
def golden(shared_dir):
    path = shared_dir / "reference" / "serving_rest_golden.json"
    return json.loads(path.read_text(encoding="utf-8"))


def to_array(described):
    values = described["values"]
    if described["dtype"] == "string":
        values = [base64.b64decode(value) for value in values]
        return np.array([*values, None], object)[:-1]  # else trailing zeros are lost
    array = np.array([float(value) for value in values])
    if described["dtype"] == "int64":
        array = np.array([int(value) for value in values])
    return array.astype(described["dtype"]).reshape(described["shape"])


def test_requests(golden):
    assert len(golden["requests"]) > 30
    for case in golden["requests"]:
        if case["code"]:
            with pytest.raises(RequestError) as caught:
                read_predict_request(case["body"].encode(), SIGNATURES)
            assert caught.value.status == HTTP_STATUS[case["code"]], case["body"]
            continue
        request = read_predict_request(case["body"].encode(), SIGNATURES)
        assert request.signature_name == case["signature_name"]
        assert request.is_row_format == (case["format"] == "row")
        assert request.inputs.keys() == case["inputs"].keys()
        for name, described in case["inputs"].items():
            actual = request.inputs[name]
            assert actual.dtype == described["dtype"]
            assert actual.shape == tuple(described["shape"])
            np.testing.assert_array_equal(actual, to_array(described), case["body"])


def test_replies(golden):
    assert len(golden["responses"]) > 20
    for case in golden["responses"]:
        outputs = {
            name: to_array(described) for name, described in case["outputs"].items()
        }
        is_row_format = case["format"] == "row"
        if case["code"]:
            with pytest.raises(RequestError) as caught:
                write_outputs(outputs, is_row_format=is_row_format)
            assert caught.value.status == HTTP_STATUS[case["code"]]
            continue
        actual = write_outputs(outputs, is_row_format=is_row_format)
        if "response_b64" in case:  # bytes that are not text
            expected = base64.b64decode(case["response_b64"])
            assert b"".join(actual.split()) == b"".join(expected.split())
        else:
            assert equal(json.loads(actual), json.loads(case["response"])), case["case"]


def equal(one, another):
    """Floats are equal when they are the same float32, as both were."""
    if isinstance(one, float) and isinstance(another, (int, float)):
        return np.array_equal(np.float32(one), np.float32(another), equal_nan=True)
    if isinstance(one, list):
        return len(one) == len(another) and all(map(equal, one, another))
    if isinstance(one, dict):
        return one.keys() == another.keys() and all(
            equal(one[key], another[key]) for key in one
        )
    return one == another


def read(text):
    return read_predict_request(text.encode(), SIGNATURES)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"instances":' + "[" * 900 + "]" * 900 + "}",
        '{"inputs":' + "[" * 50 + "1" + "]" * 50 + "}",
        '{"signature_name":"generate","instances":[{"seeds":' + "9" * 5000 + "}]}",
        '{"signature_name":"generate","inputs":{"truncation":1,"seeds":'
        + "9" * 5000
        + "}}",
        '{"instances":[[1],2]}',
        '{"instances":[1,[2]]}',
        '{"instances":[[1,true]]}',
        '{"instances":[{"latents":[1]},7]}',
        '{"instances":[{"b64":"AAAA"}]}',
        '{"signature_name":"generate","instances":[7]}',
        '{"signature_name":["generate"],"instances":[7]}',
        "\ufeff{}",
        '{"a":1',
    ],
)
def test_malformed_requests(text):
    with pytest.raises(RequestError) as caught:
        read(text)
    assert caught.value.status == 400
    assert len(str(caught.value)) < 2500


def test_numbers_beyond_float32_are_infinite_as_the_server_reads_them():
    latents = read('{"instances":[1,' + "9" * 10_000 + ",1e200]}").inputs["latents"]
    np.testing.assert_array_equal(latents, [1, np.inf, np.inf])


def test_bytes_that_are_not_text():
    with pytest.raises(RequestError, match="not JSON"):
        read_predict_request(b"{\xff}", SIGNATURES)


def test_floats_survive_the_text():
    rng = np.random.default_rng(0)
    values = rng.standard_normal(5000).astype(np.float32)
    values = np.concatenate(
        [values, values * 1e-30, values * 1e30, [0, -0.0, 1e9, 1e-12, 3.4e38, 1e-45]]
    ).astype(np.float32)
    reply = write_outputs({"images": values}, is_row_format=True)
    read_back = np.array(json.loads(reply)["predictions"], np.float32)
    np.testing.assert_array_equal(read_back, values)
