from __future__ import annotations

import functools

import pytest

from gastritis_gan.models.pggan import ProgressiveDiscriminator, ProgressiveGenerator


@pytest.fixture
def make_generator():
    return functools.partial(
        ProgressiveGenerator, latent_dim=6, fmap_base=32, fmap_max=8
    )


@pytest.fixture
def make_discriminator():
    return functools.partial(ProgressiveDiscriminator, fmap_base=32, fmap_max=8)
