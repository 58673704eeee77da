"""Expected values: GFLOP per image that were counted for other implementations."""

import pytest

from gastritis_gan.models.flops import discriminator_flops, generator_flops

# resolution, generator and discriminator at latent 512, fmap_base 8192
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
