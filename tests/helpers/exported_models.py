"""Exported models of a small generator; the whole test session has them once."""

from pathlib import Path

import numpy as np
import pytest

METADATA = {
    "model": "lc_pggan",
    "target": "positive",
    "class_name": "gastritis",
    "split_hash": "0" * 64,
    "resolution": 16,
    "latent_dim": 8,
    "num_images": 1000,
    "seed": 3,
    "config": {"networks": {"latent_dim": 8}},
}


def make_generator(seed: int = 0):
    """Returns a small generator with weights of its own."""
    from gastritis_gan.models.pggan import ProgressiveGenerator

    generator = ProgressiveGenerator(
        16, latent_dim=8, fmap_base=64, fmap_max=16, seed=seed
    )
    rng = np.random.default_rng(seed)
    for variable in generator.variables:  # initial biases are 0 and would hide a loss
        variable.assign(variable + 0.1 * rng.normal(size=variable.shape))
    return generator


@pytest.fixture(scope="session")
def generator():
    return make_generator()


@pytest.fixture(scope="session")
def metadata() -> dict:
    return METADATA


@pytest.fixture(scope="session")
def exported(generator, tmp_path_factory) -> Path:
    """The folder of version 1; tests must not change it."""
    return _export(generator, tmp_path_factory.mktemp("exported"))


@pytest.fixture(scope="session")
def other_exported(tmp_path_factory) -> Path:
    """Like `exported`, with other weights."""
    return _export(make_generator(7), tmp_path_factory.mktemp("other"))


def _export(generator, folder: Path) -> Path:
    from gastritis_gan.serving.export import export_generator

    return export_generator(
        generator, exported_dir=folder, name="small", metadata=METADATA
    ).path
