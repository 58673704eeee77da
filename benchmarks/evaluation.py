"""How fast and how large is GAN-train? Three Markdown tables.

    python benchmarks/evaluation.py --patches 256 --resolution 256

1. Patches/s of each extractor: one patch after the other, and as `gan-train` does it
   (blocks of 128 read ahead by threads, batches, written to the cache). Patches are
   299-pixel windows of a random 2,048-pixel image, averaged down. Networks have random
   weights: that changes no speed.
2. CPU-seconds to fit the linear SVM on 5,000 + 5,000 patches.
3. Peak memory of fitting one row and voting, against the number of test images: 1,225
   patches of 4,096 features each, which are in the cache already.

Every figure is of a process of its own; the ratio in 1 is from one process. Patches per
CPU-second (user + system, all threads) survive other load on the machine better.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

EXTRACTORS = (
    "mean_and_std",
    "texture",
    "vgg16_block5",
    "vgg16_fc2",
    "inception_v3_pool",
    "resnet50_pool",
)
PATCH_SIZE, STRIDE = 299, 50
ROW_PATCHES = 5_000  # of each class
VOTES_PER_IMAGE = 1_225
NUM_SINGLES = 16  # patches of the plain loop

C = 0.0001  # of the SVM


def make_extractor(name: str, resolution: int):
    """Returns an extractor; a network has random weights."""
    from gastritis_gan.evaluation.features.extractors import PRETRAINED_NETWORKS

    if name in PRETRAINED_NETWORKS:
        from gastritis_gan.evaluation.features.pretrained import PretrainedNetwork

        return PretrainedNetwork(name, resolution=resolution, random_seed=0)
    from gastritis_gan.evaluation.features.extractors import make_extractor as make

    return make(name, resolution=resolution)


def make_blocks(num_patches: int, resolution: int, size: int = 128) -> list:
    """Returns blocks that cut windows out of one image, as a store's blocks do."""
    from gastritis_gan.evaluation.patches import PatchBlock, content_key
    from gastritis_gan.images import area_resize

    image = np.random.default_rng(0).integers(0, 256, (2048, 2048), np.uint8)
    across = (2048 - PATCH_SIZE) // STRIDE + 1

    def read(start: int, stop: int) -> np.ndarray:
        patches = np.empty((stop - start, resolution, resolution, 1), np.float32)
        for patch, number in zip(patches, range(start, stop), strict=True):
            row, column = divmod(number % across**2, across)
            window = image[
                row * STRIDE : row * STRIDE + PATCH_SIZE,
                column * STRIDE : column * STRIDE + PATCH_SIZE,
            ]
            patch[..., 0] = area_resize(window, resolution) / 127.5 - 1
        return patches

    return [
        PatchBlock(
            key=content_key("benchmark", start),
            num_patches=min(size, num_patches - start),
            read=lambda start=start: read(start, min(start + size, num_patches)),
        )
        for start in range(0, num_patches, size)
    ]


def measure_features(name: str, num_patches: int, resolution: int) -> dict:
    """Returns patches/s one by one and as the evaluation computes them."""
    from gastritis_gan.evaluation.feature_cache import FeatureCache, compute_features

    extractor = make_extractor(name, resolution)
    blocks = make_blocks(num_patches, resolution)
    singles = make_blocks(num_patches, resolution, size=1)[:NUM_SINGLES]
    extractor(blocks[0].read()[:32])  # graphs are traced before the clock starts
    extractor(singles[0].read())
    start, cpu = time.perf_counter(), time.process_time()
    for single in singles:
        extractor(single.read())
    plain = len(singles) / (time.perf_counter() - start)
    plain_cpu = len(singles) / (time.process_time() - cpu)
    with tempfile.TemporaryDirectory() as folder:
        cache = FeatureCache(Path(folder), {"name": name, "dim": extractor.dim})
        start, cpu = time.perf_counter(), time.process_time()
        compute_features(extractor, blocks, cache)
        batched = num_patches / (time.perf_counter() - start)
        batched_cpu = num_patches / (time.process_time() - cpu)
    return {
        "dim": extractor.dim,
        "plain": plain,
        "plain_cpu": plain_cpu,
        "batched": batched,
        "batched_cpu": batched_cpu,
        **peak(),
    }


def measure_svm(dim: int) -> dict:
    """Returns the CPU-seconds that one row's SVM takes."""
    from gastritis_gan.evaluation.classifier import Classifier

    features, labels = make_features(dim)
    start = time.process_time()
    classifier = Classifier.fit(features, labels, c=C)
    seconds = time.process_time() - start
    return {"dim": dim, "seconds": seconds, "converged": classifier.converged, **peak()}


def measure_memory(num_images: int) -> dict:
    """Returns CPU-seconds and peak memory of one row: fit, then vote on images."""
    import tensorflow  # noqa: F401  a real run has it loaded

    from gastritis_gan.evaluation.gan_train import compute_votes
    from gastritis_gan.evaluation.patches import LabelledImage, PatchBlock, PatchSample
    from gastritis_gan.evaluation.rows import TrainingSet

    dim = 4096
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "block.npy"
        np.save(path, make_features(dim, 128)[0][:128])  # every block is this file
        block = PatchBlock(key="test", num_patches=128, read=lambda: None)
        blocks = (block,) * (VOTES_PER_IMAGE // 128)
        images = [
            LabelledImage(
                key=str(number),
                patient=str(number),
                positive=bool(number % 2),
                blocks=blocks,
                inside=np.ones(len(blocks) * 128, bool),
            )
            for number in range(num_images)
        ]
        features, _ = make_features(dim)
        np.save(Path(folder) / "row.npy", features)
        del features
        whole = PatchBlock(key="row", num_patches=2 * ROW_PATCHES, read=lambda: None)

        def sample(first: int) -> tuple[PatchSample]:
            chosen = np.arange(first, first + ROW_PATCHES)
            return (PatchSample(blocks=(whole,), chosen=chosen),)

        def read_features(wanted: PatchBlock) -> np.ndarray:
            if wanted is whole:
                return np.load(Path(folder) / "row.npy", mmap_mode="r")
            return np.load(path)

        row = TrainingSet(
            name="row", positive=sample(0), negative=sample(ROW_PATCHES), sample_seed=0
        )
        start = time.process_time()
        compute_votes([row], images, read_features, c=C, voters=("all",))
        seconds = time.process_time() - start
    return {"images": num_images, "seconds": seconds, **peak()}


def make_features(dim: int, per_class: int = ROW_PATCHES):
    """Returns overlapping classes, as rectified features are: half of them 0."""
    rng = np.random.default_rng(0)
    labels = np.arange(2 * per_class) < per_class
    features = rng.standard_normal((2 * per_class, dim), np.float32)
    features += labels[:, None] * rng.standard_normal(dim, np.float32) * 0.05
    return np.maximum(features, 0, out=features), labels


def peak() -> dict:
    """Returns this process' largest resident size so far, in MiB."""
    return {"peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def in_a_process(*arguments: str | int) -> dict:
    """Runs one measurement in a fresh interpreter."""
    command = [sys.executable, __file__, "--part", *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--patches", type=int, default=256)
    parser.add_argument("--resolution", type=int, default=256)
    parser.add_argument("--extractors", nargs="+", default=EXTRACTORS)
    parser.add_argument("--images", type=int, nargs="+", default=[10, 100])
    parser.add_argument("--part", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        kind, *values = arguments.part
        if kind == "features":
            found = measure_features(values[0], int(values[1]), int(values[2]))
        elif kind == "svm":
            found = measure_svm(int(values[0]))
        else:
            found = measure_memory(int(values[0]))
        print(json.dumps(found))  # noqa: T201
        return
    _print(
        "| extractor | features | one by one, patches/s (per CPU-s) | as evaluated, "
        "patches/s (per CPU-s) | ratio | peak MiB |\n|---|---|---|---|---|---|"
    )
    for name in arguments.extractors:
        found = in_a_process("features", name, arguments.patches, arguments.resolution)
        _print(
            f"| {name} | {found['dim']:,} | "
            f"{found['plain']:.1f} ({found['plain_cpu']:.1f}) | "
            f"{found['batched']:.1f} ({found['batched_cpu']:.1f}) | "
            f"{found['batched'] / found['plain']:.1f} | "
            f"{found['peak_mib']:.0f} |"
        )
    _print("\n| features | SVM fit, CPU-s | converged | peak MiB |\n|---|---|---|---|")
    for dim in (43, 512, 2048, 4096):
        found = in_a_process("svm", dim)
        _print(
            f"| {dim:,} | {found['seconds']:.1f} | {found['converged']} | "
            f"{found['peak_mib']:.0f} |"
        )
    _print("\n| test images | test patches | CPU-s | peak MiB |\n|---|---|---|---|")
    for count in arguments.images:
        found = in_a_process("memory", count)
        _print(
            f"| {count} | {count * (VOTES_PER_IMAGE // 128) * 128:,} | "
            f"{found['seconds']:.1f} | {found['peak_mib']:.0f} |"
        )


def _print(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
