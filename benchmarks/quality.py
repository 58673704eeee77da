r"""Quality of samples at equal CPU time: own models and a peer, judged by VGG-16.

Trains every model of a config for each class and seed, then the peer pro-gan-pth (if
`--peer-python` names an interpreter that has it) on the same patches with the same
widths, stages and averaging, for as many CPU-seconds as the own PGGAN took; dcgan gets
as many images as these allow. The judge knows none of them: the Frechet distance of
VGG-16 `block5` features (global average, images doubled by repetition) between samples
and patches of the store's test patients, and C2ST, the AUC of a logistic regression
that tells the two apart (0.5: it cannot). The floor is patches of the training
patients, the other class is patches of its training patients.

    python benchmarks/quality.py --config configs/phantom_32.yaml --out quality \
      --store stores/phantom --weights vgg16_imagenet_notop.weights.h5 \
      --peer-python peer/bin/python

The same command resumes what was stopped; `--out` keeps runs, samples and figures.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from harness import (
    GASTRITIS_GAN,
    STEPS,
    integers,
    make_parser,
    run_command,
    write,
    write_header,
    write_machine,
    write_row,
)

import gastritis_gan as gg  # first: it sets TensorFlow up

PEER = "pro-gan-pth"
OTHER = {"positive": "negative", "negative": "positive"}
SAMPLES = {32: 4000, 64: 1500}  # of the protocol, at other resolutions the latter
DCGAN_TRIAL_IMAGES = 6400


def main() -> None:
    """Prints a table for each class."""
    options = _options()
    config = yaml.safe_load(options.config.read_text(encoding="utf-8"))
    if options.quick:
        options.targets, options.seeds = ["positive"], [0]
    write_machine(config=options.config.name, seeds=options.seeds)
    judge = Judge(options.store, options.weights, config, quick=options.quick)
    for target in options.targets:
        anchors = judge.anchors(target)
        write(
            f"\n{target}: floor {anchors['floor']:.0f}, other class "
            f"{anchors['other']:.0f} ({anchors['other'] / anchors['floor']:.1f} floors)"
        )
        write_header("model", "seed", "CPU-s", "images", "Frechet", "in floors", "C2ST")
        for seed in options.seeds:
            budget = None
            for model in options.models:
                done = Training(
                    options=options,
                    config=config,
                    model=model,
                    target=target,
                    seed=seed,
                    budget=budget,
                ).result()
                if model == "pggan":
                    budget = done["cpu_seconds"]
                frechet, c2st = judge.verdict(done["samples"], target)
                write_row(
                    model,
                    seed,
                    round(done["cpu_seconds"]),
                    done["num_images"],
                    round(frechet),
                    f"{frechet / anchors['floor']:.1f}",
                    f"{c2st:.3f}",
                )


def _options() -> Any:
    parser = make_parser(__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument(
        "--weights", type=Path, required=True, help="VGG-16 without top, of Keras"
    )
    parser.add_argument("--out", type=Path, required=True, help="runs and samples")
    parser.add_argument(
        "--models", type=lambda text: text.split(","), default=["pggan", "dcgan"]
    )
    parser.add_argument(
        "--targets",
        type=lambda text: text.split(","),
        default=["positive", "negative"],
    )
    parser.add_argument("--seeds", type=integers, default=[0])
    parser.add_argument("--peer-python", help=f"an interpreter that has {PEER}")
    parser.add_argument(
        "--peer-rate", type=float, default=0.003, help="its own default"
    )
    options = parser.parse_args()
    if options.peer_python:
        options.models.append(PEER)
    if options.models[0] != "pggan" and len(options.models) > 1:
        sys.exit("--models must begin with pggan: its CPU time is the others' budget.")
    options.out.mkdir(parents=True, exist_ok=True)
    return options


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """One training, and what is left of it in `--out`.

    Attributes:
        options: Of the command.
        config: The experiment.
        model: An own one, or the peer.
        target: The class to imitate.
        seed: Of the training.
        budget: CPU-seconds that it may take; None: as many as its config takes.
    """

    options: Any
    config: dict[str, Any]
    model: str
    target: str
    seed: int
    budget: float | None

    @property
    def name(self) -> str:
        """Of its files."""
        return f"{self.model}_{self.target}_{self.seed}"

    def file(self, suffix: str) -> Path:
        """Returns a file of its own."""
        return Path(self.options.out / f"{self.name}{suffix}")

    def result(self) -> dict[str, Any]:
        """Returns `cpu_seconds`, `num_images` and `samples`, from files if there."""
        record = self.file(".json")
        if not record.exists():
            done = self._of_peer() if self.model == PEER else self._of_own()
            record.write_text(json.dumps(done), encoding="utf-8")
        found: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
        return {**found, "samples": np.load(self.file(".npy"))}

    def _of_own(self) -> dict[str, Any]:
        config = self.config
        if self.model == "dcgan" and self.budget is not None:
            config = self._dcgan_within(self.budget)
        run, cpu_seconds = self._fit(config, self.name)
        name = self.name.replace("_", "-")
        exported = run.export(self.options.out / "exported", name=name)
        number = _num_samples(run.recipe.final_resolution, self.options.quick)
        np.save(self.file(".npy"), exported.generate(seeds=range(number)))
        num_images = run.recipe.schedule.num_images
        return {"cpu_seconds": cpu_seconds, "num_images": num_images}

    def _fit(self, config: dict[str, Any], name: str) -> tuple[Any, float]:
        """Trains a run or resumes it; its CPU time is summed up over the pieces."""
        out = self.options.out
        path, spent, file = (
            out / "runs" / name,
            out / f"{name}.spent",
            out / f"{name}.yaml",
        )
        training = {**config.get("training", {}), "seed": self.seed}
        text = yaml.safe_dump({**config, "training": training}, sort_keys=False)
        file.write_text(text, encoding="utf-8")
        words = ["--config", file, "--store", self.options.store]
        words += ["--model", self.model, "--target", self.target, "--run", path]
        usage = run_command(
            *GASTRITIS_GAN, "fit", *words, *(["--resume"] if path.exists() else [])
        )
        before = float(spent.read_text()) if spent.exists() else 0.0
        spent.write_text(str(before + usage.cpu))
        return gg.open_run(path), before + usage.cpu

    def _dcgan_within(self, budget: float) -> dict[str, Any]:
        """Returns the config with as many images as the budget allows, by a trial."""

        def with_images(num_images: int) -> dict[str, Any]:
            dcgan = {**self.config.get("dcgan", {}), "num_images": num_images}
            return {**self.config, "dcgan": dcgan}

        few = 256 if self.options.quick else DCGAN_TRIAL_IMAGES
        seconds = [
            self._fit(with_images(n), f"{self.name}_trial_{n}")[1]
            for n in (few, 3 * few)
        ]
        per_image = max(seconds[1] - seconds[0], 1e-3) / (2 * few)
        start = max(seconds[0] - few * per_image, 0)
        return with_images(max(int((budget - start) / per_image), few))

    def _of_peer(self) -> dict[str, Any]:
        from gastritis_gan.training.recipe import make_recipe

        sections = gg.load_config(self.options.config)
        store = gg.open_store(self.options.store)
        resolution = sections.schedule.final_resolution
        patches = self.options.out / f"patches_{self.target}_{resolution}.npy"
        if not patches.exists():
            indices = store.patch_set(self.target, "train")
            np.save(patches, store.read(indices, resolution))
        schedule = make_recipe("pggan", sections.training_sections).schedule
        case = {
            "patches": str(patches),
            "samples": str(self.file(".npy")),
            "num_samples": _num_samples(resolution, self.options.quick),
            "stages": [
                (stage.resolution, stage.transition, stage.batch_size, stage.num_images)
                for stage in schedule.stages
            ],
            "latent_dim": sections.networks.latent_dim,
            "fmap_base": sections.networks.fmap_base,
            "fmap_max": sections.networks.fmap_max,
            "ema_half_life_images": sections.optimizer.ema_half_life_images,
            "learning_rate": self.options.peer_rate,
            "seed": self.seed,
            "cpu_seconds": self.budget,
            "result": str(self.file(".result.json")),
        }
        file = self.file(".case.json")
        file.write_text(json.dumps(case), encoding="utf-8")
        run_command(self.options.peer_python, STEPS / "pro_gan_pth_training.py", file)
        result: dict[str, Any] = json.loads(Path(case["result"]).read_text())
        return result


def _num_samples(resolution: int, quick: bool) -> int:
    return 64 if quick else SAMPLES.get(resolution, SAMPLES[64])


class Judge:
    """Compares samples with patches of test patients; no code of the project.

    Args:
        store: Where the patches come from.
        weights: VGG-16 without top, a file of Keras.
        config: Of the experiment.
        quick: Compares a few.
    """

    def __init__(
        self, store: Path, weights: Path, config: Mapping[str, Any], *, quick: bool
    ) -> None:
        self._store = gg.open_store(store)
        self._weights = weights
        self._resolution = config["schedule"]["final_resolution"]
        self._most = _num_samples(self._resolution, quick)

    @functools.cached_property
    def _network(self) -> Any:
        import keras

        base = keras.applications.VGG16(include_top=False, weights=None)
        base.load_weights(self._weights)
        pooled = keras.layers.GlobalAveragePooling2D()(base.output)
        return keras.Model(base.input, pooled)

    def features(self, images: np.ndarray) -> np.ndarray:
        """Returns `(n, 512)` of uint8 `(n, r, r, 1)`."""
        import keras

        parts = []
        for start in range(0, len(images), 250):
            part = images[start : start + 250].repeat(2, axis=1).repeat(2, axis=2)
            part = keras.applications.vgg16.preprocess_input(
                part.repeat(3, axis=3).astype(np.float32)
            )
            parts.append(np.asarray(self._network(part, training=False)))
        return np.concatenate(parts).astype(np.float64)

    @functools.lru_cache(maxsize=8)  # noqa: B019 - one judge
    def _real(self, name: str, split: str) -> np.ndarray:
        indices = self._store.patch_set(name, split)
        generator = np.random.default_rng(0)
        chosen = generator.choice(indices, min(self._most, len(indices)), replace=False)
        return self.features(self._store.read(np.sort(chosen), self._resolution))

    def anchors(self, target: str) -> dict[str, float]:
        """Returns the distances of real patches of training patients."""
        reference = self._real(target, "test")
        return {
            "floor": frechet(self._real(target, "train"), reference),
            "other": frechet(self._real(OTHER[target], "train"), reference),
        }

    def verdict(self, samples: np.ndarray, target: str) -> tuple[float, float]:
        """Returns Frechet distance and C2ST."""
        found, reference = self.features(samples), self._real(target, "test")
        return frechet(found, reference), c2st(found, reference)


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """Returns the Frechet distance between two sets of features."""
    values, vectors = np.linalg.eigh(np.cov(a.T))
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    inner = np.linalg.eigvalsh(root @ np.cov(b.T) @ root)
    trace = np.sqrt(np.maximum(inner, 0)).sum()
    difference = np.square(a.mean(axis=0) - b.mean(axis=0)).sum()
    return float(difference + np.cov(a.T).trace() + np.cov(b.T).trace() - 2 * trace)


def c2st(a: np.ndarray, b: np.ndarray) -> float:
    """Returns the AUC on one half of a classifier that the other half trained."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    generator = np.random.default_rng(0)
    a, b = generator.permutation(a), generator.permutation(b)
    half_a, half_b = len(a) // 2, len(b) // 2
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
    model.fit(
        np.concatenate([a[:half_a], b[:half_b]]), np.repeat([0, 1], [half_a, half_b])
    )
    scores = model.decision_function(np.concatenate([a[half_a:], b[half_b:]]))
    truth = np.repeat([0, 1], [len(a) - half_a, len(b) - half_b])
    return float(roc_auc_score(truth, scores))


if __name__ == "__main__":
    main()
