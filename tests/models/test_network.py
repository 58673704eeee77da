from __future__ import annotations

import numpy as np
import pytest

from gastritis_gan.models.network import get_weights_by_name, set_weights_by_name

GENERATOR_LAYERS = (
    "4x4_dense", "4x4_conv", "8x8_conv0", "8x8_conv1", "to_rgb_8x8", "to_rgb_4x4",
)  # fmt: skip
DISCRIMINATOR_LAYERS = (
    "from_rgb_8x8", "8x8_conv0", "8x8_conv1", "4x4_conv", "4x4_dense0", "4x4_dense1",
)  # fmt: skip


def test_names(make_generator, make_discriminator):
    for network, layers in [
        (make_generator(8, transition=True), GENERATOR_LAYERS),
        (make_discriminator(8), DISCRIMINATOR_LAYERS),
    ]:
        assert set(get_weights_by_name(network)) == {
            f"{layer}/{weight}" for layer in layers for weight in ("kernel", "bias")
        }


def test_weights_are_a_copy(make_generator):
    generator = make_generator(4)
    weights = get_weights_by_name(generator)
    before = weights["4x4_conv/kernel"].copy()
    generator.conv.kernel.assign(0 * before)
    np.testing.assert_array_equal(weights["4x4_conv/kernel"], before)


def test_a_grown_network_keeps_what_is_new_and_takes_what_is_old(make_generator):
    small = get_weights_by_name(make_generator(8, seed=1))
    grown = make_generator(16, transition=True, seed=2)
    before = get_weights_by_name(grown)
    set_weights_by_name(grown, small, partial=True)
    after = get_weights_by_name(grown)
    for name in after:
        np.testing.assert_array_equal(after[name], small.get(name, before[name]))
    assert "to_rgb_8x8/kernel" in small.keys() & after.keys()


def test_from_transition_to_stable_leaves_the_old_path_out(make_generator):
    weights = get_weights_by_name(make_generator(16, transition=True, seed=1))
    stable = make_generator(16, seed=2)
    with pytest.raises(ValueError, match=r"Unknown: \['to_rgb_8x8/bias'"):
        set_weights_by_name(stable, weights)
    set_weights_by_name(stable, weights, partial=True)
    assert get_weights_by_name(stable).keys() < weights.keys()


def test_a_missing_name_is_refused(make_generator):
    generator = make_generator(4)
    weights = get_weights_by_name(generator)
    del weights["4x4_conv/bias"]
    with pytest.raises(
        ValueError, match=r"Missing: \['4x4_conv/bias'\]. Unknown: \[\]"
    ):
        set_weights_by_name(generator, weights)


def test_a_wrong_shape_is_named_and_nothing_is_set(make_generator):
    generator = make_generator(4, seed=1)
    weights = get_weights_by_name(make_generator(4, seed=2))
    weights["4x4_dense/bias"] = np.zeros(3)
    before = get_weights_by_name(generator)
    with pytest.raises(ValueError, match=r"4x4_dense/bias \(3,\) instead of \(8,\)"):
        set_weights_by_name(generator, weights, partial=True)
    for name, array in get_weights_by_name(generator).items():
        np.testing.assert_array_equal(array, before[name])


def test_weights_of_something_else_are_refused(make_generator):
    with pytest.raises(ValueError, match="no name of the model"):
        set_weights_by_name(make_generator(4), {"x/y": np.zeros(1)}, partial=True)
