"""A store of stripes (positive) and blotches (negative), and generators of both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from click.testing import CliRunner, Result
from PIL import Image

from gastritis_gan.cli.main import main

CONFIG = """
cohort: {positive: striped, negative: blotched}
patches: {patch_size: 16, stride: 8}
split: {train_positive_patients: 2, train_negative_patients: 2}
schedule: {final_resolution: 16, batch_size: 4}
evaluation:
  extractors: [texture]
  samples_per_generator: 60
  patches_per_class: 40
  vote: inside
  controls: false
"""
PATIENTS = ["Ada", "Bea", "Cyd", "Dee", "Eve", "Flo", "Gus", "Hal"]  # half striped


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def make_workplace(
    path: Path,
    *,
    patients: list[str] = PATIENTS,
    images_per_patient: int = 2,
    config: str = CONFIG,
    outline_rows: slice = slice(8, None),
) -> Path:
    """Writes config.yaml and prepares `store`: the first half is striped."""
    (path / "config.yaml").write_text(config)
    outline = np.zeros((64, 64), np.uint8)
    outline[outline_rows] = 255
    Image.fromarray(outline).save(path / "outline.png")
    lines = ["image,patient,label,outline"]
    for number in range(images_per_patient * len(patients)):
        patient = patients[number // images_per_patient]
        positive = number < images_per_patient * len(patients) // 2
        Image.fromarray(draw_image(positive, number)).save(
            path / f"{patient}{number}.png"
        )
        label = "striped" if positive else "blotched"
        lines.append(f"{patient}{number}.png,{patient},{label},outline.png")
    (path / "cohort.csv").write_text("\n".join(lines) + "\n")
    result = invoke(
        "prepare", path, "--config", path / "config.yaml", "--out", path / "store",
        "--workers", 1,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    return path


def draw_image(positive: bool, seed: int) -> np.ndarray:
    """Returns a 64 x 64 image: fine stripes, or blotches of 8 x 8 pixels."""
    rng = np.random.default_rng(seed)
    if positive:
        image = np.tile([60, 200], (64, 32)) + rng.normal(0, 10, (64, 64))
    else:
        image = np.kron(rng.integers(60, 200, (8, 8)), np.ones((8, 8)))
    return np.clip(image, 0, 255).astype(np.uint8)


def make_card(
    model: str,
    target: str,
    split_hash: str,
    *,
    name: str = "",
    resolution: int = 16,
    latent_dim: int = 1,
    seed: int = 0,
) -> dict:
    return {
        "name": name or f"{model}_{target}",
        "version": 1,
        "model": model,
        "target": target,
        "class_name": "striped" if target == "positive" else "blotched",
        "split_hash": split_hash,
        "resolution": resolution,
        "latent_dim": latent_dim,
        "seed": seed,
        "num_images": 1,
    }


class ToyGenerator:
    """Draws patches of a class as `ExportedModel` does, without TensorFlow.

    Attributes:
        num_images: How many it has drawn.
        num_closed: How often it was closed.
    """

    def __init__(self, card: dict, *, positive: bool | None = None) -> None:
        self.card = card
        self.model_hash = f"{card['name']} {card['seed']}"
        self.resolution = card["resolution"]
        self.positive = card["target"] == "positive" if positive is None else positive
        self.num_images = self.num_closed = 0

    def generate(self, seeds: np.ndarray) -> np.ndarray:
        self.num_images += len(seeds)
        size = self.resolution
        images = [draw_image(self.positive, int(seed))[:size, :size] for seed in seeds]
        return np.stack(images)[..., None]

    def close(self) -> None:
        self.num_closed += 1
