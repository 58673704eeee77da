"""How much memory does the whole `gan-train` need at the paper's size?

    python benchmarks/evaluation_memory.py --extractor vgg16_fc2 --images 62 615

configs/paper.yaml with one extractor: 10,000 samples of 256 pixels of each of two
generators of full width, 5,000 + 5,000 training patches a row, all 1,225 patches of
every test image, controls, tables and figures. A smaller number of test images shows
whether memory depends on it. Prints the peak of the command's process and its time.

What is not the paper's: images are links to a few phantoms, generators and network have
random weights, and all features but those of a few blocks are random numbers that are
in the cache before the command starts. Of each kind of block (samples, real training
patches, test patches) the command makes and computes some itself, so that the
generator, the network and the classifiers all run in its process.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from gastritis_gan.data.phantom.cohort import write_phantom_cohort

CONFIG = Path(__file__).parents[1] / "configs" / "paper.yaml"
EXTRACTORS = ("vgg16_fc2", "inception_v3_pool", "resnet50_pool", "vgg16_block5")
TRAINING_PATIENTS = 200
PHANTOMS = 4
LEFT_TO_COMPUTE = 2  # blocks of each kind
COMMAND = [sys.executable, "-c", "from gastritis_gan.cli.main import main; main()"]


def make_cohort(folder: Path, num_test_images: int) -> None:
    """Writes a cohort with one image a patient, links to a few phantoms.

    Half of the training patients are positive, and as large a part of the others as in
    the paper's test, 140 of 615.
    """
    write_phantom_cohort(folder, num_patients=PHANTOMS, image_size=2048, seed=0)
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
    from gastritis_gan.data.store import Store
    from gastritis_gan.models.progressive_generator import ProgressiveGenerator
    from gastritis_gan.serving.saved_model import export_generator

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
            generator, exported_dir=folder, name=f"pggan_{target}", facts=facts
        )


def make_weights(extractor: str, path: Path) -> None:
    """Writes random weights in the form of a weights file of Keras."""
    import keras

    builders = {
        "vgg16_fc2": keras.applications.VGG16,
        "vgg16_block5": keras.applications.VGG16,
        "inception_v3_pool": keras.applications.InceptionV3,
        "resnet50_pool": keras.applications.ResNet50,
    }
    builders[extractor](weights=None).save_weights(path)


def fill_cache(work: Path, store_path: Path, extractor: str, out: Path) -> None:
    """Writes random features of all blocks but a few of each kind."""
    from gastritis_gan.cli.feature_step import FeatureStep
    from gastritis_gan.cli.gan_train_plan import GanTrainPlan
    from gastritis_gan.cli.generators import find_models
    from gastritis_gan.cli.patch_sources import find_test_images
    from gastritis_gan.config import load_config
    from gastritis_gan.data.store import Store
    from gastritis_gan.evaluation.feature_cache import FeatureCache

    settings = load_config(work / "config.yaml").evaluation
    store = Store.open(store_path)
    models, _ = find_models([work / "exported"], store)
    training = GanTrainPlan(models, store, 256, settings, cache=out).blocks()
    images = find_test_images(store, 256, vote=settings.vote)
    kinds = [
        [block for block in training if block.generated],
        [block for block in training if not block.generated],
        [block for image in images for block in image.blocks],
    ]
    step = FeatureStep(
        [extractor, "mean_and_deviation"],
        resolution=256,
        weights={extractor: work / "network.weights.h5"},
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


def in_a_process(*arguments: object) -> None:
    """Runs a function of this file in a process that leaves no memory behind."""
    subprocess.run(
        [sys.executable, __file__, "--part", *map(str, arguments)], check=True
    )


def measure(work: Path, extractor: str, num_images: int) -> str:
    """Returns a line of the table."""
    cohort, store = work / f"cohort{num_images}", work / f"store{num_images}"
    out, config = work / f"cache{num_images}", work / "config.yaml"
    make_cohort(cohort, num_images)
    run(["prepare", cohort, "--config", config, "--out", store])
    if not (work / "network.weights.h5").exists():
        in_a_process("make_weights", extractor, work / "network.weights.h5")
    in_a_process("make_generators", store, work / "exported")
    in_a_process("fill_cache", work, store, extractor, out)
    options = {
        "--config": config,
        "--store": store,
        "--generators": work / "exported",
        "--out": work / f"results{num_images}",
        "--cache": out,
        "--weights": f"{extractor}={work / 'network.weights.h5'}",
    }
    seconds, cpu_seconds, peak = run(["gan-train", *itertools.chain(*options.items())])
    return (
        f"| {extractor} | {num_images} | {1225 * num_images:,} | {seconds:.0f} | "
        f"{cpu_seconds:.0f} | {peak:,.0f} |"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--extractor", choices=EXTRACTORS, default="vgg16_fc2")
    parser.add_argument("--images", type=int, nargs="+", default=[62, 615])
    parser.add_argument("--part", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.part:
        name, *values = options.part
        paths = [value if value in EXTRACTORS else Path(value) for value in values]
        globals()[name](*paths)
        return
    columns = ("extractor", "test images", "test patches", "s", "CPU-s", "peak MiB")
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for num_images in options.images:
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            extractors = f"extractors: [{options.extractor}]"
            text = CONFIG.read_text(encoding="utf-8").partition("evaluation:")[0]
            (work / "config.yaml").write_text(f"{text}evaluation: {{{extractors}}}\n")
            lines.append(measure(work, options.extractor, num_images))
    print("\n".join(lines))  # noqa: T201


if __name__ == "__main__":
    main()
