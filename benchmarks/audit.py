r"""The audit: a whole one, its verdict on leaks, its test dealt anew, its search.

    python benchmarks/audit.py whole --work FOLDER [--samples 10000]
        [--classes positive negative] [--kill-after 300]
    python benchmarks/audit.py leaks --config EXPERIMENT.yaml --store STORE \
        [--label positive] --control 30 --samples 1000 --resolution 32
    python benchmarks/audit.py kinds --config EXPERIMENT.yaml --store STORE \
        [--label positive] --control 30 --samples 1000 --resolution 32
    python benchmarks/audit.py deals --store STORE --work FOLDER [--label positive]
        [--resolution 32]
    python benchmarks/audit.py search [--patches 1000] [--size 16] [--side 128]

whole: time and memory of `gastritis-gan audit` with all attacks, on phantoms of 1,024
pixels, 100 training and 100 held-out patients of each class, and a small network of 64
pixels that was trained for a moment: what a generator has learnt changes none of the
work. Steps that are done in the folder are not done again. With `--kill-after` a second
audit is killed (SIGKILL) after so many seconds and run again; its results must be
equal, apart from the run time.

leaks: windows of a store's patients play the samples of a generator that leaks, and of
one that does not. `--control` held-out patients are compared; windows of the other
held-out patients are the innocent samples. Thresholds and extractors are those of the
config's section `audit`.

kinds: the power of an audit for every kind of planted copies, in every space and in
all together, and the CPU time of the audit; the samples are innocent, as for `leaks`.

deals: false alarms, passes and power. Windows of every patient of a class, and planted
copies of every kind, are matched with every image of the class once, and the matches
are kept in a folder. Then the patients are dealt anew: some are strangers, whose
windows play the samples of an innocent generator; the others are training and held-out
patients. All tests of one class but those of features and latents are made, at 5 % for
them together. Power is stated at this level and at that of a whole audit with texture
and latents. `--both` takes the patients of both classes as one.

search: CPU time of the search at whole pixels, by matrix products and by FFTs. Both
look for the best window and flip of each patch in one noise image, with one thread and
in float32, and have to agree.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import harness
import numpy as np
import scipy.fft
import threadpoolctl

from gastritis_gan.config import load_config
from gastritis_gan.evaluation.extractors import make_extractor
from gastritis_gan.images import area_resize
from gastritis_gan.privacy.audit_settings import AuditSettings
from gastritis_gan.privacy.copies import DISGUISES, PLAIN, plant_copies
from gastritis_gan.privacy.decision import (
    Decision,
    decide_close_matches,
    decide_membership,
    decide_memorisation,
    overall,
)
from gastritis_gan.privacy.disguises import DisguiseMatcher
from gastritis_gan.privacy.exposure import (
    compare_close_matches,
    examine_space,
    find_exposed,
    joint_power,
    standardize_rows,
)
from gastritis_gan.privacy.generator_audit import (
    STAND_OUT,
    GeneratorFindings,
    audit_generator,
    num_deciding_tests,
    pixel_tables,
)
from gastritis_gan.privacy.matching import PixelMatcher, match_images
from gastritis_gan.privacy.membership import (
    closest_samples_scores,
    measure_control,
    measure_membership,
)
from gastritis_gan.privacy.subjects import AuditCohort, AuditSubject
from gastritis_gan.privacy.verdict import AuditedModel
from gastritis_gan.privacy.windows import (
    FLIPS,
    MIN_STD,
    PositionSearch,
    flip_patches,
    inverse_norms,
)
from gastritis_gan.store.store import Store


def images_of_patients(store: Store, label: str) -> dict[str, list[int]]:
    """Returns the images of each patient of a class that have patches in the organ."""
    found: dict[str, list[int]] = {}
    for index, image in enumerate(store.images):
        if image.label == label and len(
            store.patches_of_image(index, inside_only=True)
        ):
            found.setdefault(image.patient, []).append(index)
    return found


def draw_windows(
    store: Store, images: Sequence[int], *, number: int, resolution: int, seed: int
) -> np.ndarray:
    """Draws windows that start anywhere within a stride of a patch in the organ.

    Returns:
        uint8 of shape (number, resolution, resolution).
    """
    rng = np.random.default_rng(seed)
    size, stride = store.geometry.patch_size, store.geometry.stride
    windows = []
    for _ in range(number):
        image = images[rng.integers(len(images))]
        pixels = store.image(image)
        patch = rng.choice(store.patches_of_image(image, inside_only=True))
        row, column = (
            min(int(start + rng.integers(stride)), side - size)
            for start, side in zip(
                (store.patch_row[patch], store.patch_column[patch]),
                pixels.shape,
                strict=True,
            )
        )
        windows.append(
            area_resize(pixels[row : row + size, column : column + size], resolution)
        )
    grey = np.array(windows) * (255 / (2**store.bits - 1))
    return np.rint(np.clip(grey, 0, 255)).astype(np.uint8)


def draw_copies(
    store: Store, images: Sequence[int], *, number: int, resolution: int, seed: int
) -> np.ndarray:
    """Draws windows like the audit's plain planted copies: flipped, altered, noisy.

    Returns:
        uint8 of shape (number, resolution, resolution).
    """
    one = AuditCohort(
        images=np.array(images),
        patient_of_image=np.zeros(len(images), np.int64),
        patients=("",),
        is_training=np.array([True]),
    )
    nothing = np.zeros((1, resolution, resolution), np.float32)
    copies = plant_copies(store, one, PLAIN, samples=nothing, number=number, seed=seed)
    return np.rint(copies.patches * 255).astype(np.uint8)


# whole

CONFIG = """
cohort: {positive: gastritis, negative: non_gastritis}
patches: {patch_size: 128, stride: 32}  # as configs/phantom.yaml: 1,024 pixels
split: {train_positive_patients: TRAINING, train_negative_patients: TRAINING}
networks: {latent_dim: 128, fmap_base: 1024, fmap_max: 64, fused_scale: true}
schedule:
  initial_resolution: 32
  final_resolution: 64
  transition_images: 32
  stable_images: 32
  batch_size: 16
training: {tick_images: 32, sheet_columns: 4}
audit: {samples_per_generator: SAMPLES}
"""


def run(*arguments: object) -> None:
    """Runs a command of gastritis-gan."""
    harness.run_command(*harness.GASTRITIS_GAN, *arguments)


def prepare_everything(options: argparse.Namespace) -> None:
    """Makes what an audit needs, as far as it is missing."""
    work: Path = options.work
    training = 4 if options.quick else 100  # of each class; 100: the paper's
    work.mkdir(parents=True, exist_ok=True)
    config = work / "config.yaml"
    text = CONFIG.replace("SAMPLES", str(options.samples))
    config.write_text(text.replace("TRAINING", str(training)))
    if not (work / "cohort").exists():
        run("phantom", "--out", work / "cohort", "--patients", 4 * training,
            "--seed", 0)  # fmt: skip
    if not (work / "store").exists():
        run("prepare", work / "cohort", "--config", config, "--out", work / "store")
    for target in options.classes:
        run_dir, exported = work / "runs" / target, work / "exported"
        if not run_dir.exists():
            run("fit", "--config", config, "--store", work / "store", "--run", run_dir,
                "--model", "pggan", "--target", target)  # fmt: skip
        if not (exported / target).exists():
            run("export", run_dir, "--name", target, "--exported-dir", exported)


def audit_command(options: argparse.Namespace, name: str) -> list[str]:
    """Returns the command of an audit with every attack."""
    work: Path = options.work
    command: list[object] = [*harness.GASTRITIS_GAN, "audit"]
    command += ["--config", work / "config.yaml", "--store", work / "store"]
    command += ["--out", work / name]
    for target in options.classes:
        command += ["--generators", work / "exported" / target]
        command += ["--run", work / "runs" / target]
    return [str(word) for word in command]


def results_of(folder: Path) -> dict[str, object]:
    """Returns what `audit.json` holds, without the run time."""
    document = json.loads((folder / "audit.json").read_text())
    del document["run_seconds"]
    return document


def report_whole(options: argparse.Namespace) -> None:
    """Writes what one audit took, and what a kill cost."""
    options.work = options.work.resolve()
    if options.quick:
        options.samples = 100
    prepare_everything(options)
    finished = options.work / "audit"
    if not finished.exists():
        used = harness.run_command(*audit_command(options, "audit"))
        harness.write(
            f"{options.samples} samples of {len(options.classes)} generators: "
            f"{used.wall / 60:.1f} min, {used.cpu / 60:.1f} min of CPU, "
            f"{used.peak_mib / 1024:.2f} GiB at most."
        )
    if options.kill_after is None:
        return
    command = audit_command(options, "again")
    process = subprocess.Popen(command)
    time.sleep(options.kill_after)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = len(list((options.work / "again.partial").rglob("*.np?")))
    used = harness.run_command(*command)
    equal = results_of(finished) == results_of(options.work / "again")
    harness.write(
        f"Killed after {options.kill_after:.0f} s with {kept} files kept; the same "
        f"command then took {used.wall / 60:.1f} min, {used.cpu / 60:.1f} min of CPU. "
        f"Results equal: {equal}."
    )


# leaks


def write_findings(name: str, found: GeneratorFindings) -> None:
    """Writes a row of the table."""
    pixels = found.spaces[0]
    aucs = ", ".join(
        f"{a.found.auc.value:.2f} ({a.found.auc.low:.2f}-{a.found.auc.high:.2f})"
        for a in found.attacks
    )
    highest = pixels.exposure.exposure[found.cohort.is_training].max()
    harness.write_row(
        name,
        overall(found.decisions),
        pixels.exposure.exposed.sum(),
        pixels.num_copies,
        f"{pixels.exposure.threshold:.1f}, {highest:.1f}",
        ", ".join(f"{s.is_noticed[PLAIN.kind].mean():.2f}" for s in found.spaces),
        aucs,
    )


def deal_fresh(
    options: argparse.Namespace,
) -> tuple[Store, AuditSettings, list[list[int]], list[list[int]], list[list[int]]]:
    """Opens a store; some of its held-out patients are fresh: they are not compared.

    Returns:
        The store, the settings, and the images of each training patient, of each
        held-out patient of the comparison, and of each fresh one.
    """
    config, store = load_config(options.config), Store.open(options.store)
    settings = dataclasses.replace(config.audit, samples_per_generator=options.samples)
    patients = images_of_patients(store, options.label).values()
    training, held_out = (
        [images for images in patients if store.images[images[0]].split == split]
        for split in ("train", "test")
    )
    control, fresh = held_out[: options.control], held_out[options.control :]
    of_fresh = {store.images[i].patient for images in fresh for i in images}
    store.images = tuple(
        dataclasses.replace(image, split="validation")
        if image.patient in of_fresh
        else image
        for image in store.images
    )
    return store, settings, training, control, fresh


def of(groups: Sequence[list[int]]) -> list[int]:
    """Returns the images of all patients of a group."""
    return [image for images in groups for image in images]


def audit_played(
    store: Store,
    samples: np.ndarray,
    settings: AuditSettings,
    options: argparse.Namespace,
) -> GeneratorFindings:
    """Audits samples, uint8 of shape (n, r, r), as if a generator had made them."""
    extractors = [
        make_extractor(
            name,
            resolution=min(options.resolution, settings.match_resolution),
            weights_file=options.weights if name == "vgg16_block5" else None,
        )
        for name in settings.extractors
    ]
    subject = AuditSubject(
        model=AuditedModel(name="played", version=1, model_hash="0" * 64),
        label=options.label,
        resolution=options.resolution,
        latent_dim=1,
        sample=lambda seeds: samples[seeds][..., None],
    )
    alpha = settings.false_alarm_rate / num_deciding_tests([subject], len(extractors))
    with tempfile.TemporaryDirectory() as folder:
        return audit_generator(
            store, subject, extractors, settings, alpha=alpha, folder=Path(folder)
        )


def report_kinds(options: argparse.Namespace) -> None:
    """Writes a row for every kind of planted copies."""
    if options.quick:
        options.samples = 100
    store, settings, _, _, fresh = deal_fresh(options)
    samples = draw_windows(
        store, of(fresh), number=options.samples, resolution=options.resolution, seed=1
    )
    start = time.process_time()
    found = audit_played(store, samples, settings, options)
    seconds = time.process_time() - start
    training = int(found.cohort.is_training.sum())
    harness.write(
        f"{training} training and {len(found.cohort.patients) - training} held-out "
        f"patients, {len(found.cohort.images)} images, {options.samples} samples of "
        f"{options.resolution} pixels: {seconds:.0f} s of CPU."
    )
    harness.write_header("copies", "planted", "all", *(s.name for s in found.spaces))
    for kind, is_noticed in found.spaces[0].is_noticed.items():
        harness.write_row(
            kind,
            len(is_noticed),
            f"{joint_power(found.spaces, kind):.2f}",
            *(f"{space.is_noticed[kind].mean():.2f}" for space in found.spaces),
        )
    for decision in found.decisions:
        harness.write(f"{decision.test}: {decision.verdict}. {decision.reason}")


def report_leaks(options: argparse.Namespace) -> None:
    """Writes a row for every way to leak, then reasons and linkage."""
    store, settings, training, control, fresh = deal_fresh(options)
    number = options.samples

    def draw(
        function: Callable[..., np.ndarray], images: list[int], count: int, seed: int
    ) -> np.ndarray:
        return function(
            store, images, number=count, resolution=options.resolution, seed=seed
        )

    innocent = draw(draw_windows, of(fresh), number, 1)

    def with_copies(images: list[int], count: int) -> np.ndarray:
        samples = innocent.copy()
        samples[:count] = draw(draw_copies, images, count, 3)
        return samples

    one_percent = max(1, number // 100)
    scenarios = {
        "of fresh patients (innocent)": innocent,
        "one copied": with_copies(of(training), 1),
        "1 % copied": with_copies(of(training), one_percent),
        "1 % copied from one patient": with_copies(training[0], one_percent),
        "all copied from one patient": with_copies(training[0], number),
        "all copied": with_copies(of(training), number),
        "of the control's own patients": draw(draw_windows, of(control), number, 2),
    }
    harness.write_header(
        "samples", "verdict", "patients exposed", "copies",
        "threshold, highest exposure", "power", "AUC of each attack",
    )  # fmt: skip
    remarks = []
    for name, samples in scenarios.items():
        found = audit_played(store, samples, settings, options)
        write_findings(name, found)
        remarks += [
            f"{name}: {decision.test}: {decision.reason}"
            for decision in found.decisions
            if decision.verdict != "pass"
        ]
        remarks += [
            f"{name}: linkage, {group}: {linkage.rate.value:.1%} "
            f"({linkage.rate.low:.1%}-{linkage.rate.high:.1%}), "
            f"{linkage.chance:.1%} by guessing"
            for group, linkage in found.linkage.items()
            if linkage is not None
        ]
    harness.write("\n" + "\n".join(remarks))


# deals

RATE = 0.05
NUM_TESTS = len(STAND_OUT) + 1 + 2  # copies, close matches, membership in pixels
WHOLE_AUDIT_TESTS = 2 * len(STAND_OUT) + 1 + 1 + 2 * 3  # with texture and latents
POWER_DEALS = 20  # of all; each takes longer than one for false alarms


@dataclasses.dataclass(frozen=True)
class Matched:
    """Windows of patients, matched with all patients.

    Attributes:
        tables: Per space, scores `(windows, patients)`; several where parts count.
        source: Shape `(windows,)`: the window's patient.
        kind: Shape `(windows,)`: position in `DISGUISES`; -1 for plain windows.
        num_patients: Of all.
    """

    tables: dict[str, list[np.ndarray]]
    source: np.ndarray
    kind: np.ndarray
    num_patients: int


def match_everything(options: argparse.Namespace) -> Matched:
    """Matches windows and copies of every patient with every patient."""
    store = Store.open(options.store)
    labels = ("positive", "negative") if options.both else (options.label,)
    found = [p for label in labels for p in images_of_patients(store, label).values()]
    patients = found[: options.patients]
    images = np.concatenate(patients)
    cohort = AuditCohort(
        images=images,
        patient_of_image=np.repeat(
            np.arange(len(patients)), [len(p) for p in patients]
        ),
        patients=tuple(str(number) for number in range(len(patients))),
        is_training=np.ones(len(patients), bool),
    )
    windows = [
        draw_windows(
            store, p, number=options.windows, resolution=options.resolution, seed=seed
        )
        for seed, p in enumerate(patients)
    ]
    parts = [np.concatenate(windows).astype(np.float32) / 255]
    source = [np.repeat(np.arange(len(patients)), options.windows)]
    kinds = [np.full(len(source[0]), -1)]
    for kind, disguise in enumerate(DISGUISES):
        if not options.copies:
            break
        copies = plant_copies(
            store,
            cohort,
            disguise,
            samples=parts[0],
            number=options.copies * len(patients),
            seed=0,
        )
        parts.append(copies.patches)
        source.append(copies.patient)
        kinds.append(np.full(len(copies.patient), kind))
    patches = np.concatenate(parts)
    size = store.geometry.patch_size
    start = time.process_time()
    matches = match_images(
        PixelMatcher(patches, patch_size=size, min_std=MIN_STD),
        DisguiseMatcher(patches, patch_size=size, min_std=MIN_STD),
        store,
        images,
        options.work,
        description="deals",
    )
    seconds = time.process_time() - start
    harness.write(
        f"{len(patches)} windows of {options.resolution} pixels in {len(images)} "
        f"images: {seconds:.0f} s of CPU, "
        f"{1000 * seconds / len(patches) / len(images):.2f} ms each."
    )
    return Matched(
        tables={
            name: [cohort.per_patient(scores) for scores in of_parts]
            for name, of_parts in pixel_tables(matches).items()
        },
        source=np.concatenate(source),
        kind=np.concatenate(kinds),
        num_patients=len(patients),
    )


def stand_out_among(
    matched: Matched, rows: np.ndarray, compared: np.ndarray
) -> dict[str, np.ndarray]:
    """Returns how far the compared patients stand out for some windows, per space."""
    return {
        name: STAND_OUT[name]([scores[np.ix_(rows, compared)] for scores in parts])
        for name, parts in matched.tables.items()
    }


def deal(
    matched: Matched, seed: int, num_strangers: int, num_training: int | None
) -> tuple[list[Decision], dict[str, dict[float, float]]]:
    """Makes the tests of one deal.

    Returns:
        The decisions, and for some deals the power per kind and level.
    """
    order = np.random.default_rng(seed).permutation(matched.num_patients)
    strangers, compared = order[:num_strangers], order[num_strangers:]
    number = num_training or len(compared) // 2
    compared = compared[: 2 * number]
    is_training = np.arange(len(compared)) < number
    rows = np.flatnonzero((matched.kind < 0) & np.isin(matched.source, strangers))
    with_power = seed < POWER_DEALS
    copies = np.flatnonzero(
        (matched.kind >= 0) & np.isin(matched.source, compared[is_training])
    )
    standing = stand_out_among(
        matched, np.concatenate([rows, copies]) if with_power else rows, compared
    )
    alpha = RATE / NUM_TESTS
    spaces = [
        examine_space(
            name,
            table[: len(rows)],
            {PLAIN.kind: np.array([1e6])},  # noticed: the space decides
            is_training,
            alpha=alpha,
            min_power=0.8,
            seed=seed,
        )
        for name, table in standing.items()
    ]
    closest = closest_samples_scores(
        standardize_rows(matched.tables["pixels"][0][np.ix_(rows, compared)])
    )
    decisions = [
        *decide_memorisation(spaces, min_power=0.8, max_copy_rate=0.9),
        decide_close_matches(compare_close_matches(spaces, seed=seed), alpha=alpha),
        decide_membership(
            "pixels",
            measure_membership(closest[is_training], closest[~is_training], seed=seed),
            measure_control(closest[~is_training], seed=seed),
            alpha=alpha,
            max_auc=AuditSettings().max_membership_auc,
        ),
    ]
    if not with_power or not len(copies):
        return decisions, {}
    column = np.argmax(matched.source[copies][:, None] == compared, axis=1)
    power: dict[str, dict[float, float]] = {}
    for level in (alpha, RATE / WHOLE_AUDIT_TESTS):
        is_noticed = np.zeros(len(copies), bool)
        for table in standing.values():
            exposure = find_exposed(table[: len(rows)], is_training, alpha=level)
            of_copies = table[len(rows) :][np.arange(len(copies)), column]
            is_noticed |= of_copies > exposure.threshold
        for kind, disguise in enumerate(DISGUISES):
            of_kind = matched.kind[copies] == kind
            power.setdefault(disguise.kind, {})[level] = is_noticed[of_kind].mean()
    return decisions, power


def report_deals(options: argparse.Namespace) -> None:
    """Writes the shares of all deals, and a row per kind of copies."""
    if options.quick:
        options.windows, options.copies, options.deals = 4, 1, 3
        options.strangers = 1
    matched = match_everything(options)
    failed: list[str] = []
    num_failed = num_passed = 0
    powers: dict[str, list[dict[float, float]]] = {}
    with threadpoolctl.threadpool_limits(1, "blas"):
        for seed in range(options.deals):
            decisions, power = deal(matched, seed, options.strangers, options.training)
            tests = [d.test for d in decisions if d.verdict == "fail"]
            failed += tests
            num_failed += bool(tests)
            num_passed += overall(decisions) == "pass"
            for kind, of_levels in power.items():
                powers.setdefault(kind, []).append(of_levels)
    number = options.training or (matched.num_patients - options.strangers) // 2
    harness.write(
        f"{number} training and {number} held-out patients, {options.strangers} "
        f"strangers with {options.windows} windows each, {options.deals} deals: "
        f"{num_failed} failed ({', '.join(failed) or 'none'}), {num_passed} passed."
    )
    if not powers:
        return
    levels = list(next(iter(powers.values()))[0])
    harness.write_header(
        "copies", *(f"power at {level:.2%} a test" for level in levels)
    )
    for kind, of_deals in powers.items():
        means = [
            np.mean([of_levels[level] for of_levels in of_deals]) for level in levels
        ]
        harness.write_row(kind, *(f"{mean:.2f}" for mean in means))


# search


def find_by_fft(patches: np.ndarray, image: np.ndarray, norms: np.ndarray) -> list:
    """Returns best row, column and flip of each patch, one FFT map per flip."""
    shape = tuple(scipy.fft.next_fast_len(side, real=True) for side in image.shape)
    spectrum = scipy.fft.rfft2(image, shape)
    found = []
    for patch in patches:
        turned = flip_patches(
            np.repeat(patch[None], len(FLIPS), axis=0),
            np.arange(len(FLIPS), dtype=np.uint8),
        )
        maps = scipy.fft.irfft2(
            spectrum * scipy.fft.rfft2(turned, shape).conj(), shape
        )[:, : norms.shape[0], : norms.shape[1]]
        flip, row, column = np.unravel_index((maps * norms).argmax(), maps.shape)
        found.append((row, column, flip))
    return np.array(found).T


def report_search(options: argparse.Namespace) -> None:
    """Writes CPU seconds of both."""
    size, side = options.size, options.side
    num_patches = 10 if options.quick else options.patches
    rng = np.random.default_rng(0)
    image = rng.normal(size=(side, side)).astype(np.float32)
    patches = rng.normal(size=(num_patches, size, size)).astype(np.float32)
    patches -= patches.mean(axis=(1, 2), keepdims=True)
    patches /= np.linalg.norm(patches, axis=(1, 2), keepdims=True)
    norms = inverse_norms(image, size, 0.0)
    with threadpoolctl.threadpool_limits(1, "blas"):
        search = PositionSearch(patches)
        start = time.process_time()
        by_products = search.find(image, norms)
        between = time.process_time()
        by_fft = find_by_fft(patches, image, norms)
        end = time.process_time()
    agree = np.mean([(a == b) for a, b in zip(by_products, by_fft, strict=True)])
    harness.write(
        f"{num_patches} patches of {size} pixels in {side} x {side}: "
        f"{between - start:.2f} s by products, {end - between:.2f} s by FFTs; "
        f"{agree:.2%} of the places agree."
    )


def main() -> None:
    """Writes what was asked for."""
    parser = harness.make_parser(__doc__)
    parts = parser.add_subparsers(dest="part", required=True)
    whole = parts.add_parser("whole")
    whole.add_argument("--work", type=Path, required=True, help="folder to work in")
    whole.add_argument("--samples", type=int, default=10_000)
    whole.add_argument("--classes", nargs="+", default=["positive"])
    whole.add_argument("--kill-after", type=float, help="seconds")
    leaks, kinds = parts.add_parser("leaks"), parts.add_parser("kinds")
    for part in (leaks, kinds):
        part.add_argument("--config", type=Path, required=True)
        part.add_argument("--control", type=int, required=True)
        part.add_argument("--samples", type=int, default=1000)
        part.add_argument("--weights", type=Path, help="of vgg16_block5")
    deals = parts.add_parser("deals")
    deals.add_argument("--work", type=Path, required=True, help="keeps the matches")
    deals.add_argument("--both", action="store_true", help="classes as one")
    deals.add_argument("--windows", type=int, default=60, help="of each patient")
    deals.add_argument("--copies", type=int, default=2, help="per kind and patient")
    deals.add_argument("--strangers", type=int, default=6)
    deals.add_argument("--training", type=int, help="half of the others by default")
    deals.add_argument("--patients", type=int, help="all by default")
    deals.add_argument("--deals", type=int, default=100)
    for part in (leaks, kinds, deals):
        part.add_argument("--store", type=Path, required=True)
        part.add_argument("--label", default="positive")
        part.add_argument("--resolution", type=int, default=32)
    search = parts.add_parser("search")
    search.add_argument("--patches", type=int, default=1000)
    search.add_argument("--size", type=int, default=16, help="of a patch, pixels")
    search.add_argument("--side", type=int, default=128, help="of the image, pixels")
    options = parser.parse_args()
    harness.write_machine()
    {
        "whole": report_whole,
        "leaks": report_leaks,
        "kinds": report_kinds,
        "deals": report_deals,
        "search": report_search,
    }[options.part](options)


if __name__ == "__main__":
    main()
