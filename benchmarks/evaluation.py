r"""GAN-train: speed, memory, and the choice of the SVM's C.

    python benchmarks/evaluation.py speed [--patches 256] [--resolution 256]
        [--extractors texture vgg16_fc2] [--images 10 100]
    python benchmarks/evaluation.py memory [--extractors vgg16_fc2] [--images 62 615]
    python benchmarks/evaluation.py svm --config configs/phantom.yaml \
        --store stores/phantom --extractors texture vgg16_block5 \
        --weights vgg16_block5=vgg16_notop.weights.h5

speed: patches/s of each extractor, one patch after the other and as `gan-train` does it
(blocks of 128 read ahead by threads, batches, written to the cache), of 299-pixel
windows of a random 2,048-pixel image, averaged down; CPU-seconds to fit the linear SVM
on 5,000 + 5,000 patches; peak memory of fitting one row and voting, against the number
of test images with 1,225 patches of 4,096 features each, which are in the cache.

memory: peak of the whole `gan-train` command with configs/paper.yaml: 10,000 samples of
256 pixels of each of two generators of full width, 5,000 + 5,000 training patches a
row, all 1,225 patches of every test image, controls, tables and plots; and of the same
command started again, which finds everything in the cache. What is not the paper's:
images are links to a few phantoms, generators and networks have random weights, and all
features but those of one block of each kind (samples, real training patches, test
patches) are random numbers that are in the cache before the command starts. What is
missing the command computes itself, so that a generator, the networks and the
classifiers all run in its process.

svm: a cross-validation that never sees a test patient. The training patients are dealt
into five folds, class by class, three times over. For each C an SVM learns real patches
of four folds (at most `patches_per_class` a class) and classifies all inside patches of
the fifth; images are decided by majority. HM and AUC over the held-out images, mean
over the three dealings.

Networks have random weights where none are given: that changes no speed.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import harness
import numpy as np

NETWORKS = {  # of Keras
    "vgg16_fc2": "VGG16",
    "inception_v3_pool": "InceptionV3",
    "resnet50_pool": "ResNet50",
    "vgg16_block5": "VGG16",
}
EXTRACTORS = ("mean_and_std", "texture", *NETWORKS)

# speed

PATCH_SIZE, STRIDE = 299, 50
ROW_PATCHES = 5_000  # of each class
VOTES_PER_IMAGE = 1_225
NUM_SINGLES = 16  # patches of the plain loop
C = 0.0001  # of the SVM


def make_any_extractor(name: str, resolution: int) -> Any:
    """Returns an extractor; a network has random weights."""
    if name in NETWORKS:
        from gastritis_gan.evaluation.pretrained import PretrainedNetwork

        return PretrainedNetwork(name, resolution=resolution, random_seed=0)
    from gastritis_gan.evaluation.extractors import make_extractor

    return make_extractor(name, resolution=resolution)


def make_blocks(num_patches: int, resolution: int, size: int = 128) -> list:
    """Returns blocks that cut windows out of one image, as a store's blocks do."""
    from gastritis_gan.evaluation.patch_samples import PatchBlock, content_key
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


def measure_features(name: str, num_patches: int, resolution: int) -> dict[str, Any]:
    """Returns patches/s one by one and as the evaluation computes them."""
    from gastritis_gan.evaluation.feature_cache import FeatureCache, compute_features

    extractor = make_any_extractor(name, resolution)
    blocks = make_blocks(num_patches, resolution)
    singles = make_blocks(num_patches, resolution, size=1)[:NUM_SINGLES]
    extractor(blocks[0].read()[:32])  # graphs are traced before the clock starts
    extractor(singles[0].read())

    def one_by_one() -> None:
        for single in singles:
            extractor(single.read())

    plain = harness.usage_of(one_by_one)
    with tempfile.TemporaryDirectory() as folder:
        cache = FeatureCache(Path(folder), {"name": name, "dim": extractor.dim})
        batched = harness.usage_of(lambda: compute_features(extractor, blocks, cache))
    return {
        "dim": extractor.dim,
        "plain": len(singles) / plain.wall,
        "plain_cpu": len(singles) / plain.cpu,
        "batched": num_patches / batched.wall,
        "batched_cpu": num_patches / batched.cpu,
        "peak_mib": batched.peak_mib,
    }


def measure_svm(dim: int, per_class: int) -> dict[str, Any]:
    """Returns the CPU-seconds that one row's SVM takes."""
    from gastritis_gan.evaluation.gan_train import Classifier

    features, labels = make_features(dim, per_class)
    found = []
    usage = harness.usage_of(
        lambda: found.append(Classifier.fit(features, labels, c=C))
    )
    return {**dataclasses.asdict(usage), "converged": found[0].converged}


def measure_row(num_images: int, per_class: int) -> dict[str, Any]:
    """Returns CPU-seconds and peak memory of one row: fit, then vote on images."""
    import tensorflow  # noqa: F401  a real run has it loaded

    from gastritis_gan.evaluation.gan_train import compute_votes
    from gastritis_gan.evaluation.patch_samples import (
        LabelledImage,
        PatchBlock,
        PatchSample,
        whole,
    )
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
                patches=whole(blocks),
                inside=np.ones(len(blocks) * 128, bool),
            )
            for number in range(num_images)
        ]
        features, _ = make_features(dim, per_class)
        np.save(Path(folder) / "row.npy", features)
        del features
        row_block = PatchBlock(key="row", num_patches=2 * per_class, read=lambda: None)

        def sample(first: int) -> PatchSample:
            chosen = np.arange(first, first + per_class)
            return PatchSample(blocks=(row_block,), chosen=chosen)

        def read_features(wanted: PatchBlock) -> np.ndarray:
            if wanted is row_block:
                return np.load(Path(folder) / "row.npy", mmap_mode="r")
            return np.load(path)

        row = TrainingSet(
            name="row", positive=sample(0), negative=sample(per_class), sample_seed=0
        )
        usage = harness.usage_of(
            lambda: compute_votes([row], images, read_features, c=C, voters=("all",))
        )
    return dataclasses.asdict(usage)


def make_features(dim: int, per_class: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns overlapping classes, as rectified features are: half of them 0."""
    rng = np.random.default_rng(0)
    labels = np.arange(2 * per_class) < per_class
    features = rng.standard_normal((2 * per_class, dim), np.float32)
    features += labels[:, None] * rng.standard_normal(dim, np.float32) * 0.05
    return np.maximum(features, 0, out=features), labels


def report_speed(options: argparse.Namespace) -> None:
    """Writes three tables, every row from a process of its own."""
    dims, per_class = (43, 512, 2048, 4096), ROW_PATCHES
    if options.quick:
        options.patches, options.resolution, options.images = 16, 32, [2]
        options.extractors, dims, per_class = ["mean_and_std"], (43,), 100
    harness.write_header(
        "extractor", "features", "one by one, patches/s (per CPU-s)",
        "as evaluated, patches/s (per CPU-s)", "ratio", "peak, MiB",
    )  # fmt: skip
    for name in options.extractors:
        found = harness.alone(
            __file__, "measure_features", name, options.patches, options.resolution
        )
        harness.write_row(
            name,
            f"{found['dim']:,}",
            f"{found['plain']:.1f} ({found['plain_cpu']:.1f})",
            f"{found['batched']:.1f} ({found['batched_cpu']:.1f})",
            f"{found['batched'] / found['plain']:.1f}",
            f"{found['peak_mib']:.0f}",
        )
    harness.write_header("features", "SVM fit, CPU-s", "converged", "peak, MiB")
    for dim in dims:
        found = harness.alone(__file__, "measure_svm", dim, per_class)
        harness.write_row(
            f"{dim:,}",
            f"{found['cpu']:.2f}",
            found["converged"],
            f"{found['peak_mib']:.0f}",
        )
    harness.write_header("test images", "test patches", "CPU-s", "peak, MiB")
    for count in options.images:
        found = harness.alone(__file__, "measure_row", count, per_class)
        harness.write_row(
            count,
            f"{count * (VOTES_PER_IMAGE // 128) * 128:,}",
            f"{found['cpu']:.1f}",
            f"{found['peak_mib']:.0f}",
        )


# memory

PAPER_CONFIG = Path(__file__).parents[1] / "configs" / "paper.yaml"
TRAINING_PATIENTS = 200
PHANTOMS = 4
LEFT_TO_COMPUTE = 1  # block of each kind


def write_cohort(folder: Path, num_test_images: int) -> None:
    """Writes a cohort with one image a patient, links to a few phantoms.

    Half of the training patients are positive, and as large a part of the others as in
    the paper's test, 140 of 615.
    """
    from gastritis_gan.phantom.phantom_cohort import make_phantom

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


def make_inputs(work: str, networks: Sequence[str]) -> None:
    """Writes two generators of the paper's width and networks, with random weights."""
    import keras

    from gastritis_gan.config import load_config
    from gastritis_gan.models.pggan import ProgressiveGenerator
    from gastritis_gan.serving.export import export_generator
    from gastritis_gan.store.store import Store

    for name in networks:
        network = getattr(keras.applications, NETWORKS[name])(weights=None)
        network.save_weights(weights_file(Path(work), name))
    store, size = Store.open(Path(work) / "store"), load_config(PAPER_CONFIG).networks
    for seed, target in enumerate(("positive", "negative")):
        generator = ProgressiveGenerator(
            256,
            latent_dim=size.latent_dim,
            fmap_base=size.fmap_base,
            fmap_max=size.fmap_max,
            seed=seed,
        )
        metadata = {
            "model": "pggan",
            "target": target,
            "class_name": getattr(store, target),
            "split_hash": store.split_hash,
            "resolution": 256,
            "latent_dim": size.latent_dim,
            "seed": 0,
            "num_images": 0,
        }
        export_generator(
            generator,
            exported_dir=Path(work) / "exported",
            name=f"pggan_{target}",
            metadata=metadata,
        )


def weights_file(work: Path, extractor: str) -> Path:
    """Returns where the weights of an extractor are."""
    return work / f"{extractor}.weights.h5"


def fill_cache(folder: str, extractors: Sequence[str]) -> None:
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

    work = Path(folder)
    settings = load_config(work / "config.yaml").evaluation
    store = Store.open(work / "store")
    models, _ = find_models([work / "exported"], split_hash=store.split_hash)
    training = GanTrainPlan(
        store,
        generators_by_place(models, store),
        settings,
        resolution=256,
        samples=ArrayFolder(work / "cache" / "samples"),
    ).blocks()
    images = find_test_images(store, 256, vote=settings.vote)
    kinds = [
        [block for block in training if block.generator is not None],
        [block for block in training if block.generator is None],
        [block for image in images for block in image.patches.blocks],
    ]
    step = Features(
        [*extractors, "mean_and_std"],
        resolution=256,
        weights={
            name: weights_file(work, name) for name in extractors if name in NETWORKS
        },
        cache=work / "cache",
    )
    rng = np.random.default_rng(0)
    for description in step.descriptions.values():
        cache = FeatureCache(work / "cache", description)
        for kind in kinds:
            blocks = {block.key: block for block in kind}
            for block in list(blocks.values())[LEFT_TO_COMPUTE:]:
                shape = (block.num_patches, description["dim"])
                features = rng.standard_normal(shape, np.float32)
                cache.write(block, np.maximum(features, 0))


def report_memory(options: argparse.Namespace) -> None:
    """Writes two rows for each number of test images."""
    if options.quick:
        options.images, options.extractors = [5], ["texture"]
    harness.write_header(
        "extractors", "test images", "test patches", "in the cache", "s", "CPU-s",
        "peak, MiB",
    )  # fmt: skip
    networks = [name for name in options.extractors if name in NETWORKS]
    for num_images in options.images:
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            config, store = work / "config.yaml", work / "store"
            extractors = f"extractors: [{', '.join(options.extractors)}]"
            text = PAPER_CONFIG.read_text(encoding="utf-8").partition("evaluation:")[0]
            config.write_text(f"{text}evaluation: {{{extractors}}}\n")
            write_cohort(work / "cohort", num_images)
            command = (*harness.GASTRITIS_GAN, "prepare", work / "cohort")
            harness.run_command(*command, "--config", config, "--out", store)
            harness.alone(__file__, "make_inputs", folder, networks)
            harness.alone(__file__, "fill_cache", folder, options.extractors)
            command = (*harness.GASTRITIS_GAN, "gan-train", "--config", config)
            command += ("--store", store, "--generators", work / "exported")
            command += ("--cache", work / "cache")
            for name in networks:
                command += ("--weights", f"{name}={weights_file(work, name)}")
            for number, cached in enumerate(("all but a few blocks", "everything")):
                usage = harness.run_command(*command, "--out", work / f"out_{number}")
                harness.write_row(
                    ", ".join(options.extractors),
                    num_images,
                    f"{VOTES_PER_IMAGE * num_images:,}",
                    cached,
                    f"{usage.wall:.0f}",
                    f"{usage.cpu:.0f}",
                    f"{usage.peak_mib:,.0f}",
                )


# svm

NUM_FOLDS, NUM_DEALINGS = 5, 3
COSTS = (0.0001, 0.001, 0.01, 0.1, 1.0, 10.0)


def deal(patients: np.ndarray, labels: np.ndarray, dealing: int) -> np.ndarray:
    """Returns the fold of each patch; patients of a class are spread evenly."""
    from gastritis_gan.rng import stream

    folds = np.zeros(len(patients), int)
    for label in (True, False):
        names = np.unique(patients[labels == label])
        order = stream(dealing, f"folds {label}").permutation(len(names))
        for position, number in enumerate(order):
            folds[patients == names[number]] = position % NUM_FOLDS
    return folds


def held_out_metrics(
    features: np.ndarray,
    labels: np.ndarray,
    images: np.ndarray,
    folds: np.ndarray,
    *,
    c: float,
    most: int,
) -> tuple[float, float]:
    """Returns HM and AUC over the images, each decided when its fold was held out."""
    from gastritis_gan.evaluation.gan_train import Classifier, Votes
    from gastritis_gan.evaluation.metrics import decide
    from gastritis_gan.evaluation.rows import choose
    from gastritis_gan.stats import auc, harmonic_mean, sensitivity_and_specificity

    names, group = np.unique(images, return_inverse=True)
    votes = Votes.zeros(len(names))
    truth = np.zeros(len(names), bool)
    truth[group] = labels
    for fold in range(NUM_FOLDS):
        training = np.concatenate(
            [
                pool[choose(len(pool), min(most, len(pool)), seed=fold, purpose="cv")]
                for pool in (
                    np.flatnonzero((folds != fold) & (labels == label))
                    for label in (True, False)
                )
            ]
        )
        classifier = Classifier.fit(features[training], labels[training], c=c)
        held_out = np.flatnonzero(folds == fold)
        scores = classifier.scores(features[held_out])[:, 0]
        for image in np.unique(group[held_out]):
            votes.add(image, scores[group[held_out] == image])
    decisions = decide(votes, truth, names, rule="majority")
    rates = sensitivity_and_specificity(decisions.correct, decisions.labels)
    return float(harmonic_mean(*rates)), float(auc(decisions.scores, decisions.labels))


def report_svm(options: argparse.Namespace) -> None:
    """Writes a table per extractor, the best C first."""
    from gastritis_gan.config import load_config
    from gastritis_gan.evaluation.feature_cache import Features
    from gastritis_gan.evaluation.patch_samples import real_patches, sample_features
    from gastritis_gan.evaluation.plan import patients_of, training_pools
    from gastritis_gan.store.store import Store

    config, store = load_config(options.config), Store.open(options.store)
    resolution = config.schedule.final_resolution
    weights = dict(pair.split("=", 1) for pair in options.weights)
    pools = training_pools(store)
    patches = np.concatenate(list(pools.values()))
    labels = np.repeat([True, False], [len(pool) for pool in pools.values()])
    patients, images = patients_of(store, patches), store.patch_image[patches]
    costs, dealings = COSTS, NUM_DEALINGS
    if options.quick:
        costs, dealings, options.extractors = COSTS[:1], 1, ["mean_and_std"]
    with tempfile.TemporaryDirectory() as folder:
        computed = Features(
            options.extractors,
            resolution=resolution,
            weights={name: Path(file) for name, file in weights.items()},
            cache=Path(folder),
        )
        sample = real_patches(store, patches, resolution)
        for name, cache in computed.fill(sample.blocks).items():
            features = sample_features(sample, cache.read)
            rows = []
            for c in costs:
                found = [
                    held_out_metrics(
                        features,
                        labels,
                        images,
                        deal(patients, labels, dealing),
                        c=c,
                        most=config.evaluation.patches_per_class,
                    )
                    for dealing in range(dealings)
                ]
                rows.append((*np.mean(found, axis=0), c))
            harness.write(
                f"\n{name}: {len(patches)} patches, {len(set(images))} images, "
                f"{len(set(patients))} training patients"
            )
            harness.write_header("C", "HM", "AUC")
            for hm, area, c in sorted(rows, key=lambda row: (-row[0], -row[1])):
                harness.write_row(f"{c:g}", f"{hm:.3f}", f"{area:.3f}")


def main() -> None:
    """Writes the tables of one part."""
    parser = harness.make_parser(__doc__)
    parts = parser.add_subparsers(dest="part", required=True)
    speed = parts.add_parser("speed")
    speed.add_argument("--patches", type=int, default=256)
    speed.add_argument("--resolution", type=int, default=256)
    speed.add_argument("--extractors", nargs="+", default=EXTRACTORS)
    speed.add_argument("--images", type=int, nargs="+", default=[10, 100])
    memory = parts.add_parser("memory")
    memory.add_argument("--extractors", nargs="+", default=["vgg16_fc2"])
    memory.add_argument("--images", type=int, nargs="+", default=[62, 615])
    svm = parts.add_parser("svm")
    svm.add_argument("--config", type=Path, required=True)
    svm.add_argument("--store", type=Path, required=True)
    svm.add_argument("--extractors", nargs="+", default=["texture"])
    svm.add_argument("--weights", nargs="*", default=[], metavar="NAME=FILE")
    options = parser.parse_args()
    harness.write_machine()
    report = {"speed": report_speed, "memory": report_memory, "svm": report_svm}
    report[options.part](options)


if __name__ == "__main__":
    main()
