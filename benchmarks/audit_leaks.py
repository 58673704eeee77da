r"""The audit of samples that leak, and of samples that do not.

    python benchmarks/audit_leaks.py --config EXPERIMENT.yaml --store STORE \
        --label positive --control 30 --samples 1000 --resolution 32

Windows of a store's patients play the samples of a generator. `--control` held-out
patients are compared; windows of the other held-out patients are the innocent samples.
Thresholds and extractors are those of the config's section `audit`.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from pathlib import Path

import numpy as np
from audit_windows import draw_copies, draw_windows, images_of_patients

from gastritis_gan.config import load_config
from gastritis_gan.evaluation.features.extractors import make_extractor
from gastritis_gan.privacy.decision import overall
from gastritis_gan.privacy.generator_audit import GeneratorFindings, audit_generator
from gastritis_gan.privacy.subjects import AuditSubject
from gastritis_gan.privacy.verdict import AuditedModel
from gastritis_gan.store.store import Store

HEADER = (
    "| samples | verdict | patients exposed | copies | threshold, highest exposure | "
    "power | AUC of each attack |\n|---|---|---|---|---|---|---|"
)


def line(name: str, found: GeneratorFindings) -> str:
    """Returns a row of the table."""
    pixels = found.spaces[0]
    aucs = ", ".join(
        f"{a.found.auc.value:.2f} ({a.found.auc.low:.2f}-{a.found.auc.high:.2f})"
        for a in found.attacks
    )
    highest = pixels.exposure.exposure[found.cohort.is_training].max()
    powers = ", ".join(f"{space.is_noticed.mean():.2f}" for space in found.spaces)
    return (
        f"| {name} | {overall(found.decisions)} | {pixels.exposure.exposed.sum()} | "
        f"{pixels.num_copies} | {pixels.exposure.threshold:.1f}, {highest:.1f} | "
        f"{powers} | {aucs} |"
    )


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--label", default="positive")
    parser.add_argument("--control", type=int, required=True)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--resolution", type=int, default=32)
    parser.add_argument("--weights", type=Path, help="of vgg16_block5")
    arguments = parser.parse_args()

    config, store = load_config(arguments.config), Store.open(arguments.store)
    number = arguments.samples
    settings = dataclasses.replace(config.audit, samples_per_generator=number)
    patients = images_of_patients(store, arguments.label)
    split = {store.images[images[0]].patient: store.images[images[0]].split
             for images in patients.values()}  # fmt: skip
    training = [images for p, images in patients.items() if split[p] == "train"]
    held_out = [p for p in patients if split[p] == "test"]
    control, fresh = held_out[: arguments.control], held_out[arguments.control :]
    store.images = tuple(  # the fresh ones are neither trained on nor compared
        dataclasses.replace(image, split="validation") if image.patient in fresh
        else image
        for image in store.images
    )  # fmt: skip

    def of(groups: list[list[int]]) -> list[int]:
        return [image for images in groups for image in images]

    def draw(function, images: list[int], count: int, seed: int) -> np.ndarray:
        return function(
            store, images, number=count, resolution=arguments.resolution, seed=seed
        )

    innocent = draw(draw_windows, of([patients[p] for p in fresh]), number, 1)
    one_percent = max(1, number // 100)
    scenarios = {
        "of fresh patients (innocent)": innocent,
        "one copied": (draw_copies, of(training), 1),
        "1 % copied": (draw_copies, of(training), one_percent),
        "1 % copied from one patient": (draw_copies, training[0], one_percent),
        "all copied from one patient": (draw_copies, training[0], number),
        "all copied": (draw_copies, of(training), number),
        "of the control's own patients": draw(
            draw_windows, of([patients[p] for p in control]), number, 2
        ),
    }
    extractors = [
        make_extractor(
            name,
            resolution=min(arguments.resolution, settings.match_resolution),
            weights_file=arguments.weights if name == "vgg16_block5" else None,
        )
        for name in settings.extractors
    ]
    alpha = settings.false_alarm_rate / (2 + 2 * len(extractors))
    print(HEADER)  # noqa: T201
    for name, scenario in scenarios.items():
        samples = scenario
        if isinstance(scenario, tuple):
            samples = innocent.copy()
            function, images, count = scenario
            samples[:count] = draw(function, images, count, 3)
        subject = AuditSubject(
            model=AuditedModel(name="played", version=1, model_hash="0" * 64),
            label=arguments.label,
            resolution=arguments.resolution,
            latent_dim=1,
            sample=lambda seeds, samples=samples: samples[seeds][..., None],
        )
        with tempfile.TemporaryDirectory() as folder:
            found = audit_generator(
                store, subject, extractors, settings, alpha=alpha, folder=Path(folder)
            )
        print(line(name, found), flush=True)  # noqa: T201
        for decision in found.decisions:
            if decision.verdict != "pass":
                print(f"  {decision.test}: {decision.reason}")  # noqa: T201
        for group, linkage in found.linkage.items():
            if linkage is not None:
                rate = linkage.rate
                print(  # noqa: T201
                    f"  linkage, {group}: {rate.value:.1%} ({rate.low:.1%}-"
                    f"{rate.high:.1%}), {linkage.chance:.1%} by guessing",
                    flush=True,
                )


if __name__ == "__main__":
    main()
