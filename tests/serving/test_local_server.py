"""Hostile requests, drain, bounds, and the answers of the REST interface."""

import base64
import concurrent.futures
import contextlib
import gzip
import http.client
import io
import json
import random
import shutil
import socket
import threading

import numpy as np
import pytest
from PIL import Image

from gastritis_gan.errors import InputError
from gastritis_gan.serving import local_server
from gastritis_gan.serving.exported_model import ExportedModel
from gastritis_gan.serving.local_server import (
    MAX_REQUEST_BYTES,
    LoadedModels,
    LocalServer,
    answer,
)
from gastritis_gan.serving.remote import RemoteModel
from gastritis_gan.serving.rest_json import RequestError
from gastritis_gan.serving.tf_serving import ServedModel

PREDICT = "/v1/models/small:predict"
GOOD = b'{"signature_name":"generate_png","instances":[{"seeds":1,"truncation":1}]}'
TOKENS = [
    *b'{ } [ ] : , " \\ null true NaN -Infinity 1e999 -0 0.5'.split(),
    b"9223372036854775808",
    b'"instances"',
    b'"inputs"',
    b'"signature_name"',
    b'"generate"',
    b'"generate_png"',
    b'"seeds"',
    b'"truncation"',
    b'"latents"',
    b'{"b64":"AAAA"}',
    b"\xff\xfe",
    b"\x00",
    b"[" * 300,
    b'"\\ud800"',
    b"9" * 300,
]
PATHS = [
    PREDICT,
    PREDICT,
    "/v1/models/small",
    "/v1/models/small/metadata",
    "/v1/models/small/versions/99999999999999999999:predict",
    "/v1/models/../../etc/passwd",
    "/v1/models/%2e%2e:predict",
    "/v1/models/" + "a" * 5000,
    "/v1/",
    "//",
    "*",
    "http://elsewhere/v1/models/small",
]


@pytest.fixture(scope="module")
def models(exported):
    loaded = LoadedModels([ServedModel("small", exported.parent, (1,), {"stable": 1})])
    loaded.versions[0].load()
    return loaded


@pytest.fixture(scope="module")
def server(models):
    server = LocalServer(models, host="127.0.0.1", port=0)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def ask(server):
    """A function from a request to (status, content type, body)."""

    def ask(method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, 60)
        with contextlib.closing(connection):
            if isinstance(body, (dict, list)):
                body = json.dumps(body)
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.getheader("Content-Type"), response.read()

    return ask


def request_bytes(rng):
    """One random request: anything from well formed to noise."""
    kind = rng.random()
    if kind < 0.1:
        return rng.randbytes(rng.randrange(1, 300)) + b"\r\n\r\n"
    if kind < 0.3:
        body = bytearray(GOOD)
        for _ in range(rng.randrange(1, 4)):
            body[rng.randrange(len(body))] = rng.randrange(256)
    elif kind < 0.4:
        body = GOOD[: rng.randrange(len(GOOD))]
    else:
        body = b" ".join(rng.choices(TOKENS, k=rng.randrange(12)))
    method = rng.choice(["POST", "POST", "POST", "GET", "PUT", "HEAD", "BREW", "\x01"])
    length = str(len(body))
    if rng.random() < 0.15:
        length = rng.choice(
            ["-1", "1e3", "0x10", "", "9" * 30, str(len(body) - 1), "3, 3"]
        )
    headers = [f"Content-Length: {length}"]
    if rng.random() < 0.1:
        headers.append("Content-Encoding: gzip")
    if rng.random() < 0.05:
        headers.append("Transfer-Encoding: " + rng.choice(["chunked", "x", "gzip"]))
    if rng.random() < 0.05:
        headers.append("X: " + "y" * rng.choice([10, 300_000]))
    version = rng.choice(["HTTP/1.1"] * 8 + ["HTTP/1.0", "HTTP/9.9", "HTTX"])
    lines = [f"{method} {rng.choice(PATHS)} {version}", "Host: x", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + bytes(body)


def exchange(port, content, *, timeout=30.0):
    """Sends bytes, closes the sending side, and returns all that comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        received = bytearray()
        with contextlib.suppress(OSError):  # refused before all was sent
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while chunk := connection.recv(1 << 16):
                received += chunk
        return bytes(received)


def check_reply(reply):
    """Raises AssertionError unless every reply in the bytes is whole."""
    while reply:
        head, separator, rest = reply.partition(b"\r\n\r\n")
        assert separator, reply[:300]
        first, *lines = head.decode("latin-1").split("\r\n")
        version, status, _ = first.split(" ", 2)
        assert version in ("HTTP/1.0", "HTTP/1.1")
        assert 200 <= int(status) <= 504
        headers = {
            name.lower(): value
            for name, value in (line.split(": ", 1) for line in lines)
        }
        length = int(headers["content-length"])
        body, reply = rest[:length], rest[length:]
        if headers["content-type"] == "application/json" and body:
            content = json.loads(body)
            is_error = set(content) == {"error"}
            assert is_error == (int(status) != 200), (first, body[:300])
        if not body:  # the reply to HEAD
            break


def resident_bytes():
    with open("/proc/self/statm", encoding="ascii") as stream:  # noqa: PTH123
        return int(stream.read().split()[1]) * 4096


def attack(port, count, seed):
    rng = random.Random(seed)
    num_replies = 0
    for _ in range(count):
        reply = exchange(port, request_bytes(rng))
        check_reply(reply)
        num_replies += bool(reply)
    return num_replies


def still_works(ask):
    status, _, reply = ask("POST", PREDICT, GOOD)
    assert status == 200
    assert len(json.loads(reply)["predictions"]) == 1


def test_hostile_requests(server, ask):
    assert attack(server.port, 300, seed=0) > 200
    still_works(ask)


@pytest.mark.slow
def test_ten_thousand_hostile_requests_leave_the_memory_flat(server, ask):
    attack(server.port, 1000, seed=1)  # pools and caches fill
    before = resident_bytes()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answered = pool.map(lambda seed: attack(server.port, 2500, seed), range(2, 6))
        assert sum(answered) > 7000
    still_works(ask)
    assert resident_bytes() - before < 64 << 20


def test_eight_clients_at_once(server, exported):
    expected = ExportedModel.open(exported).generate(range(1000)).astype(int)
    address = f"http://127.0.0.1:{server.port}"

    def download(number):
        model = RemoteModel.open(address, "small")
        return model.generate(np.arange(number * 125, number * 125 + 125))

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        images = np.concatenate(list(pool.map(download, range(8))))
    np.testing.assert_allclose(images.astype(int), expected, atol=1)


def test_a_body_that_is_too_large_is_refused(server, ask):
    head = f"POST {PREDICT} HTTP/1.1\r\nContent-Length: {MAX_REQUEST_BYTES + 1}\r\n\r\n"
    reply = exchange(server.port, head.encode())
    assert reply.startswith(b"HTTP/1.1 413")
    still_works(ask)


def test_a_compressed_body_is_refused(ask):
    status, _, reply = ask("POST", PREDICT, gzip.compress(GOOD))
    assert (status, b"not JSON" in reply) == (400, True)


def test_silent_clients_hold_no_thread(server, ask):
    with contextlib.ExitStack() as stack:
        for _ in range(40):  # more than there are threads
            connection = stack.enter_context(
                socket.create_connection(("127.0.0.1", server.port), 10)
            )
            connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n1")
        still_works(ask)


def test_stopping_finishes_what_was_asked(models, monkeypatch):
    """The answer is under way when the server is told to stop, and takes a while."""
    under_way, may_end = threading.Event(), threading.Event()

    def slow_answer(*arguments):
        under_way.set()
        assert may_end.wait(60)
        return answer(*arguments)

    monkeypatch.setattr(local_server, "answer", slow_answer)
    server = LocalServer(models, host="127.0.0.1", port=0)
    body = json.dumps(
        {"inputs": np.zeros((64, 8)).tolist()}  # the largest reply there is
    ).encode()
    head = f"POST {PREDICT} HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    replies = []
    thread = threading.Thread(
        target=lambda: replies.append(exchange(server.port, head + body))
    )
    thread.start()
    assert under_way.wait(60)
    threading.Timer(0.3, may_end.set).start()
    server.stop()
    assert may_end.is_set()  # the process may end now
    thread.join()
    check_reply(replies[0])
    assert replies[0].startswith(b"HTTP/1.1 200")
    with pytest.raises(ConnectionError):
        exchange(server.port, b"GET /v1/models/small HTTP/1.1\r\n\r\n")


def test_a_used_port_is_named(models, server):
    with pytest.raises(InputError, match=f"cannot listen on 127.0.0.1:{server.port}"):
        LocalServer(models, host="127.0.0.1", port=server.port)


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


SEEDS = {"signature_name": "generate"}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/v1/models", None, 400),
        ("GET", "/v1/models/a", None, 404),
        ("GET", "/v1/models/small/versions/7", None, 404),
        ("GET", "/v1/models/small?x=1", None, 400),
        ("GET", PREDICT, None, 400),
        ("PUT", PREDICT, None, 400),
        ("POST", "/v1/models/small", "{}", 400),
        ("POST", "/v1/models/small:regress", "{}", 400),
        ("POST", "/v1/models/a:predict", "{}", 404),
        ("POST", "/v1/models/small/versions/3:predict", "{}", 404),
        ("POST", f"/v1/models/small/versions/{10**30}:predict", "{}", 400),
        ("POST", "/v1/models/small/labels/L:predict", "{}", 400),
        ("GET", "/index.html", None, 404),
        ("POST", PREDICT, "", 400),
        ("POST", PREDICT, {"instances": [[1.0, 2.0]]}, 400),
        ("POST", PREDICT, {**SEEDS, "inputs": {"seeds": 1, "truncation": 1}}, 400),
        (
            "POST",
            PREDICT,
            {**SEEDS, "inputs": {"seeds": [1, 2], "truncation": [1]}},
            400,
        ),
        ("POST", PREDICT, {**SEEDS, "instances": rows(range(65))}, 400),
    ],
)
def test_errors(ask, method, path, body, status):
    actual, kind, reply = ask(method, path, body)
    assert (actual, kind) == (status, "application/json"), reply
    ((key, message),) = json.loads(reply).items()
    assert key == "error"
    assert isinstance(message, str)
    assert len(message) > 10


def test_too_many_rows_are_named_as_the_client_looks_for_it(ask):
    body = {**SEEDS, "instances": rows(range(65))}
    assert b"maximum input batch size 64" in ask("POST", PREDICT, body)[2]


def test_the_largest_request(ask, expected):
    body = {"signature_name": "generate_png", "instances": rows(range(64))}
    status, _, reply = ask("POST", PREDICT, body)
    assert status == 200
    images = [decode(row) for row in json.loads(reply)["predictions"]]
    np.testing.assert_allclose(images, expected[:64], atol=1)


def test_a_version_that_cannot_be_loaded_says_so(exported, tmp_path):
    shutil.copytree(exported, tmp_path / "small" / "1")
    (tmp_path / "small" / "1" / "variables" / "variables.index").unlink()
    models = LoadedModels([ServedModel("small", tmp_path / "small", (1,), {})])

    def status():
        reply = json.loads(answer(models, "GET", "/v1/models/small", b""))
        (status,) = reply["model_version_status"]
        return status["state"], status["status"]["error_message"]

    assert status() == ("START", "")
    models.versions[0].load()
    state, message = status()
    assert state == "END"
    assert "damaged" in message
    assert "variables.index" in message
    with pytest.raises(RequestError, match="available") as caught:
        answer(models, "POST", PREDICT, b"{}")
    assert caught.value.status == 404
