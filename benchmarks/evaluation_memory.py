"""How much memory does the whole `gan-train` need at the paper's size?

    python benchmarks/evaluation_memory.py --extractors vgg16_fc2 --images 62 615

configs/paper.yaml with the extractors: 10,000 samples of 256 pixels of each of two
generators of full width, 5,000 + 5,000 training patches a row, all 1,225 patches of
every test image, controls, tables and plots. A smaller number of test images shows
whether memory depends on it. Prints the peak of the command's process and its time, and
those of the same command started again, which finds everything in the cache.

What is not the paper's: images are links to a few phantoms, generators and networks
have random weights, and all features but those of one block of each kind (samples, real
training patches, test patches) are random numbers that are in the cache before the
command starts. What is missing the command computes itself, so that a generator, the
networks and the classifiers all run in its process.
"""

from __future__ import annotations

import argparse
import csv
import functools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from gastritis_gan.phantom.cohort import make_phantom

CONFIG = Path(__file__).parents[1] / "configs" / "paper.yaml"
BUILDERS = {
    "vgg16_fc2": "VGG16",
    "inception_v3_pool": "InceptionV3",
    "resnet50_pool": "ResNet50",
    "vgg16_block5": "VGG16",
}
EXTRACTORS = (*BUILDERS, "texture")
TRAINING_PATIENTS = 200
PHANTOMS = 4
LEFT_TO_COMPUTE = 1  # block of each kind
COMMAND = [sys.executable, "-c", "from gastritis_gan.cli.main import main; main()"]


def make_cohort(folder: Path, num_test_images: int) -> None:
    """Writes a cohort with one image a patient, links to a few phantoms.

    Half of the training patients are positive, and as large a part of the others as in
    the paper's test, 140 of 615.
    """
    make_phantom(folder, patients=PHANTOMS, image_size=2048, seed=0)
    with (folder / "cohort.csv").open(newline="") as stream:
        drawn = list(csv.DictReader(stream))
    by_label = {
        label: [row for row in drawn if row["label"] == label]
        for label in ("gastritis", "non_gastritis")
    }
    num_positive = TRAINING_PATIENTS // 2 + num_test_images * 140 // 615
    with (folder / "cohort.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["image", "patient", "label", "outline"])
        for number in range(TRAINING_PATIENTS + num_test_images):
            label = "gastritis" if number < num_positive else "non_gastritis"
            source = by_label[label][number % len(by_label[label])]
            name = f"{number}{Path(source['image']).suffix}"
            (folder / name).hardlink_to(folder / source["image"])
            rows.writerow([name, number, label, source["outline"]])


def make_generators(store_path: Path, folder: Path) -> None:
    """Exports two generators of the paper's width that have not been trained."""
    from gastritis_gan.config import load_config
    from gastritis_gan.models.pggan import ProgressiveGenerator
    from gastritis_gan.serving.export import export_generator
    from gastritis_gan.store.store import Store

    store, networks = Store.open(store_path), load_config(CONFIG).networks
    for seed, target in enumerate(("positive", "negative")):
        generator = ProgressiveGenerator(
            256,
            latent_dim=networks.latent_dim,
            fmap_base=networks.fmap_base,
            fmap_max=networks.fmap_max,
            seed=seed,
        )
        facts = {
            "model": "pggan",
            "target": target,
            "class_name": getattr(store, target),
            "split_hash": store.split_hash,
            "resolution": 256,
            "latent_dim": networks.latent_dim,
            "seed": 0,
            "num_images": 0,
        }
        export_generator(
            generator, exported_dir=folder, name=f"pggan_{target}", metadata=facts
        )


def make_weights(work: Path, extractors: Sequence[str]) -> None:
    """Writes random weights in the form of weights files of Keras."""
    import keras

    for extractor in extractors:
        network = getattr(keras.applications, BUILDERS[extractor])(weights=None)
        network.save_weights(weights_file(work, extractor))


def weights_file(work: Path, extractor: str) -> Path:
    """Returns where the weights of an extractor are."""
    return work / f"{extractor}.weights.h5"


def fill_cache(
    work: Path, store_path: Path, out: Path, extractors: Sequence[str]
) -> None:
    """Writes random features of all blocks but a few of each kind."""
    from gastritis_gan.config import load_config
    from gastritis_gan.evaluation.feature_cache import FeatureCache, Features
    from gastritis_gan.evaluation.plan import (
        GanTrainPlan,
        find_test_images,
        generators_by_place,
    )
    from gastritis_gan.serving.exported_model import find_models
    from gastritis_gan.storage import ArrayFolder
    from gastritis_gan.store.store import Store

    settings = load_config(work / "config.yaml").evaluation
    store = Store.open(store_path)
    models, _ = find_models([work / "exported"], split_hash=store.split_hash)
    training = GanTrainPlan(
        store,
        generators_by_place(models, store),
        settings,
        resolution=256,
        samples=ArrayFolder(out / "samples"),
    ).blocks()
    images = find_test_images(store, 256, vote=settings.vote)
    kinds = [
        [block for block in training if block.generator is not None],
        [block for block in training if block.generator is None],
        [block for image in images for block in image.blocks],
    ]
    step = Features(
        [*extractors, "mean_and_std"],
        resolution=256,
        weights={name: weights_file(work, name) for name in extractors},
        cache=out,
    )
    rng = np.random.default_rng(0)
    for description in step.descriptions.values():
        cache = FeatureCache(out, description)
        for kind in kinds:
            blocks = {block.key: block for block in kind}
            for block in list(blocks.values())[LEFT_TO_COMPUTE:]:
                shape = (block.num_patches, description["dim"])
                features = rng.standard_normal(shape, np.float32)
                cache.write(block, np.maximum(features, 0))


def run(arguments: Iterable[object]) -> tuple[float, float, float]:
    """Runs gastritis-gan; returns seconds, CPU-seconds and the peak in MiB."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"gastritis-gan ended with code {process.returncode}")
    seconds = time.perf_counter() - start
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def in_a_process(part: str, *paths: Path, extractors: Sequence[str] = ()) -> None:
    """Runs a function of this file in a process that leaves no memory behind."""
    command = [sys.executable, __file__, "--part", part, *map(str, paths)]
    if extractors:
        command += ["--extractors", *extractors]
    subprocess.run(command, check=True)


def measure(work: Path, extractors: Sequence[str], num_images: int) -> list[str]:
    """Returns the lines of the table for one size of the test."""
    cohort, store, config = work / "cohort", work / "store", work / "config.yaml"
    cache, exported = work / "cache", work / "exported"
    networks = [name for name in extractors if name in BUILDERS]
    make_cohort(cohort, num_images)
    run(["prepare", cohort, "--config", config, "--out", store])
    if networks:
        in_a_process("make_weights", work, extractors=networks)
    in_a_process("make_generators", store, exported)
    in_a_process("fill_cache", work, store, cache, extractors=extractors)
    options: list[object] = ["--config", config, "--store", store]
    options += ["--generators", exported, "--cache", cache]
    for name in networks:
        options += ["--weights", f"{name}={weights_file(work, name)}"]
    lines = []
    for cached in ("all but a few blocks", "everything"):
        out = work / f"results_{len(lines)}"
        seconds, cpu_seconds, peak = run(["gan-train", *options, "--out", out])
        lines.append(
            f"| {', '.join(extractors)} | {num_images} | {1225 * num_images:,} | "
            f"{cached} | {seconds:.0f} | {cpu_seconds:.0f} | {peak:,.0f} |"
        )
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--extractors", choices=EXTRACTORS, nargs="+", default=["vgg16_fc2"]
    )
    parser.add_argument("--images", type=int, nargs="+", default=[62, 615])
    parser.add_argument("--part", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.part:
        name, *paths = options.part
        part = globals()[name]
        if name != "make_generators":
            part = functools.partial(part, extractors=options.extractors)
        part(*map(Path, paths))
        return
    columns = ("extractors", "test images", "test patches", "in the cache")
    columns += ("s", "CPU-s", "peak MiB")
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for num_images in options.images:
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            extractors = f"extractors: [{', '.join(options.extractors)}]"
            text = CONFIG.read_text(encoding="utf-8").partition("evaluation:")[0]
            (work / "config.yaml").write_text(f"{text}evaluation: {{{extractors}}}\n")
            lines += measure(work, options.extractors, num_images)
    print("\n".join(lines))  # noqa: T201


if __name__ == "__main__":
    main()
