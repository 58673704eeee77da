"""The matrices against the sums that they stand for."""

from __future__ import annotations

import numpy as np

from gastritis_gan.layers.cpu.filtering import HALVING, SAME


def outputs_of(filtering, tile, kernel):
    of_inputs, of_kernel, to_outputs = (
        np.array(matrix)
        for matrix in (filtering.of_inputs, filtering.of_kernel, filtering.to_outputs)
    )
    return to_outputs @ ((of_inputs @ tile) * (of_kernel @ kernel))


def test_same_has_one_output_per_input(rng):
    tile, kernel = rng.normal(size=6), rng.normal(size=3)
    expected = [sum(kernel[k] * tile[i + k] for k in range(3)) for i in range(4)]
    np.testing.assert_allclose(outputs_of(SAME, tile, kernel), expected)


def test_halving_has_the_mean_of_every_two(rng):
    tile, kernel = rng.normal(size=6), rng.normal(size=3)
    full = [sum(kernel[k] * tile[i + k] for k in range(3)) for i in range(4)]
    expected = [(full[0] + full[1]) / 2, (full[2] + full[3]) / 2]
    np.testing.assert_allclose(outputs_of(HALVING, tile, kernel), expected)


def test_sizes():
    assert (SAME.block, SAME.num_products, SAME.num_outputs) == (4, 6, 4)
    assert (HALVING.block, HALVING.num_products, HALVING.num_outputs) == (4, 5, 2)


def test_the_second_product_counts_in_every_output():
    for filtering in (SAME, HALVING):  # the gradient of a bias is read from it
        assert all(row[1] == 1 for row in filtering.to_outputs)
