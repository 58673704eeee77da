import socket
import threading

import pytest

from gastritis_gan.errors import InputError
from gastritis_gan.serving.remote import RestClient, ServerError

from .fake_server import fake_server


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
            with connection:
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
