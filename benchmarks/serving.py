"""Latency and images per second of an exported generator, directly and over HTTP.

    python benchmarks/serving.py [MODEL] [--resolution 256] [--fmap-base 1024]

MODEL is an exported model, such as exported/lc_positive; without one, a generator with
random weights is exported to a temporary folder, which costs the same to run. "direct"
is a TensorFlow Session in this process, "server" is `gastritis-gan serve --local` in
another one, asked in row form over one connection. Ratios hold within one run only.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gastritis_gan.serving.export import export_generator
from gastritis_gan.serving.layout import find_version
from gastritis_gan.serving.model_card import read_model_card
from gastritis_gan.serving.verify import TfSession

BATCH_SIZES = (1, 8, 16, 64)
SIGNATURES = ("serving_default", "generate", "generate_png")

_COMMAND = (sys.executable, "-c", "from gastritis_gan.cli.main import main; main()")
_DIRECT_COLD_START = """
import sys
from pathlib import Path
from gastritis_gan.serving.exported_model import ExportedModel
ExportedModel.open(Path(sys.argv[1])).generate([0])
"""


def export_random_model(folder: Path, *, resolution: int, fmap_base: int) -> Path:
    """Exports a generator with random weights and returns its version's folder."""
    from gastritis_gan.models.pggan import ProgressiveGenerator

    generator = ProgressiveGenerator(
        resolution, latent_dim=512, fmap_base=fmap_base, fmap_max=512
    )
    facts = {"class_name": "random", "resolution": resolution, "latent_dim": 512}
    return export_generator(
        generator,
        exported_dir=folder,
        name="random",
        metadata={**facts, "model": "pggan"},
    ).path


def make_inputs(signature: str, count: int, latent_dim: int) -> dict[str, np.ndarray]:
    """Returns the inputs of a request for `count` images."""
    if signature == "serving_default":
        rng = np.random.default_rng(0)
        return {"latents": rng.standard_normal((count, latent_dim)).astype(np.float32)}
    ones = np.ones(count, np.float32)
    return {"seeds": np.arange(count, dtype=np.int64), "truncation": ones}


def median_seconds(run: Callable[[], Any], repeats: int) -> float:
    """Returns the median duration of `repeats` calls after one that is not counted."""
    durations = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        run()
        durations.append(time.perf_counter() - start)
    return statistics.median(durations[1:])


@contextlib.contextmanager
def local_server(exported_dir: Path) -> Iterator[tuple[str, float]]:
    """Yields the address of a server and the seconds until it had loaded its models."""
    with tempfile.TemporaryDirectory() as scratch:
        url_file = Path(scratch) / "url"
        options = (
            "--local",
            "--port",
            "0",
            "--config-dir",
            scratch,
        )
        start = time.perf_counter()
        with subprocess.Popen(
            [
                *(*_COMMAND, "serve", "--exported-dir", str(exported_dir), *options),
                *("--url-file", str(url_file)),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                while not url_file.exists():
                    if process.poll() is not None:
                        raise RuntimeError("The server ended before it was ready.")
                    time.sleep(0.02)
                yield url_file.read_text(), time.perf_counter() - start
            finally:
                process.terminate()


def measure(version_folder: Path, repeats: int) -> None:
    """Prints a table of the two ways."""
    card = read_model_card(version_folder)
    print(  # noqa: T201
        f"{card['name']}, {card['resolution']} px, "
        f"{card['num_parameters']:,} weights\n\n"
        "| signature | batch | direct ms | direct images/s | server ms | "
        "server images/s | server / direct time | bytes per image |\n"
        + "|---" * 8
        + "|"
    )
    with (
        TfSession(version_folder) as session,
        local_server(version_folder.parents[1]) as (address, cold_seconds),
    ):
        host = urllib.parse.urlsplit(address)
        connection = http.client.HTTPConnection(host.hostname or "", host.port)
        for signature in SIGNATURES:
            for size in BATCH_SIZES:
                inputs = make_inputs(signature, size, card["latent_dim"])
                names = list(inputs)
                columns = (array.tolist() for array in inputs.values())
                rows = [
                    dict(zip(names, row, strict=True))
                    for row in zip(*columns, strict=True)
                ]
                body = json.dumps({"signature_name": signature, "instances": rows})
                path = f"/v1/models/{card['name']}:predict"
                reply = b""

                def ask() -> None:
                    nonlocal reply
                    connection.request("POST", path, body)  # noqa: B023
                    response = connection.getresponse()
                    reply = response.read()
                    if response.status != 200:
                        raise RuntimeError(reply[:300])

                direct = median_seconds(
                    lambda: session.run(signature, inputs),  # noqa: B023
                    repeats,
                )
                served = median_seconds(ask, repeats)
                print(  # noqa: T201
                    f"| {signature} | {size} "
                    f"| {direct * 1e3:.0f} | {size / direct:.1f} "
                    f"| {served * 1e3:.0f} | {size / served:.1f} "
                    f"| {served / direct:.2f} | {len(reply) // size:,} |",
                    flush=True,
                )
        connection.close()
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", _DIRECT_COLD_START, version_folder],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    print(  # noqa: T201
        f"\nCold start: {time.perf_counter() - start:.1f} s to the first image in a "
        f"new process; {cold_seconds:.1f} s until the server had replayed its warm-up."
    )


def main() -> None:
    """Reads the arguments and measures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("--resolution", type=int, default=256)
    parser.add_argument("--fmap-base", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (
            find_version(arguments.model)
            if arguments.model
            else export_random_model(
                Path(scratch),
                resolution=arguments.resolution,
                fmap_base=arguments.fmap_base,
            )
        )
        measure(folder, arguments.repeats)


if __name__ == "__main__":
    main()
