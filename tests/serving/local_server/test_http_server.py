import concurrent.futures
import contextlib
import gzip
import json
import random
import socket
import threading
import time

import numpy as np
import pytest

from gastritis_gan.errors import InputError
from gastritis_gan.serving.exported_model import ExportedModel
from gastritis_gan.serving.local_server.http_server import (
    MAX_REQUEST_BYTES,
    HttpServer,
)
from gastritis_gan.serving.remote import RemoteModel

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
    """Sends bytes, says that there are no more, and returns all that comes back."""
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


def test_hostile_requests(http_server, ask):
    assert attack(http_server.port, 300, seed=0) > 200
    still_works(ask)


@pytest.mark.slow
def test_ten_thousand_hostile_requests_leave_the_memory_flat(http_server, ask):
    attack(http_server.port, 1000, seed=1)  # pools and caches fill
    before = resident_bytes()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answered = pool.map(
            lambda seed: attack(http_server.port, 2500, seed), range(2, 6)
        )
        assert sum(answered) > 7000
    still_works(ask)
    assert resident_bytes() - before < 64 << 20


def test_eight_clients_at_once(http_server, exported):
    expected = ExportedModel.open(exported).generate(range(1000)).astype(int)
    address = f"http://127.0.0.1:{http_server.port}"

    def download(number):
        model = RemoteModel.open(address, "small")
        return model.generate(np.arange(number * 125, number * 125 + 125))

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        images = np.concatenate(list(pool.map(download, range(8))))
    np.testing.assert_allclose(images.astype(int), expected, atol=1)


def test_a_body_that_is_too_large_is_refused(http_server, ask):
    head = f"POST {PREDICT} HTTP/1.1\r\nContent-Length: {MAX_REQUEST_BYTES + 1}\r\n\r\n"
    reply = exchange(http_server.port, head.encode())
    assert reply.startswith(b"HTTP/1.1 413")
    still_works(ask)


def test_gzip(ask):
    headers = {"Content-Encoding": "gzip"}
    assert ask("POST", PREDICT, gzip.compress(GOOD), headers)[0] == 200
    bomb = gzip.compress(b" " * (MAX_REQUEST_BYTES + 1))
    status, _, reply = ask("POST", PREDICT, bomb, headers)
    assert (status, b"exceeds" in reply) == (400, True)
    status, _, reply = ask("POST", PREDICT, b"no gzip", headers)
    assert (status, b"cannot be read" in reply) == (400, True)


def test_silent_clients_hold_no_thread(http_server, ask):
    with contextlib.ExitStack() as stack:
        for _ in range(40):  # more than there are threads
            connection = stack.enter_context(
                socket.create_connection(("127.0.0.1", http_server.port), 10)
            )
            connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n1")
        still_works(ask)


def test_stopping_finishes_what_was_asked(servables):
    server = HttpServer(servables, host="127.0.0.1", port=0)
    body = json.dumps(
        {"inputs": np.zeros((64, 8)).tolist()}  # the largest reply there is
    ).encode()
    head = f"POST {PREDICT} HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    replies = []
    thread = threading.Thread(
        target=lambda: replies.append(exchange(server.port, head + body))
    )
    thread.start()
    while not server.is_busy():
        time.sleep(0.001)
    server.stop()
    thread.join()
    check_reply(replies[0])
    assert replies[0].startswith(b"HTTP/1.1 200")
    with pytest.raises(ConnectionError):
        exchange(server.port, b"GET /v1/models/small HTTP/1.1\r\n\r\n")


def test_a_used_port_is_named(servables, http_server):
    with pytest.raises(
        InputError, match=f"cannot listen on 127.0.0.1:{http_server.port}"
    ):
        HttpServer(servables, host="127.0.0.1", port=http_server.port)
