import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from gastritis_gan.serving.exported_model import ExportedModel


@pytest.fixture(scope="module")
def expected(exported):
    return ExportedModel.open(exported).generate(range(80))[..., 0].astype(int)


def rows(seeds, truncation=1.0):
    return [{"seeds": seed, "truncation": truncation} for seed in seeds]


def decode(row):
    with Image.open(io.BytesIO(base64.b64decode(row["b64"]))) as image:
        return np.asarray(image, int)


@pytest.mark.parametrize("path", ["", "/versions/1", "/versions/001", "/labels/stable"])
def test_predict_in_rows(ask, expected, path):
    body = {"signature_name": "generate_png", "instances": rows(range(20))}
    status, kind, reply = ask("POST", f"/v1/models/small{path}:predict", body)
    assert (status, kind) == (200, "application/json")
    images = [decode(row) for row in json.loads(reply)["predictions"]]
    np.testing.assert_allclose(images, expected[:20], atol=1)


def test_predict_in_columns(ask, expected):
    inputs = {"seeds": [3, 4], "truncation": [1.0, 1.0]}
    body = {"signature_name": "generate", "inputs": inputs}
    status, _, reply = ask("POST", "/v1/models/small:predict", body)
    assert status == 200
    images = np.array(json.loads(reply)["outputs"])
    assert images.shape == (2, 16, 16, 1)
    np.testing.assert_allclose(images[..., 0], expected[3:5], atol=1)


def test_default_signature(ask, generator):
    latents = np.random.default_rng(0).standard_normal((3, 8)).astype(np.float32)
    status, _, reply = ask(
        "POST", "/v1/models/small:predict", {"instances": latents.tolist()}
    )
    assert status == 200
    images = np.array(json.loads(reply)["predictions"])
    np.testing.assert_allclose(images, generator(latents), atol=1e-4)


def test_a_request_without_rows_is_answered(ask):
    inputs = {"seeds": [], "truncation": []}
    body = {"signature_name": "generate", "inputs": inputs}
    status, _, reply = ask("POST", "/v1/models/small:predict", body)
    assert (status, json.loads(reply)) == (200, {"outputs": []})


def test_status(ask):
    available = {
        "version": "1",
        "state": "AVAILABLE",
        "status": {"error_code": "OK", "error_message": ""},
    }
    for path in ("", "/versions/1", "/labels/stable"):
        status, _, reply = ask("GET", f"/v1/models/small{path}")
        assert (status, json.loads(reply)) == (
            200,
            {"model_version_status": [available]},
        )


def test_metadata(ask):
    status, _, reply = ask("GET", "/v1/models/small/labels/stable/metadata")
    assert status == 200
    metadata = json.loads(reply)
    assert metadata["model_spec"] == {
        "name": "small",
        "signature_name": "",
        "version": "1",
    }
    signature = metadata["metadata"]["signature_def"]["signature_def"]["generate_png"]
    assert signature["method_name"] == "tensorflow/serving/predict"
    assert signature["inputs"]["seeds"]["dtype"] == "DT_INT64"
    assert signature["inputs"]["seeds"]["tensor_shape"] == {
        "dim": [{"size": "-1", "name": ""}],
        "unknown_rank": False,
    }
    assert signature["outputs"]["png_bytes"]["dtype"] == "DT_STRING"


PREDICT = "/v1/models/small:predict"
SEEDS = {"signature_name": "generate"}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("GET", "/v1/models", None, 400, "Missing model name in request."),
        ("GET", "/v1/models/a", None, 404, "Could not find any versions of model a"),
        (
            "GET",
            "/v1/models/small/versions/7",
            None,
            404,
            "Could not find any versions",
        ),
        ("GET", "/v1/models/small?x=1", None, 400, "Malformed request: GET"),
        ("GET", PREDICT, None, 400, "Malformed request: GET"),
        ("PUT", PREDICT, None, 400, "Malformed request: PUT"),
        ("POST", "/v1/models/small", "{}", 400, "Malformed request: POST"),
        ("POST", "/v1/models/small:regress", "{}", 400, "Malformed request"),
        ("POST", "/v1/models/a:predict", "{}", 404, "not found for request: Latest(a)"),
        (
            "POST",
            "/v1/models/small/versions/3:predict",
            "{}",
            404,
            "Servable not found for request: Specific(small, 3)",
        ),
        ("POST", f"/v1/models/small/versions/{10**30}:predict", "{}", 400, "numeric"),
        (
            "POST",
            "/v1/models/small/labels/L:predict",
            "{}",
            400,
            "Unrecognized servable version label: L",
        ),
        ("POST", PREDICT, "", 400, "The document is empty"),
        ("POST", PREDICT, {"instances": [[1.0, 2.0]]}, 400, "Cannot feed value"),
        (
            "POST",
            PREDICT,
            {**SEEDS, "inputs": {"seeds": 1, "truncation": 1}},
            400,
            "must have at least one dimension",
        ),
        (
            "POST",
            PREDICT,
            {**SEEDS, "inputs": {"seeds": [1, 2], "truncation": [1]}},
            400,
            "must have equal 0th-dimension size",
        ),
        (
            "POST",
            PREDICT,
            {**SEEDS, "instances": rows(range(65))},
            400,
            "Task size 65 is larger than maximum input batch size 64",
        ),
    ],
)
def test_errors(ask, method, path, body, status, message):
    actual, kind, reply = ask(method, path, body)
    assert (actual, kind) == (status, "application/json"), reply
    assert message in json.loads(reply)["error"]


def test_other_paths_are_html(ask):
    status, kind, reply = ask("GET", "/index.html")
    assert status == 404
    assert kind.startswith("text/html")
    assert b"404 Not Found" in reply


def test_the_largest_request(ask, expected):
    body = {"signature_name": "generate_png", "instances": rows(range(64))}
    status, _, reply = ask("POST", PREDICT, body)
    assert status == 200
    images = [decode(row) for row in json.loads(reply)["predictions"]]
    np.testing.assert_allclose(images, expected[:64], atol=1)


def test_a_version_that_cannot_be_loaded_says_so(exported, tmp_path):
    import shutil

    from gastritis_gan.serving.local_server.rest_api import answer
    from gastritis_gan.serving.local_server.servables import Servables
    from gastritis_gan.serving.tf_serving import ServedModel

    shutil.copytree(exported, tmp_path / "small" / "1")
    (tmp_path / "small" / "1" / "variables" / "variables.index").unlink()
    servables = Servables([ServedModel("small", tmp_path / "small", (1,), {})])
    before = json.loads(answer(servables, "GET", "/v1/models/small", b"").body)
    assert before["model_version_status"][0]["state"] == "START"
    (servable,) = servables.load("small")
    assert "damaged" in servable.error
    assert not servables.any_available()
    (status,) = json.loads(answer(servables, "GET", "/v1/models/small", b"").body)[
        "model_version_status"
    ]
    assert status["state"] == "END"
    assert "variables.index" in status["status"]["error_message"]
    assert answer(servables, "POST", PREDICT, b"{}").status == 404
