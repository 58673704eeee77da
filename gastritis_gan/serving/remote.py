"""Samples from an exported model behind a server, without TensorFlow."""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import json
import time
import urllib.parse
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from gastritis_gan.errors import InputError
from gastritis_gan.serving.model_folder import check_model_name
from gastritis_gan.serving.tf_serving import BATCH_SIZES
from gastritis_gan.storage import DAMAGE

RETRIED_STATUSES = frozenset({429, 503, 504})

_NUM_TRIES = 6
_FIRST_PAUSE_SECONDS = 0.5  # doubled each time: 15 s in all
_MAX_PAUSE_SECONDS = 30.0
_MAX_REPLY_BYTES = 1 << 30
_MAX_SHOWN = 300  # characters of a reply that an error repeats
_MAX_SIDE = 4096  # pixels of an image


class ServerError(InputError):
    """The server answered, but not with what was asked for.

    Attributes:
        status: The HTTP status; 0 when no answer came in time.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class RestClient:
    """Sends JSON requests to one server and retries where that can help.

    Args:
        server: `http://host:8501`, or `https://host/prefix` behind a proxy.
        timeout_seconds: How long one request may take.
        sleep: Pauses; replaced in tests.

    Raises:
        InputError: `server` is not such an address.
    """

    def __init__(
        self,
        server: str,
        *,
        timeout_seconds: float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        try:
            parts = urllib.parse.urlsplit(server)
            self._port = parts.port
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError("it has no http://host")
        except ValueError as error:
            raise InputError(
                f"the server's address {server!r} cannot be used ({error}); give one "
                "such as http://127.0.0.1:8501."
            ) from None
        self._server = server.rstrip("/")
        self._connect: type[http.client.HTTPConnection] = (
            http.client.HTTPSConnection
            if parts.scheme == "https"
            else http.client.HTTPConnection
        )
        self._host = parts.hostname
        self._prefix = parts.path.rstrip("/")
        self._timeout_seconds = timeout_seconds
        self._sleep = sleep

    def get(self, path: str) -> Any:
        """Returns the JSON of a GET request; see `post`."""
        return self._ask("GET", path, None, RETRIED_STATUSES)

    def post(
        self, path: str, content: Any, *, retried: frozenset[int] = RETRIED_STATUSES
    ) -> Any:
        """Returns the JSON that the server answers.

        Broken connections count as the status 503.

        Args:
            path: From `/v1` on.
            content: JSON-able.
            retried: Statuses after which to try again, a few times with growing pauses.

        Raises:
            ServerError: The server refuses, answers something else than JSON, or
                does not answer.
        """
        return self._ask("POST", path, json.dumps(content).encode(), retried)

    def _ask(
        self, method: str, path: str, body: bytes | None, retried: frozenset[int]
    ) -> Any:
        for number in range(_NUM_TRIES):
            wanted_pause = 0.0
            try:
                status, content, wanted_pause = self._exchange(method, path, body)
            except TimeoutError:
                raise ServerError(
                    f"{self._server}{path} did not answer within "
                    f"{self._timeout_seconds:g} seconds; see that the server runs, or "
                    "allow more with --timeout.",
                    0,
                ) from None
            except (OSError, http.client.HTTPException) as error:
                refusal = ServerError(
                    f"{self._server} cannot be reached ({_describe(error)}); see that "
                    "the server runs and that the address is right.",
                    503,
                )
            else:
                if status == 200:
                    return self._parse(path, content)
                refusal = ServerError(
                    f"{self._server}{path} answered with the status {status}: "
                    f"{_message(content)}",
                    status,
                )
            if refusal.status not in retried or number == _NUM_TRIES - 1:
                raise refusal
            pause = max(_FIRST_PAUSE_SECONDS * 2**number, wanted_pause)
            self._sleep(min(pause, _MAX_PAUSE_SECONDS))
        raise AssertionError  # the last try returns or raises

    def _exchange(
        self, method: str, path: str, body: bytes | None
    ) -> tuple[int, bytes, float]:
        """Returns the status, the content, and the seconds that the server asks for."""
        connection = self._connect(
            self._host, self._port, timeout=self._timeout_seconds
        )
        deadline = time.monotonic() + self._timeout_seconds
        headers = {"Content-Type": "application/json"} if body else {}
        with contextlib.closing(connection):
            connection.request(method, self._prefix + path, body, headers)
            response = connection.getresponse()
            content = bytearray()
            while chunk := response.read1(1 << 20):
                content += chunk
                if time.monotonic() > deadline:  # a trickle never times out by itself
                    raise TimeoutError
                if len(content) > _MAX_REPLY_BYTES:
                    raise http.client.HTTPException("the reply is larger than 1 GiB")
            wanted_pause = response.getheader("Retry-After", "0")
            seconds = float(wanted_pause) if wanted_pause.isdecimal() else 0.0
            return response.status, bytes(content), seconds

    def _parse(self, path: str, content: bytes) -> Any:
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise ServerError(
                f"{self._server}{path} answered something that is not JSON: "
                f"{_message(content)}; see that it is a TensorFlow Serving REST port "
                "(8501, not 8500).",
                200,
            ) from None


def _message(content: bytes) -> str:
    """Returns the server's own words, from JSON or, failing that, as they came."""
    text = content.decode("utf-8", "replace")
    with contextlib.suppress(ValueError, RecursionError):
        reply = json.loads(text)
        if isinstance(reply, dict) and isinstance(reply.get("error"), str):
            text = reply["error"]
    # A terminal would obey control letters.
    words = "".join(c if c.isprintable() else " " for c in text[: 10 * _MAX_SHOWN])
    words = " ".join(words.split())
    return words if len(words) <= _MAX_SHOWN else f"{words[:_MAX_SHOWN]}..."


def _describe(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


_SIGNATURE = "generate_png"
_POLL_SECONDS = 0.5
_TIMEOUT_SECONDS = 120.0  # longer than the server's own limit
_TOO_LARGE = "maximum input batch size"


class RemoteModel:
    """A generator that TensorFlow Serving, or the local server, has loaded.

    All images of one object come from one version: a label or the latest version is
    looked up once.

    Example:
        >>> model = RemoteModel.open("http://127.0.0.1:8501", "lc_positive")
        >>> images = model.generate(range(100))
    """

    def __init__(self, client: RestClient, name: str, version: int) -> None:
        """Use `open`."""
        self._client = client
        self.name = name
        self.version = version
        self.class_name = ""  # a server returns neither
        self.model_hash = ""
        self._chunk_size = BATCH_SIZES[-1]

    @classmethod
    def open(
        cls,
        server: str,
        name: str,
        *,
        version: int | None = None,
        label: str | None = None,
        wait_seconds: float = 0.0,
        timeout_seconds: float = _TIMEOUT_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> RemoteModel:
        """Finds a model on a server.

        Args:
            server: `http://host:8501`, the REST port.
            name: Name of the model.
            version: Which version; the highest by default.
            label: Which version, by its label.
            wait_seconds: How long to wait until it is available.
            timeout_seconds: How long one request may take.
            sleep: Pauses; replaced in tests.

        Raises:
            InputError: The server or the model is not there, or not in time.
        """
        check_model_name(name)
        if version is not None and label is not None:
            raise InputError("give --version or --label, not both.")
        client = RestClient(server, timeout_seconds=timeout_seconds, sleep=sleep)
        deadline = time.monotonic() + wait_seconds
        while True:
            try:
                return cls(client, name, _find(client, name, version, label))
            except InputError:
                if time.monotonic() >= deadline:
                    raise
            sleep(_POLL_SECONDS)

    def generate(self, seeds: Any, truncation: float = 1.0) -> np.ndarray:
        """Makes one image per seed, in requests that fit the server's limits.

        Args:
            seeds: Integers of shape (n,), n at least 1, within int64.
            truncation: 0 (one image for every seed) to 1 (as trained).

        Returns:
            uint8 (n, r, r, 1).

        Raises:
            ValueError: `seeds` is empty, which a server might never answer, or not of
                shape (n,).
            ServerError: The server refuses or does not answer.
        """
        seeds = np.asarray(seeds, np.int64)
        if seeds.ndim != 1 or not seeds.size:
            raise ValueError(
                f"`seeds` must have the shape (n,) with n >= 1. Received: {seeds.shape}"
            )
        images: list[np.ndarray] = []
        while len(images) < len(seeds):
            chunk = seeds[len(images) : len(images) + self._chunk_size].tolist()
            try:
                images += self._request(chunk, truncation)
            except ServerError as refusal:
                is_too_much = refusal.status in (0, 504) or _TOO_LARGE in str(refusal)
                if not is_too_much or len(chunk) == 1:
                    raise
                self._chunk_size = max(len(chunk) // 4, 1)
        if len({image.shape for image in images}) > 1:
            raise InputError(f"the server's images for {self.name} differ in size.")
        return np.stack(images)[..., None]

    def _request(self, seeds: list[int], truncation: float) -> list[np.ndarray]:
        reply = self._client.post(
            f"/v1/models/{self.name}/versions/{self.version}:predict",
            {
                "signature_name": _SIGNATURE,
                "instances": [
                    {"seeds": seed, "truncation": truncation} for seed in seeds
                ],
            },
            # A request that took too long is made smaller before it is sent again.
            retried=RETRIED_STATUSES - ({504} if len(seeds) > 1 else set()),
        )
        try:
            rows = reply["predictions"][: len(seeds) + 1]
            images = [_decode(row["b64"]) for row in rows]
        except (*DAMAGE, OSError, Image.DecompressionBombError) as error:
            raise InputError(
                f"the server's reply for {self.name} contains no PNG images "
                f"({type(error).__name__}); see that `gastritis-gan export` made the "
                "model."
            ) from error
        if len(images) != len(seeds):
            raise InputError(
                f"the server's reply for {self.name} has the wrong number of images: "
                f"{len(reply['predictions'])} instead of {len(seeds)}."
            )
        return images


def _find(client: RestClient, name: str, version: int | None, label: str | None) -> int:
    """Returns the number of an available version.

    Raises:
        InputError: There is none.
    """
    path = f"/v1/models/{name}"
    if label is not None:
        path += f"/labels/{urllib.parse.quote(label, safe='')}/metadata"
    elif version is not None:
        path += f"/versions/{version}"
    reply = client.get(path)
    try:
        if label is not None:
            return int(reply["model_spec"]["version"])
        statuses = reply["model_version_status"]
        states = {
            int(status["version"]): str(status["state"])[:_MAX_SHOWN]
            for status in statuses
        }
    except DAMAGE:
        raise InputError(
            f"the server's reply on {name} is not that of TensorFlow Serving; see that "
            "the address is its REST port."
        ) from None
    available = [number for number, state in states.items() if state == "AVAILABLE"]
    if not available:
        listed = ", ".join(f"version {n}: {state}" for n, state in states.items())
        listed = _message(listed.encode())
        raise InputError(
            f"no version of {name} is available ({listed}); wait with --wait, or see "
            "the server's log."
        )
    return max(available)


def _decode(content: str) -> np.ndarray:
    with Image.open(io.BytesIO(base64.b64decode(content, validate=True))) as image:
        if image.format != "PNG" or image.mode != "L":
            raise ValueError("not an 8-bit greyscale PNG")
        if max(image.size) > _MAX_SIDE:  # before memory is taken
            raise ValueError("too large")
        return np.asarray(image)
