"""Which C? A cross-validation that never sees a test patient.

    python benchmarks/svm_choices.py --config configs/phantom.yaml \
        --store stores/phantom --extractors texture vgg16_block5 \
        --weights vgg16_block5=vgg16_notop.weights.h5

The training patients are dealt into five folds, class by class, three times over. For
each C an SVM learns real patches of four folds (at most `patches_per_class` a
class) and classifies all inside patches of the fifth; images are decided by majority.
Prints HM and AUC over the held-out images, mean over the three dealings, as Markdown.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from gastritis_gan.config import load_config
from gastritis_gan.evaluation.classifier import Classifier
from gastritis_gan.evaluation.feature_cache import Features
from gastritis_gan.evaluation.patches import real_blocks, sample_features, whole
from gastritis_gan.evaluation.plan import patients_of, training_pools
from gastritis_gan.evaluation.rows import choose
from gastritis_gan.evaluation.votes import Votes, decide
from gastritis_gan.rng import stream
from gastritis_gan.stats import (
    auc,
    harmonic_mean,
    sensitivity_and_specificity,
)
from gastritis_gan.store.store import Store

NUM_FOLDS, NUM_DEALINGS = 5, 3
COSTS = (0.0001, 0.001, 0.01, 0.1, 1.0, 10.0)


def deal(patients: np.ndarray, labels: np.ndarray, dealing: int) -> np.ndarray:
    """Returns the fold of each patch; patients of a class are spread evenly."""
    folds = np.zeros(len(patients), int)
    for label in (True, False):
        names = np.unique(patients[labels == label])
        order = stream(dealing, f"folds {label}").permutation(len(names))
        for position, number in enumerate(order):
            folds[patients == names[number]] = position % NUM_FOLDS
    return folds


def held_out_metrics(features, labels, images, folds, c, most):
    """Returns HM and AUC over the images, each decided when its fold was held out."""
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


def main() -> None:
    """Prints a table per extractor, the best C first."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--extractors", nargs="+", default=["texture"])
    parser.add_argument("--weights", nargs="*", default=[], metavar="NAME=FILE")
    arguments = parser.parse_args()
    config, store = load_config(arguments.config), Store.open(arguments.store)
    resolution = config.schedule.final_resolution
    weights = dict(pair.split("=", 1) for pair in arguments.weights)
    pools = training_pools(store)
    patches = np.concatenate(list(pools.values()))
    labels = np.repeat([True, False], [len(pool) for pool in pools.values()])
    patients, images = patients_of(store, patches), store.patch_image[patches]
    with tempfile.TemporaryDirectory() as folder:
        step = Features(
            arguments.extractors,
            resolution=resolution,
            weights={name: Path(file) for name, file in weights.items()},
            cache=Path(folder),
        )
        blocks = real_blocks(store, patches, resolution)
        for name, cache in step.fill(blocks).items():
            features = sample_features([whole(blocks)], cache.read)
            rows = []
            for c in COSTS:
                found = [
                    held_out_metrics(
                        features,
                        labels,
                        images,
                        deal(patients, labels, dealing),
                        c,
                        config.evaluation.patches_per_class,
                    )
                    for dealing in range(NUM_DEALINGS)
                ]
                rows.append((*np.mean(found, axis=0), c))
            rows.sort(key=lambda row: (-row[0], -row[1]))
            lines = [
                f"\n{name}: {len(patches)} patches, {len(set(images))} images, "
                f"{len(set(patients))} training patients\n",
                "| C | HM | AUC |",
                "|---|---|---|",
            ]
            lines += [f"| {c:g} | {hm:.3f} | {area:.3f} |" for hm, area, c in rows]
            print("\n".join(lines), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
