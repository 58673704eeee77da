"""Images per second that a generator makes: in this process, by a peer, by a server.

    python benchmarks/sampling.py [--peer-python PATH] [--resolutions 64,256]
        [--fmap-max 64,512] [--batch-size 8] [--threads 1]
    python benchmarks/sampling.py --server [--model FOLDER] [--repeats 3]
        [--resolutions 256] [--fmap-base 8192] [--fmap-max 512]

Random weights, latent 512, one channel, float images from latents. The first compares
Keras, its SavedModel and pro-gan-pth (its Python: docs/performance.md; without
`--peer-python` only ours are measured) in turns; "x best" is by images per CPU-second
beside the best implementation that was measured at 256 pixels before this project had
code, as in train_step.py.

`--server` times requests to the local server, every signature and several batches,
beside calls of the model in a session of this process, and the cold start of both.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import itertools
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

import harness
import numpy as np
from harness import Case, Implementation

LATENT_DIM = 512
PEER = "pro-gan-pth"
# By (feature maps, pixels): TF-GAN over the peer; at 512 the peer was not measured, and
# pytorch_GAN_zoo stands in, which was as fast as the peer at 64.
BEST_TO_PEER = {(64, 256): 2.83 / 2.04, (512, 256): 1.01 / 0.874}
BATCH_SIZES = (1, 8, 16, 64)
SIGNATURES = ("serving_default", "generate", "generate_png")
COLD_START = """
import sys
from gastritis_gan.serving.exported_model import ExportedModel
ExportedModel.open(sys.argv[1]).generate([0])
"""


def export_random_model(
    folder: str, resolution: int, fmap_base: int, fmap_max: int
) -> str:
    """Exports a generator with random weights and returns its version's folder."""
    from gastritis_gan.models.pggan import ProgressiveGenerator
    from gastritis_gan.serving.export import export_generator

    generator = ProgressiveGenerator(
        resolution, latent_dim=LATENT_DIM, fmap_base=fmap_base, fmap_max=fmap_max
    )
    model = export_generator(
        generator,
        exported_dir=Path(folder),
        name=f"random_{fmap_max}_{resolution}",
        metadata={
            "class_name": "random",
            "model": "pggan",
            "resolution": resolution,
            "latent_dim": LATENT_DIM,
        },
    )
    return str(model.path)


def compare(case: Case, peer_python: str | None, turns: int) -> None:
    """Lets the implementations take turns; writes a row for each."""
    implementations = [
        Implementation("Keras", sys.executable, "own.py", {"what": "Keras"}),
        Implementation("SavedModel", sys.executable, "own.py", {"what": "SavedModel"}),
    ]
    if peer_python:
        options = {"what": "sampling"}
        implementations.append(
            Implementation(PEER, peer_python, "pro_gan_pth.py", options)
        )
    size = case["batch_size"]
    times = harness.take_turns(
        case, implementations, threads=case["threads"], turns=turns
    )
    for name, own in times.items():
        to_peer = to_best = ""
        if PEER in times and name != PEER:
            ratio = times[PEER].median_cpu / own.median_cpu
            to_peer = f"{ratio:.2f}"
            if best := BEST_TO_PEER.get((case["fmap_max"], case["resolution"])):
                to_best = f"{ratio / best:.2f}"
        harness.write_row(
            case["resolution"],
            case["fmap_max"],
            size,
            name,
            f"{size / own.median_wall:.4g}",
            f"{size / own.median_cpu:.4g}",
            to_peer,
            to_best,
        )


def compare_all(options: argparse.Namespace) -> None:
    """Writes the table of Keras, SavedModel and the peer."""
    versions = {}
    if options.peer_python:
        versions = harness.versions_of(options.peer_python, "torch", "pro-gan-pth")
    harness.write_machine(threads=options.threads, **versions)
    harness.write_header(
        "px", "fmap", "batch", "implementation", "images/s", "images/CPU-s", "x peer",
        "x best",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        for fmap_max, resolution in itertools.product(
            options.fmap_max, options.resolutions
        ):
            size = (resolution, options.fmap_base, fmap_max)
            case = {
                "resolution": resolution,
                "fmap_max": fmap_max,
                "fmap_base": options.fmap_base,
                "latent_dim": LATENT_DIM,
                "batch_size": options.batch_size,
                "threads": options.threads,
                "saved_model": harness.alone(
                    __file__, "export_random_model", folder, *size
                ),
            }
            turns = 1 if options.quick else harness.TURNS
            compare(case, options.peer_python, turns)


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
        options = ("--exported-dir", str(exported_dir), "--local", "--port", "0")
        options += ("--config-dir", scratch, "--url-file", str(url_file))
        start = time.perf_counter()
        with subprocess.Popen(
            [*harness.GASTRITIS_GAN, "serve", *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                while not url_file.exists():
                    if process.poll() is not None:
                        sys.exit("The server ended before it was ready.")
                    time.sleep(0.02)
                yield url_file.read_text(), time.perf_counter() - start
            finally:
                process.terminate()


def measure_server(folder: Path, repeats: int, batch_sizes: tuple[int, ...]) -> None:
    """Writes the table of the server beside a session of this process."""
    from gastritis_gan.serving.model_folder import read_model_card
    from gastritis_gan.serving.verify import TfSession

    card = read_model_card(folder)
    harness.write(f"{card['resolution']} px, {card['num_parameters']:,} weights")
    harness.write_header(
        "signature", "batch", "direct, ms", "direct, images/s", "server, ms",
        "server, images/s", "server / direct, time", "bytes per image",
    )  # fmt: skip
    with (
        contextlib.closing(TfSession(folder)) as session,
        local_server(folder.parents[1]) as (address, cold_seconds),
    ):
        host = urllib.parse.urlsplit(address)
        connection = http.client.HTTPConnection(host.hostname or "", host.port)

        def ask(body: str) -> bytes:
            connection.request("POST", f"/v1/models/{card['name']}:predict", body)
            response = connection.getresponse()
            reply = response.read()
            if response.status != 200:
                sys.exit(f"The server refused: {reply[:300]!r}")
            return reply

        for signature, size in itertools.product(SIGNATURES, batch_sizes):
            inputs = make_inputs(signature, size, card["latent_dim"])
            columns = (array.tolist() for array in inputs.values())
            rows = [
                dict(zip(inputs, row, strict=True))
                for row in zip(*columns, strict=True)
            ]
            body = json.dumps({"signature_name": signature, "instances": rows})
            num_bytes = len(ask(body))
            direct = median_seconds(
                lambda: session.run(signature, inputs),  # noqa: B023
                repeats,
            )
            served = median_seconds(lambda: ask(body), repeats)  # noqa: B023
            harness.write_row(
                signature,
                size,
                f"{direct * 1e3:.0f}",
                f"{size / direct:.1f}",
                f"{served * 1e3:.0f}",
                f"{size / served:.1f}",
                f"{served / direct:.2f}",
                f"{num_bytes // size:,}",
            )
        connection.close()
    cold = harness.run_command(sys.executable, "-c", COLD_START, folder).wall
    harness.write(
        f"\nCold start: {cold:.1f} s to the first image in a new process; "
        f"{cold_seconds:.1f} s until the server had replayed its warm-up."
    )


def main() -> None:
    """Writes one of the tables."""
    parser = harness.make_parser(__doc__)
    parser.add_argument("--peer-python", help="Python that has pro-gan-pth.")
    parser.add_argument("--resolutions", type=harness.integers, default=[64, 256])
    parser.add_argument("--fmap-base", type=int, default=8192)
    parser.add_argument("--fmap-max", type=harness.integers, default=[64, 512])
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1, help="Per implementation.")
    parser.add_argument("--server", action="store_true", help="see above")
    parser.add_argument("--model", type=Path, help="version's folder, for --server")
    parser.add_argument("--repeats", type=int, default=3, help="for --server")
    options = parser.parse_args()
    if options.quick:
        options.resolutions, options.fmap_max, options.batch_size = [8], [8], 2
        options.repeats = 1
    if not options.server:
        compare_all(options)
        return
    harness.write_machine()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.model or Path(
            harness.alone(
                __file__,
                "export_random_model",
                scratch,
                options.resolutions[-1],
                options.fmap_base,
                options.fmap_max[-1],
            )
        )
        batch_sizes = BATCH_SIZES[:1] if options.quick else BATCH_SIZES
        measure_server(folder, options.repeats, batch_sizes)


if __name__ == "__main__":
    main()
