"""How CPU time and peak memory grow with images, patches and samples.

    python benchmarks/growth.py [--images 40] [--samples 500]

Runs the commands as a user does, at one, two and four times a size: phantom images of
512 x 512 pixels, patches of 128 pixels every 32 (169 of an image), 8 training patients,
networks of 32 pixels with 64 feature maps, hardly trained. The last columns are what
doubling costs from the second size to the third: what is proportional to the size
doubles, and what does not depend on it stays.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path

import harness
import yaml
from harness import GASTRITIS_GAN, Usage

_TRAINING = 4  # patients of each class; all others test
_CONFIG = {
    "cohort": {"positive": "gastritis", "negative": "non_gastritis"},
    "patches": {"patch_size": 128, "stride": 32},
    "split": {
        "train_positive_patients": _TRAINING,
        "train_negative_patients": _TRAINING,
    },
    "networks": {"latent_dim": 64, "fmap_base": 2048, "fmap_max": 64},
    "schedule": {
        "initial_resolution": 32,
        "final_resolution": 32,
        "stable_images": 160,
        "batch_size": 16,
    },
    "objective": {"lc_resolution": 32},
    "training": {"tick_images": 160, "checkpoint_images": 160, "sheet_columns": 4},
    "audit": {"match_resolution": 32, "latent_patches_per_patient": 0},
}


def run(*arguments: object) -> Usage:
    """Runs a command of gastritis-gan."""
    return harness.run_command(*GASTRITIS_GAN, *arguments)


def write_config(path: Path, num_samples: int) -> Path:
    """Writes the experiment with that many samples of each generator."""
    evaluation = {
        "extractors": ["texture"],
        "controls": False,
        "samples_per_generator": num_samples,
        "patches_per_class": num_samples // 2,
    }
    document = {
        **_CONFIG,
        "evaluation": evaluation,
        "audit": {**_CONFIG["audit"], "samples_per_generator": num_samples},
    }
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def report(name: str, sizes: list[int], measure: Callable[[int], Usage]) -> None:
    """Writes a row of the table."""
    found = [measure(size) for size in sizes]
    harness.write_row(
        name,
        " / ".join(map(str, sizes)),
        " / ".join(f"{usage.cpu:.1f}" for usage in found),
        " / ".join(f"{usage.peak_mib:.0f}" for usage in found),
        f"x {found[2].cpu / found[1].cpu:.2f}",
        f"x {found[2].peak_mib / found[1].peak_mib:.2f}",
    )


def measure_all(folder: Path, num_images: int, num_samples: int) -> None:
    """Prints the table."""
    images = [num_images, 2 * num_images, 4 * num_images]
    samples = [num_samples, 2 * num_samples, 4 * num_samples]
    few = write_config(folder / f"{samples[0]}.yaml", samples[0])

    def prepare(size: int) -> Usage:
        cohort = folder / f"cohort_{size}"
        run("phantom", "--out", cohort, "--patients", size, "--image-size", 512)
        return run(
            "prepare", cohort, "--config", few, "--out", folder / f"store_{size}"
        )

    def fit(size: int) -> Usage:
        for target in ("negative", "positive"):
            out = folder / f"run_{size}_{target}"
            options = ("--model", "lc_pggan", "--target", target, "--run", out)
            store = folder / f"store_{size}"
            cost = run("fit", "--config", few, "--store", store, *options)
            exported = folder / f"exported_{size}"
            run("export", out, "--name", target, "--exported-dir", exported)
        return cost

    def sample(size: int) -> Usage:
        model = folder / f"exported_{images[0]}" / "positive"
        return run("sample", model, "--count", size, "--out", folder / f"sample_{size}")

    def evaluate(command: str, size: int, number: int) -> Usage:
        config = write_config(folder / f"{number}.yaml", number)
        store, exported = folder / f"store_{size}", folder / f"exported_{size}"
        with tempfile.TemporaryDirectory(dir=folder) as fresh:  # has no cache
            options = ("--generators", exported, "--out", f"{fresh}/out")
            return run(command, "--config", config, "--store", store, *options)

    harness.write_machine()
    harness.write_header(
        "command", "size", "CPU-s", "peak, MiB", "CPU, last doubling", "peak"
    )
    report("prepare, images", images, prepare)
    report("fit, images in the store", images, fit)
    report("sample, images", samples, sample)
    for command in ("gan-train", "audit"):
        report(
            f"{command}, images in the store",
            images,
            functools.partial(evaluate, command, number=samples[0]),
        )
        report(
            f"{command}, samples of each generator",
            samples,
            functools.partial(evaluate, command, images[0]),
        )


def main() -> None:
    """Writes a Markdown table."""
    parser = harness.make_parser(__doc__)
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--samples", type=int, default=500)
    options = parser.parse_args()
    if options.quick:
        options.images, options.samples = 12, 100
    with tempfile.TemporaryDirectory() as name:
        measure_all(Path(name), options.images, options.samples)


if __name__ == "__main__":
    main()
