"""Images per second that a generator makes: Keras, its SavedModel, and a peer.

    python benchmarks/sampling.py --peer-python PATH [--resolutions 64,256]
        [--fmap-max 64,512] [--batch-size 8] [--threads 1] [--json results.json]

Random weights, latent 512, fmap_base 8192, one channel, float images from latents. "x
best" compares images per CPU-second with the best implementation that was measured at
256 pixels before this project had code, as in train_step.py.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from turns import Case, Implementation, machine, packages_of, take_turns

LATENT_DIM, FMAP_BASE = 512, 8192
PEER = "pro-gan-pth"
# By (feature maps, pixels): TF-GAN over the peer; at 512 the peer was not measured, and
# pytorch_GAN_zoo stands in, which was as fast as the peer at 64.
BEST_TO_PEER = {(64, 256): 2.83 / 2.04, (512, 256): 1.01 / 0.874}


def export(case: Case, folder: Path) -> str:
    """Exports the generator of a case with random weights."""
    from gastritis_gan.models.pggan import ProgressiveGenerator
    from gastritis_gan.serving.export import export_generator

    network = {key: case[key] for key in ("latent_dim", "fmap_base", "fmap_max")}
    version = export_generator(
        ProgressiveGenerator(case["resolution"], **network),
        exported_dir=folder,
        name=f"random_{case['fmap_max']}_{case['resolution']}",
        metadata={
            "class_name": "random",
            "model": "pggan",
            "resolution": case["resolution"],
            "latent_dim": LATENT_DIM,
        },
    )
    return str(version.path)


def measure(case: Case, saved_model: str, peer_python: str | None) -> list[Any]:
    """Lets the implementations take turns; returns a row for each."""
    implementations = [
        Implementation("Keras", sys.executable, "keras_generator.py"),
        Implementation(
            "SavedModel", sys.executable, "saved_model.py", {"saved_model": saved_model}
        ),
    ]
    if peer_python:
        implementations.append(Implementation(PEER, peer_python, "pro_gan_pth.py"))
    times = take_turns(case, implementations, threads=case["threads"])
    rows = []
    for name, own in times.items():
        to_peer = to_best = None
        if PEER in times and name != PEER:
            to_peer = times[PEER].median_cpu / own.median_cpu
            ratio = BEST_TO_PEER.get((case["fmap_max"], case["resolution"]))
            to_best = to_peer / ratio if ratio else None
        rows.append(
            {
                **case,
                "implementation": name,
                "images_per_second": case["batch_size"] / own.median_wall,
                "images_per_cpu_second": case["batch_size"] / own.median_cpu,
                "times_the_peer": to_peer,
                "times_the_best": to_best,
            }
        )
    return rows


def main() -> None:
    """Writes a Markdown table, and JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python", help="Python that has pro-gan-pth.")
    parser.add_argument("--resolutions", default="64,256")
    parser.add_argument("--fmap-max", default="64,512")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1, help="Per implementation.")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    about = machine(options.threads)
    if options.peer_python:
        about |= packages_of(options.peer_python, "torch", "pro-gan-pth")
    write = sys.stdout.write
    write(
        ", ".join(f"{key} {value}" for key, value in about.items())
        + "\n\n| px | fmap | batch | implementation | images/s | images/CPU-s "
        "| x peer | x best |\n|--:|--:|--:|:--|--:|--:|--:|--:|\n"
    )
    rows = []
    products = itertools.product(
        map(int, options.fmap_max.split(",")), map(int, options.resolutions.split(","))
    )
    with tempfile.TemporaryDirectory() as folder:
        for fmap_max, resolution in products:
            case = {
                "resolution": resolution,
                "fmap_max": fmap_max,
                "fmap_base": FMAP_BASE,
                "latent_dim": LATENT_DIM,
                "batch_size": options.batch_size,
                "threads": options.threads,
            }
            saved_model = export(case, Path(folder))
            for row in measure(case, saved_model, options.peer_python):
                rows.append(row)
                ratios = " | ".join(
                    "" if row[key] is None else f"{row[key]:.2f}"
                    for key in ("times_the_peer", "times_the_best")
                )
                write(
                    f"| {resolution} | {fmap_max} | {options.batch_size} "
                    f"| {row['implementation']} | {row['images_per_second']:.4g} "
                    f"| {row['images_per_cpu_second']:.4g} | {ratios} |\n"
                )
                sys.stdout.flush()
    if options.json:
        options.json.write_text(
            json.dumps({"about": about, "rows": rows}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
