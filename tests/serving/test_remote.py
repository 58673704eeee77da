"""The client of a server: requests that end, and samples without TensorFlow."""

import base64
import contextlib
import io
import json
import socket
import struct
import subprocess
import sys
import threading
import zlib

import numpy as np
import pytest
from PIL import Image

from gastritis_gan.errors import InputError
from gastritis_gan.serving.remote import RemoteModel, RestClient, ServerError
from tests.helpers.fake_server import fake_server

NO_TENSORFLOW = """
import sys
for name in ("tensorflow", "keras", "scipy", "pydicom"):
    sys.modules[name] = None
from gastritis_gan.cli.main import main
main(sys.argv[1:])
"""


def png(seed, size=(2, 2)):
    content = io.BytesIO()
    if max(size) < 10_000:
        Image.fromarray(np.full(size[::-1], seed % 256, np.uint8)).save(content, "PNG")
    else:  # only a header that claims it
        header = b"IHDR" + struct.pack(">IIBBBBB", *size, 8, 0, 0, 0, 0)
        content.write(b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header)
        content.write(struct.pack(">I", zlib.crc32(header)))
        content.write(b"\0\0\0\0IDAT" + struct.pack(">I", zlib.crc32(b"IDAT")))
    return base64.b64encode(content.getvalue()).decode()


def status(**states):
    versions = [
        {"version": version.removeprefix("v"), "state": state}
        for version, state in states.items()
    ]
    return 200, json.dumps({"model_version_status": versions}).encode()


class Server:
    """Answers like TensorFlow Serving; `limit` is its largest batch."""

    def __init__(self, *, limit=64, slow_above=64, statuses=None):
        self.limit = limit
        self.slow_above = slow_above
        self.statuses = statuses or [status(v1="AVAILABLE")]
        self.batches = []
        self.paths = []

    def __call__(self, method, path, body):
        self.paths.append(path)
        if method == "GET":
            if path.endswith("/metadata"):
                return 200, b'{"model_spec": {"name": "m", "version": "3"}}'
            return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        rows = json.loads(body)["instances"]
        self.batches.append(len(rows))
        if len(rows) > self.limit:
            message = (
                f"Task size {len(rows)} is larger than maximum input batch size "
                f"{self.limit}"
            )
            return 400, json.dumps({"error": message}).encode()
        if len(rows) > self.slow_above:
            return 504, b'{"error": "Timed out waiting for notification"}'
        predictions = [{"b64": png(row["seeds"])} for row in rows]
        return 200, json.dumps({"predictions": predictions}).encode()


def generate(server, count, **options):
    with fake_server(server) as address:
        model = RemoteModel.open(address, "m", sleep=lambda _: None, **options)
        return model.generate(np.arange(count))


def test_chunks_and_order():
    server = Server()
    images = generate(server, 37)
    assert server.batches == [16, 16, 5]
    assert images.shape == (37, 2, 2, 1)
    np.testing.assert_array_equal(images[:, 0, 0, 0], np.arange(37))


def test_a_server_with_smaller_batches():
    server = Server(limit=3)
    images = generate(server, 9)
    np.testing.assert_array_equal(images[:, 0, 0, 0], np.arange(9))
    assert server.batches == [9, 2, 2, 2, 2, 1]


def test_a_slow_server_gets_smaller_requests_not_the_same_again():
    server = Server(slow_above=1)
    images = generate(server, 5)
    np.testing.assert_array_equal(images[:, 0, 0, 0], np.arange(5))
    assert server.batches == [5, 1, 1, 1, 1, 1]


def test_one_version_for_all_images():
    server = Server(statuses=[status(v1="AVAILABLE", v12="AVAILABLE", v13="LOADING")])
    generate(server, 20)
    assert server.paths[1:] == ["/v1/models/m/versions/12:predict"] * 2


def test_a_label_is_looked_up_once():
    server = Server()
    generate(server, 20, label="sta ble")
    assert server.paths == [
        "/v1/models/m/labels/sta%20ble/metadata",
        "/v1/models/m/versions/3:predict",
        "/v1/models/m/versions/3:predict",
    ]


def test_waiting_until_it_is_available():
    states = [
        (404, b'{"error": "Could not find any versions of model m"}'),
        status(v1="LOADING"),
        status(v1="AVAILABLE"),
    ]
    with pytest.raises(ServerError, match="Could not find any versions"):
        generate(Server(statuses=list(states)), 1)
    with pytest.raises(InputError, match=r"version 1: LOADING"):
        generate(Server(statuses=states[1:]), 1)
    assert len(generate(Server(statuses=states), 1, wait_seconds=60)) == 1


@pytest.mark.parametrize("seeds", [[], [[1]], 1])
def test_seeds_that_a_server_might_never_answer(seeds):
    server = Server()
    with fake_server(server) as address:
        model = RemoteModel.open(address, "m")
        with pytest.raises(ValueError, match="seeds"):
            model.generate(seeds)
    assert server.batches == []


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (b'{"predictions": [{"b64": "AAAA"}]}', "contains no PNG images"),
        (b'{"predictions": [1]}', "contains no PNG images"),
        (b"[]", "contains no PNG images"),
        (b'{"predictions": []}', "wrong number of images: 0 instead of 1"),
        (json.dumps({"predictions": {"0": {"b64": png(0)}}}), "contains no PNG"),
        (json.dumps({"predictions": [{"b64": png(0)}] * 99}), "99 instead of 1"),
        (json.dumps({"predictions": [{"b64": png(0, (5000, 1))}]}), "no PNG images"),
        (json.dumps({"predictions": [{"b64": png(0, (2**16,) * 2)}]}), "no PNG images"),
    ],
)
def test_other_models_are_named(reply, message):
    def answer(method, path, body):
        content = reply.encode() if isinstance(reply, str) else reply
        return status(v1="AVAILABLE") if method == "GET" else (200, content)

    with pytest.raises(InputError, match=message):
        generate(answer, 1)


def test_images_of_different_sizes_are_a_sentence():
    def answer(method, path, body):
        if method == "GET":
            return status(v1="AVAILABLE")
        rows = [{"b64": png(0, (n, 2))} for n in range(2, 4)]
        return 200, json.dumps({"predictions": rows}).encode()

    with pytest.raises(InputError, match="differ in size"):
        generate(answer, 2)


@pytest.mark.parametrize(
    "reply",
    [
        b"[]",
        b'{"model_version_status": [{}]}',
        b"7",
        b'{"model_version_status": [{"version": Infinity, "state": "AVAILABLE"}]}',
    ],
)
def test_other_servers_are_named(reply):
    with pytest.raises(InputError, match="not that of TensorFlow Serving"):
        generate(lambda *_: (200, reply), 1)


def test_a_version_or_a_label():
    with pytest.raises(InputError, match="not both"):
        RemoteModel.open("http://127.0.0.1:1", "m", version=1, label="x")


def test_the_command_needs_no_tensorflow(tmp_path):
    out = tmp_path / "out"
    with fake_server(Server()) as address:
        subprocess.run(
            [
                *(sys.executable, "-c", NO_TENSORFLOW, "sample", "--server", address),
                *("--model", "m", "--count", "20", "--seed", "5", "--out", out),
            ],
            check=True,
            capture_output=True,
        )
    lines = (out / "manifest.csv").read_text().splitlines()
    assert lines[20] == "000019.png,24,1.0,,m,1"
    with Image.open(out / "000019.png") as image:
        np.testing.assert_array_equal(image, np.full((2, 2), 24))


def ask(answers, *, timeout=10.0, retried=None):
    """Returns what the client makes of the answers, its pauses, and its requests."""
    pauses, requests = [], []
    remaining = iter(answers)

    def answer(*request):
        requests.append(request)
        return next(remaining)

    with fake_server(answer) as address:
        client = RestClient(address, timeout_seconds=timeout, sleep=pauses.append)
        options = {} if retried is None else {"retried": retried}
        try:
            result = client.post("/v1/x", {"a": 1}, **options)
        except ServerError as error:
            result = error
    return result, pauses, requests


def test_an_answer():
    result, pauses, requests = ask([(200, b'{"predictions": []}')])
    assert result == {"predictions": []}
    assert pauses == []
    assert requests == [("POST", "/v1/x", b'{"a": 1}')]


@pytest.mark.parametrize("status", [429, 503, 504])
def test_busy_servers_are_asked_again_with_growing_pauses(status):
    result, pauses, requests = ask([(status, b"{}")] * 3 + [(200, b"7")])
    assert result == 7
    assert pauses == [0.5, 1.0, 2.0]
    assert len(requests) == 4


def test_retry_after_is_honoured_within_bounds():
    _, pauses, _ = ask(
        [
            (503, b"", {"Retry-After": "7"}),
            (503, b"", {"Retry-After": "100000"}),
            (503, b"", {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),
            (200, b"1"),
        ]
    )
    assert pauses == [7.0, 30.0, 2.0]


def test_it_gives_up():
    result, pauses, requests = ask([(503, b'{"error": "queue full"}')] * 6)
    assert result.status == 503
    assert "status 503: queue full" in str(result)
    assert len(requests) == 6
    assert sum(pauses) == 15.5


@pytest.mark.parametrize("status", [400, 404, 500, 501])
def test_refusals_are_not_repeated(status):
    result, _, requests = ask([(status, b'{"error": "no such\\nthing"}')])
    assert (result.status, len(requests)) == (status, 1)
    assert f"status {status}: no such thing" in str(result)


def test_a_status_can_be_left_to_the_caller():
    result, _, requests = ask([(504, b"{}")], retried=frozenset({503}))
    assert (result.status, len(requests)) == (504, 1)


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (b"<html><body>Bad Gateway</body></html>", "<html><body>Bad Gateway"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"a\x1b[31mb\x00", "a [31mb"),
        (b"[" * 100_000, "[[["),
        (b"", ""),
    ],
)
def test_html_and_noise_are_survived(content, shown):
    for status in (200, 502):
        result, _, _ = ask([(status, content)])
        assert result.status == status
        assert shown in str(result)
        assert len(str(result)) < 700


def test_broken_connections_are_tried_again():
    result, pauses, _ = ask([None, None, (200, b"3")])
    assert result == 3
    assert pauses == [0.5, 1.0]


def test_no_server_is_a_sentence():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    pauses = []
    client = RestClient(
        f"http://127.0.0.1:{port}", timeout_seconds=5, sleep=pauses.append
    )
    with pytest.raises(InputError, match=f"127.0.0.1:{port} cannot be reached"):
        client.get("/v1/models/a")
    assert len(pauses) == 5


@pytest.mark.parametrize("drip", [b"", b"x"])
def test_a_server_that_says_nothing_or_trickles_is_left(drip):
    """The second kind never lets a read time out."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def trickle():
            connection, _ = listening.accept()
            with connection, contextlib.suppress(ConnectionError):  # the client left
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n")
                while not stop.wait(0.02):
                    connection.sendall(drip)

        thread = threading.Thread(target=trickle)
        thread.start()
        client = RestClient(
            f"http://127.0.0.1:{listening.getsockname()[1]}", timeout_seconds=0.3
        )
        with pytest.raises(ServerError, match=r"did not answer within 0\.3 seconds"):
            client.get("/v1/models/a")
        stop.set()
        thread.join()


@pytest.mark.parametrize(
    "address",
    ["", "localhost:8501", "ftp://a", "http://", "http://a:99999", "http://[1"],
)
def test_impossible_addresses(address):
    with pytest.raises(InputError, match="address"):
        RestClient(address, timeout_seconds=1)


def test_a_prefix_of_a_proxy_is_kept():
    requests = []

    def answer(*request):
        requests.append(request)
        return 200, b"1"

    with fake_server(answer) as address:
        RestClient(f"{address}/gan/", timeout_seconds=5).get("/v1/models/a")
    assert requests[0][1] == "/gan/v1/models/a"
