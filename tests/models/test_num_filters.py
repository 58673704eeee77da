from __future__ import annotations

import pytest

from gastritis_gan.models.num_filters import block_resolutions, num_filters


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
