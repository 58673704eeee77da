"""Images per second that the discriminator sees, here and in a peer, in one run.

    python benchmarks/train_step.py [--peer-python PATH] [--resolutions 4,8,16,32,64]
        [--fmap-max 64] [--loss wgan_gp,logistic] [--phases stable,transition]
        [--batch-size N] [--threads 1] [--json results.json]
    python benchmarks/train_step.py --full-width [--config configs/paper.yaml]

Random images in memory, latent 512, fmap_base 8192, one channel, the paper's batches.
"own" has the paper's discriminator, "own, fused" that of `networks.fused_scale`; the
peer, pro-gan-pth 3.4, has the paper's. A logistic step of ours has one R1 in 16; a
logistic step of the peer has none.

Images per CPU-second are compared. "x peer": with the WGAN-GP step of the peer. "x
best": with the best implementation of the same scaling that was measured before this
project had code, which is the peer's figure here times the ratio of that one to the
peer there (BEST_TO_PEER). "Of the peak": the step's operations as the paper writes it,
unfused, against a matrix product of NumPy in the same turns.

The peer needs a Python of its own with torch (docs/performance.md); without
`--peer-python` only ours are measured. `--full-width` does two steps of the last stage
of an experiment instead, with three patch sets of random images, and measures seconds
and memory.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import harness
from harness import Case, Implementation, Times

from gastritis_gan.models.network_size import discriminator_flops, generator_flops

PAPER_BATCH = {4: 32, 8: 32, 16: 16, 32: 16, 64: 16, 128: 16, 256: 8}
LATENT_DIM, FMAP_BASE = 512, 8192
# Forward passes of the discriminator and the generator that a step is worth; a backward
# pass counts as one for data gradients and one for weight gradients.
UNITS = {"wgan_gp": (14, 4), "logistic": (8, 4)}
R1_UNITS, R1_INTERVAL_STEPS = 7, 16
WEIGHTS = {
    "step with R1": 1 / R1_INTERVAL_STEPS,
    "step without R1": 1 - 1 / R1_INTERVAL_STEPS,
}
# Of images per CPU-second, by (phase, feature maps, pixels): the best of
# pytorch_GAN_zoo, TF-GAN and the peer itself (the paper's scaling), and the original
# (fused), over the peer; at 4 pixels, where nothing is scaled, the best of all four. 2
# cores of a Zen 3 without AVX-512, PyTorch and TensorFlow of that day.
BEST_TO_PEER = {
    "own": {
        ("stable", 64, 4): 577 / 276,
        ("stable", 64, 8): 111 / 99.7,
        ("stable", 64, 16): 33.8 / 33.2,
        ("stable", 64, 32): 11 / 9.52,
        ("stable", 64, 64): 1.0,
        ("stable", 64, 128): 0.593 / 0.557,
        ("stable", 64, 256): 0.154 / 0.121,
        ("stable", 512, 4): 18.1 / 13.3,
        ("stable", 512, 8): 3.66 / 3.56,
        ("stable", 512, 16): 1.0,
        ("stable", 512, 32): 0.264 / 0.251,
        ("transition", 64, 8): 142 / 115,
        ("transition", 64, 16): 34.1 / 31.8,
        ("transition", 64, 32): 1.0,
        ("transition", 64, 64): 1.0,
        ("transition", 64, 128): 0.688 / 0.574,
    },
    "own, fused": {
        ("stable", 64, 4): 577 / 276,
        ("stable", 64, 8): 142 / 99.7,
        ("stable", 64, 16): 37.9 / 33.2,
        ("stable", 64, 32): 11.2 / 9.52,
        ("stable", 64, 64): 2.71 / 2.81,
        ("stable", 64, 128): 0.514 / 0.557,
        ("stable", 64, 256): 0.117 / 0.121,
        ("stable", 512, 4): 18.1 / 13.3,
        ("stable", 512, 8): 2.73 / 3.56,
        ("stable", 512, 16): 0.856 / 0.944,
        ("stable", 512, 32): 0.254 / 0.251,
        ("transition", 64, 8): 162 / 115,
        ("transition", 64, 16): 35.2 / 31.8,
        ("transition", 64, 32): 10.4 / 11.2,
        ("transition", 64, 64): 2.68 / 3.04,
        ("transition", 64, 128): 0.507 / 0.574,
    },
}
PEER = "pro-gan-pth"
COLUMNS = (
    "px",
    "fmap",
    "batch",
    "phase",
    "loss",
    "implementation",
    "images/s",
    "images/CPU-s",
    "least - most",
    "GFLOP/image",
    "of the peak",
    "x peer",
    "x best",
    "first, s",
)
PAPER_CONFIG = Path(__file__).parents[1] / "configs" / "paper.yaml"


def phase_of(case: Case) -> str:
    """Returns the name of a case's phase."""
    return "transition" if case["transition"] else "stable"


def plain_flops(case: Case, loss: str, *, has_r1: bool) -> float:
    """Returns the operations of one image in the paper's, unfused formulation."""
    width = {"fmap_base": FMAP_BASE, "fmap_max": case["fmap_max"]}
    resolution = case["resolution"]
    d_units, g_units = UNITS[loss]
    if has_r1:
        d_units += R1_UNITS / R1_INTERVAL_STEPS
    return d_units * discriminator_flops(resolution, **width) + g_units * (
        generator_flops(resolution, latent_dim=LATENT_DIM, **width)
    )


def implementations_of(loss: str, peer_python: str | None) -> list[Implementation]:
    """Returns what is compared: ours, and the peer with WGAN-GP and with `loss`."""
    found = [
        Implementation(
            name,
            sys.executable,
            "own.py",
            {"what": "training", "loss": loss, "fused_scale": fused},
        )
        for name, fused in (("own", False), ("own, fused", True))
    ]
    if peer_python:
        for peer_loss in dict.fromkeys(("wgan_gp", loss)):
            name = PEER if peer_loss == "wgan_gp" else f"{PEER}, {peer_loss}"
            options = {"what": "training", "loss": peer_loss}
            found.append(Implementation(name, peer_python, "pro_gan_pth.py", options))
    return found


def rows_of(case: Case, loss: str, times: dict[str, Times]) -> list[dict[str, Any]]:
    """Returns a row for each implementation."""
    rows = []
    size = case["batch_size"]
    for name, own in times.items():
        is_own = name.startswith("own")
        flops = plain_flops(
            case,
            loss if is_own or name != PEER else "wgan_gp",
            has_r1=is_own and loss == "logistic",
        )
        rate = size / own.median_cpu
        to_peer = to_best = None
        if is_own and PEER in times:
            to_peer = times[PEER].median_cpu / own.median_cpu
            size_of_case = (phase_of(case), case["fmap_max"], case["resolution"])
            if ratio := BEST_TO_PEER[name].get(size_of_case):
                to_best = to_peer / ratio
        rows.append(
            {
                **case,
                "loss": loss if name != PEER else "wgan_gp",
                "implementation": name,
                "images_per_second": size / own.median_wall,
                "images_per_cpu_second": rate,
                "least_and_most": [size / max(own.cpu), size / min(own.cpu)],
                "flops_per_image": flops,
                "of_the_peak": rate * flops / statistics.median(own.peaks),
                "times_the_peer": to_peer,
                "times_the_best": to_best,
                "first_seconds": own.first_seconds,
            }
        )
    return rows


def write_row(row: dict[str, Any]) -> None:
    """Writes a row of the table."""
    least, most = row["least_and_most"]
    harness.write_row(
        row["resolution"],
        row["fmap_max"],
        row["batch_size"],
        phase_of(row),
        row["loss"],
        row["implementation"],
        f"{row['images_per_second']:.4g}",
        f"{row['images_per_cpu_second']:.4g}",
        f"{least:.4g} - {most:.4g}",
        f"{row['flops_per_image'] / 1e9:.4g}",
        f"{row['of_the_peak']:.0%}",
        *(
            "" if row[key] is None else f"{row[key]:.2f}"
            for key in ("times_the_peer", "times_the_best")
        ),
        f"{row['first_seconds']:.0f}",
    )


def cases(options: argparse.Namespace) -> list[tuple[Case, str]]:
    """Returns what the options ask for, each with a loss."""
    products = itertools.product(
        options.fmap_max,
        options.resolutions,
        options.phases.split(","),
        options.loss.split(","),
    )
    return [
        (
            {
                "resolution": resolution,
                "transition": phase == "transition",
                "fmap_max": fmap_max,
                "fmap_base": FMAP_BASE,
                "latent_dim": LATENT_DIM,
                "batch_size": options.batch_size or PAPER_BATCH[resolution],
                "threads": options.threads,
            },
            loss,
        )
        for fmap_max, resolution, phase, loss in products
        if (resolution, phase) != (4, "transition")
    ]


def measure_full_width(config_path: str, batch_size: int | None) -> dict[str, Any]:
    """Does two steps of the last stage of the LC-PGGAN of an experiment.

    Args:
        config_path: The experiment.
        batch_size: Images per patch set; None takes the config's.

    Returns:
        `resolution`, `batch_size`, `num_parameters` of generator and discriminator,
        `step_seconds` (the first traces and compiles, and has R1), `peak_mib`.
    """
    import tensorflow as tf

    from gastritis_gan.config import load_config
    from gastritis_gan.training.gan_step import build_gan
    from gastritis_gan.training.recipe import make_recipe

    config = load_config(Path(config_path))
    spec = make_recipe("lc_pggan", config.training_sections).stages[-1]
    size = batch_size or spec.stage.batch_size
    stage = dataclasses.replace(spec.stage, batch_size=size)
    gan = build_gan(dataclasses.replace(spec, stage=stage))
    train_step = tf.function(gan.train_step)
    shape = (size, stage.resolution, stage.resolution, 1)
    seconds = []
    for step in range(2):
        images = tuple(
            tf.random.stateless_normal(shape, seed=(patch_set, step))
            for patch_set in range(3)  # real, negative, outside
        )
        start = time.perf_counter()
        float(train_step(images)["d_loss"])
        seconds.append(time.perf_counter() - start)
    return {
        "resolution": stage.resolution,
        "batch_size": size,
        "num_parameters": [
            network.count_params() for network in (gan.generator, gan.discriminator)
        ],
        "step_seconds": seconds,
        "peak_mib": harness.peak_mib(),
    }


def report_full_width(options: argparse.Namespace) -> None:
    """Writes the table of two steps at full width."""
    harness.write_machine()
    found = harness.alone(
        __file__, "measure_full_width", str(options.config), options.batch_size
    )
    harness.write_header(
        "px", "batch", "parameters G", "parameters D", "first step, s",
        "second step, s", "peak memory, GiB",
    )  # fmt: skip
    harness.write_row(
        found["resolution"],
        found["batch_size"],
        *(f"{number:,}" for number in found["num_parameters"]),
        *(f"{seconds:.0f}" for seconds in found["step_seconds"]),
        f"{found['peak_mib'] / 1024:.1f}",
    )


def main() -> None:
    """Writes a Markdown table, and JSON where asked."""
    parser = harness.make_parser(__doc__)
    parser.add_argument("--peer-python", help="Python that has pro-gan-pth.")
    parser.add_argument(
        "--resolutions", type=harness.integers, default=[4, 8, 16, 32, 64]
    )
    parser.add_argument("--fmap-max", type=harness.integers, default=[64])
    parser.add_argument("--loss", default="wgan_gp,logistic")
    parser.add_argument("--phases", default="stable")
    parser.add_argument("--batch-size", type=int, help="Default: the paper's.")
    parser.add_argument("--threads", type=int, default=1, help="Per implementation.")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--full-width", action="store_true", help="see above")
    parser.add_argument("--config", type=Path, default=PAPER_CONFIG)
    options = parser.parse_args()
    if options.full_width:
        report_full_width(options)
        return
    if options.quick:
        options.resolutions, options.fmap_max, options.batch_size = [4], [8], 4
    versions = {}
    if options.peer_python:
        versions = harness.versions_of(options.peer_python, "torch", "pro-gan-pth")
    about = harness.write_machine(threads=options.threads, **versions)
    harness.write_header(*COLUMNS)
    rows = []
    for case, loss in cases(options):
        times = harness.take_turns(
            case,
            implementations_of(loss, options.peer_python),
            threads=options.threads,
            weights=WEIGHTS,
            turns=1 if options.quick else harness.TURNS,
        )
        for row in rows_of(case, loss, times):
            rows.append(row)
            write_row(row)
    if options.json:
        document = {"about": about, "rows": rows}
        options.json.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
