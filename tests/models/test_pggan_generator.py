from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

from gastritis_gan.models.network import get_weights_by_name, set_weights_by_name
from gastritis_gan.models.pggan import ProgressiveGenerator
from tests.helpers.layer_checks import save_and_load

LATENTS = tf.random.stateless_normal((4, 6), seed=(0, 0))


@pytest.mark.parametrize("transition", [False, True])
def test_config_and_file_round_trip(make_generator, tmp_path, transition):
    generator = make_generator(16, num_channels=3, transition=transition, seed=7)
    alpha = 0.3 if transition else None
    images = generator(LATENTS, alpha=alpha)
    assert images.shape == (4, 16, 16, 3)
    config = generator.get_config()
    twin = ProgressiveGenerator.from_config(json.loads(json.dumps(config)))
    assert twin.get_config() == config
    np.testing.assert_array_equal(twin(LATENTS, alpha=alpha), images)  # same seed
    generator.dense.kernel.assign(generator.dense.kernel + 1.0)
    loaded = save_and_load(generator, tmp_path)
    np.testing.assert_array_equal(
        loaded(LATENTS, alpha=alpha), generator(LATENTS, alpha=alpha)
    )


@pytest.mark.parametrize("resolution", [4, 64, 1024])
def test_every_resolution(resolution):
    generator = ProgressiveGenerator(
        resolution, latent_dim=2, fmap_base=1024, fmap_max=2
    )
    assert generator(np.ones((1, 2))).shape == (1, resolution, resolution, 1)


def test_parameters_of_the_full_width_network():
    generator = ProgressiveGenerator(256, latent_dim=512, fmap_base=8192, fmap_max=512)
    # The original, for 256 pixels, has 23,039,303: with a `to_rgb` of one channel for
    # every lower resolution too.
    lower_to_rgb = sum(width + 1 for width in (512, 512, 512, 512, 256, 128))
    assert generator.count_params() == 23_039_303 - lower_to_rgb


def test_length_of_latents_does_not_matter(make_generator):
    generator = make_generator(8)
    np.testing.assert_allclose(generator(LATENTS), generator(100 * LATENTS), atol=1e-5)


def test_alpha_0_is_the_upsampled_smaller_network(make_generator):
    small = make_generator(8)
    grown = make_generator(16, transition=True, seed=1)
    set_weights_by_name(grown, get_weights_by_name(small), partial=True)
    expected = np.kron(small(LATENTS), np.ones((1, 2, 2, 1)))
    np.testing.assert_array_equal(grown(LATENTS, alpha=tf.constant(0.0)), expected)


def test_alpha_1_is_the_stable_network_and_leaves_the_old_path_alone(make_generator):
    transition = make_generator(16, transition=True)
    stable = make_generator(16, seed=1)
    set_weights_by_name(stable, get_weights_by_name(transition), partial=True)
    with tf.GradientTape() as tape:
        images = transition(LATENTS, alpha=tf.constant(1.0))
    np.testing.assert_allclose(images, stable(LATENTS), atol=1e-6)
    for gradient in tape.gradient(images, transition.old_to_rgb.weights):
        np.testing.assert_array_equal(gradient, 0)


def test_every_weight_learns_within_a_transition(make_generator):
    generator = make_generator(16, transition=True)
    with tf.GradientTape() as tape:
        images = generator(LATENTS, alpha=tf.constant(0.5))
    for gradient in tape.gradient(images, generator.trainable_variables):
        assert np.any(gradient)


def test_initial_weights_do_not_depend_on_the_final_resolution(make_generator):
    small = get_weights_by_name(make_generator(8))
    large = get_weights_by_name(make_generator(32))
    shared = small.keys() & large.keys()
    assert shared == small.keys() - {"to_rgb_8x8/kernel", "to_rgb_8x8/bias"}
    for name in shared:
        np.testing.assert_array_equal(small[name], large[name])


def test_initial_weights_differ_by_seed_and_by_layer(make_generator):
    weights = get_weights_by_name(make_generator(16))
    other_seed = get_weights_by_name(make_generator(16, seed=1))
    name = "8x8_conv1/kernel"
    assert not np.allclose(weights[name], other_seed[name])
    assert not np.allclose(weights[name], weights["8x8_conv0/kernel"])


def test_global_seeds_are_not_used(make_generator):
    tf.random.set_seed(1)
    first = get_weights_by_name(make_generator(4))
    tf.random.set_seed(2)
    second = get_weights_by_name(make_generator(4))
    np.testing.assert_array_equal(first["4x4_conv/kernel"], second["4x4_conv/kernel"])


def test_alpha_belongs_to_a_transition(make_generator):
    with pytest.raises(ValueError, match="needs `alpha`"):
        make_generator(8, transition=True)(LATENTS)
    with pytest.raises(ValueError, match="nothing to fade"):
        make_generator(8)(LATENTS, alpha=0.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"resolution": 12}, "`resolution` must be a power of two from 4"),
        ({"resolution": 8, "latent_dim": 0}, "`latent_dim` must be at least 1"),
        ({"resolution": 8, "num_channels": 0}, "`num_channels` must be at least 1"),
        (
            {"resolution": 4, "transition": True},
            "`transition` needs a lower resolution",
        ),
        ({"resolution": 8, "fmap_base": 3}, "`fmap_base` must be at least 4"),
    ],
)
def test_wrong_arguments(make_generator, arguments, message):
    with pytest.raises(ValueError, match=message):
        make_generator(**arguments)


def test_wrong_latents(make_generator):
    with pytest.raises(ValueError, match=r"expected shape=.None, 6."):
        make_generator(4)(np.ones((1, 5), np.float32))
