from __future__ import annotations

import pytest

from gastritis_gan.models.network_size import (
    block_resolutions,
    discriminator_flops,
    generator_flops,
    num_filters,
)


def test_widths_of_table_2():
    # Karras et al. 2018, Table 2: 1024 x 1024 networks.
    table = {
        4: 512,
        8: 512,
        16: 512,
        32: 512,
        64: 256,
        128: 128,
        256: 64,
        512: 32,
        1024: 16,
    }
    actual = {r: num_filters(r, fmap_base=8192, fmap_max=512) for r in table}
    assert actual == table


def test_last_hidden_layer_of_the_discriminator():
    assert num_filters(2, fmap_base=128, fmap_max=512) == 128


@pytest.mark.parametrize("resolution", [0, -4, 1, 6, 2048])
def test_resolution_out_of_range(resolution):
    with pytest.raises(ValueError, match=f"power of two from 2.*{resolution}"):
        num_filters(resolution, fmap_base=8192, fmap_max=512)


def test_no_feature_map_left():
    with pytest.raises(ValueError, match="`fmap_base` must be at least 128"):
        num_filters(256, fmap_base=100, fmap_max=16)


def test_block_resolutions():
    assert block_resolutions(4) == (4,)
    assert block_resolutions(64) == (4, 8, 16, 32, 64)


@pytest.mark.parametrize("resolution", [0, 2, 12, 2048])
def test_block_resolutions_out_of_range(resolution):
    with pytest.raises(ValueError, match=f"power of two from 4.*{resolution}"):
        block_resolutions(resolution)


# GFLOP per image that were counted for other implementations: resolution, generator
# and discriminator at latent 512, fmap_base 8192
COUNTED = {
    64: [
        (4, 0.0022, 0.0013),
        (32, 0.2005, 0.1996),
        (256, 12.8924, 12.8915),
    ],
    512: [
        (4, 0.0839, 0.0841),
        (64, 27.2651, 27.2652),
        (256, 56.2624, 56.2625),
    ],
}


@pytest.mark.parametrize(
    ("fmap_max", "resolution", "g_expected", "d_expected"),
    [(width, *row) for width, rows in COUNTED.items() for row in rows],
)
def test_flops_equal_the_counted_ones(fmap_max, resolution, g_expected, d_expected):
    width = {"fmap_base": 8192, "fmap_max": fmap_max}
    g_actual = generator_flops(resolution, latent_dim=512, **width)
    d_actual = discriminator_flops(resolution, **width)
    assert round(g_actual / 1e9, 4) == g_expected
    assert round(d_actual / 1e9, 4) == d_expected
