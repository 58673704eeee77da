"""False alarms and power of the audit's exposure test, dealt anew many times.

    python benchmarks/audit_deals.py --store STORE --label positive --resolution 32

Windows of every patient of a class, plain and disguised as copies, are matched with
every image of the class once. Then the patients are dealt anew: some are strangers,
whose plain windows play the samples of an innocent generator; the others are training
and held-out patients. A deal is a false alarm when a training patient counts as
exposed; its power is the share of disguised windows of training patients beyond the
threshold.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import threadpoolctl
from audit_windows import draw_copies, draw_windows, images_of_patients

from gastritis_gan.privacy.exposure import find_exposed, fisher_transform, stand_out
from gastritis_gan.privacy.matching import PixelMatcher
from gastritis_gan.privacy.windows import MIN_STD
from gastritis_gan.store.store import Store

ALPHAS = (0.05, 0.0125, 0.005)


def match_everything(
    store: Store, patients: list[list[int]], arguments: argparse.Namespace
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns scores `(windows, patients)`, windows' patients, and which are copies."""
    windows, source, is_copy = [], [], []
    for draw, number in (
        (draw_windows, arguments.windows),
        (draw_copies, arguments.copies),
    ):
        for patient, images in enumerate(patients):
            windows.append(
                draw(
                    store,
                    images,
                    number=number,
                    resolution=arguments.resolution,
                    seed=patient,
                )
            )
            source += [patient] * number
            is_copy += [draw is draw_copies] * number
    matcher = PixelMatcher(
        np.concatenate(windows).astype(np.float32) / 255,
        patch_size=store.geometry.patch_size,
        min_std=MIN_STD,
    )
    white = np.float32(2**store.bits - 1)
    scores = [
        np.max([matcher.match(store.image(i) / white).score for i in images], axis=0)
        for images in patients
    ]
    return (
        fisher_transform(np.stack(scores, axis=1)),
        np.array(source),
        np.array(is_copy),
    )


def main() -> None:
    """Prints one line per level."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--label", default="positive")
    parser.add_argument("--resolution", type=int, default=32)
    parser.add_argument("--windows", type=int, default=60, help="of each patient")
    parser.add_argument("--copies", type=int, default=12, help="of each patient")
    parser.add_argument("--strangers", type=int, default=6)
    parser.add_argument("--training", type=int, help="half of the others by default")
    parser.add_argument("--patients", type=int, help="of the class; all by default")
    parser.add_argument("--deals", type=int, default=300)
    arguments = parser.parse_args()

    store = Store.open(arguments.store)
    found = list(images_of_patients(store, arguments.label).values())
    patients = found[: arguments.patients]
    with threadpoolctl.threadpool_limits(1, "blas"):  # more threads only wait here
        scores, source, is_copy = match_everything(store, patients, arguments)
    rest = len(patients) - arguments.strangers
    num_training = arguments.training or rest // 2
    alarms = dict.fromkeys(ALPHAS, 0)
    powers: dict[float, list[float]] = {alpha: [] for alpha in ALPHAS}
    for deal in range(arguments.deals):
        order = np.random.default_rng(deal).permutation(len(patients))
        strangers, compared = order[: arguments.strangers], order[arguments.strangers :]
        training = compared[:num_training]
        is_training = np.arange(rest) < num_training
        samples = np.flatnonzero(~is_copy & np.isin(source, strangers))
        copies = np.flatnonzero(is_copy & np.isin(source, training))
        table = stand_out(scores[np.concatenate([samples, copies])][:, compared])
        column = np.argmax(source[copies][:, None] == compared, axis=1)
        of_copies = table[len(samples) :][np.arange(len(copies)), column]
        for alpha in ALPHAS:
            exposure = find_exposed(table[: len(samples)], is_training, alpha=alpha)
            alarms[alpha] += exposure.exposed.any()
            powers[alpha].append(float((of_copies > exposure.threshold).mean()))
    print(  # noqa: T201
        f"{num_training} training and {rest - num_training} held-out patients, "
        f"{arguments.strangers} strangers with {arguments.windows} windows each, "
        f"{arguments.deals} deals"
    )
    for alpha in ALPHAS:
        print(  # noqa: T201
            f"at {alpha:.2%}: {alarms[alpha] / arguments.deals:.1%} false alarms, "
            f"power {np.mean(powers[alpha]):.2f}"
        )


if __name__ == "__main__":
    main()
