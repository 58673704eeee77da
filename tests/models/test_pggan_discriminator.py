from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

from gastritis_gan.models.network import get_weights_by_name, set_weights_by_name
from gastritis_gan.models.pggan import ProgressiveDiscriminator
from tests.helpers.layer_checks import save_and_load

IMAGES = tf.random.stateless_normal((4, 16, 16, 1), seed=(0, 0))


@pytest.mark.parametrize("transition", [False, True])
def test_config_and_file_round_trip(make_discriminator, tmp_path, transition):
    discriminator = make_discriminator(
        16,
        num_channels=3,
        mbstd_group_size=2,
        fused_scale=True,
        transition=transition,
        seed=7,
    )
    images = tf.random.stateless_normal((4, 16, 16, 3), seed=(0, 0))
    alpha = 0.3 if transition else None
    scores = discriminator(images, alpha=alpha)
    assert scores.shape == (4, 1)
    config = discriminator.get_config()
    twin = ProgressiveDiscriminator.from_config(json.loads(json.dumps(config)))
    assert twin.get_config() == config
    np.testing.assert_array_equal(twin(images, alpha=alpha), scores)  # same seed
    discriminator.dense1.kernel.assign(discriminator.dense1.kernel + 1.0)
    loaded = save_and_load(discriminator, tmp_path)
    np.testing.assert_array_equal(
        loaded(images, alpha=alpha), discriminator(images, alpha=alpha)
    )


@pytest.mark.parametrize("resolution", [4, 64, 1024])
def test_every_resolution(resolution):
    discriminator = ProgressiveDiscriminator(resolution, fmap_base=1024, fmap_max=2)
    images = np.ones((1, resolution, resolution, 1), np.float32)
    assert discriminator(images).shape == (1, 1)


def test_parameters_of_the_full_width_network():
    discriminator = ProgressiveDiscriminator(256, fmap_base=8192, fmap_max=512)
    # The original, for 256 pixels, has 23,047,361: with a `from_rgb` of one channel for
    # every lower resolution too.
    lower_from_rgb = sum(2 * width for width in (512, 512, 512, 512, 256, 128))
    assert discriminator.count_params() == 23_047_361 - lower_from_rgb


def test_fused_scale_is_another_function_of_the_same_weights(make_discriminator):
    plain, fused = make_discriminator(16), make_discriminator(16, fused_scale=True)
    set_weights_by_name(fused, get_weights_by_name(plain))
    assert not np.allclose(plain(IMAGES), fused(IMAGES), atol=1e-3)


@pytest.mark.parametrize("fused_scale", [False, True])
def test_alpha_0_is_the_smaller_network_of_the_downsampled_images(
    make_discriminator, fused_scale
):
    small = make_discriminator(8, fused_scale=fused_scale)
    grown = make_discriminator(16, fused_scale=fused_scale, transition=True, seed=1)
    set_weights_by_name(grown, get_weights_by_name(small), partial=True)
    coarse = IMAGES.numpy().reshape(4, 8, 2, 8, 2, 1).mean(axis=(2, 4))
    fine = np.repeat(np.repeat(coarse, 2, axis=1), 2, axis=2)  # averages exactly
    np.testing.assert_array_equal(grown(fine, alpha=tf.constant(0.0)), small(coarse))


def test_alpha_1_is_the_stable_network_and_leaves_the_old_path_alone(
    make_discriminator,
):
    transition = make_discriminator(16, transition=True)
    stable = make_discriminator(16, seed=1)
    set_weights_by_name(stable, get_weights_by_name(transition), partial=True)
    with tf.GradientTape() as tape:
        scores = transition(IMAGES, alpha=tf.constant(1.0))
    np.testing.assert_allclose(scores, stable(IMAGES), atol=1e-6)
    for gradient in tape.gradient(scores, transition.old_from_rgb.weights):
        np.testing.assert_array_equal(gradient, 0)


def test_alpha_matters_at_the_first_transition(make_discriminator):
    discriminator = make_discriminator(8, transition=True)
    images = IMAGES[:, :8, :8]
    difference = discriminator(images, alpha=0.5) - discriminator(images, alpha=0.0)
    assert np.abs(difference).max() > 1e-3


def test_scores_see_the_variety_of_the_batch(make_discriminator):
    discriminator = make_discriminator(16)
    same = tf.repeat(IMAGES[:1], 4, axis=0)
    assert not np.allclose(discriminator(same)[0], discriminator(IMAGES)[0], atol=1e-4)


def test_initial_weights_differ_from_the_generators(make_discriminator, make_generator):
    ours = get_weights_by_name(make_discriminator(8))["8x8_conv0/kernel"]
    theirs = get_weights_by_name(make_generator(8))["8x8_conv0/kernel"]
    assert ours.shape == theirs.shape
    assert not np.allclose(ours, theirs)


def test_alpha_belongs_to_a_transition(make_discriminator):
    with pytest.raises(ValueError, match="needs `alpha`"):
        make_discriminator(16, transition=True)(IMAGES)
    with pytest.raises(ValueError, match="nothing to fade"):
        make_discriminator(16)(IMAGES, alpha=0.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"resolution": 2048}, "`resolution` must be a power of two from 4"),
        ({"resolution": 8, "mbstd_group_size": 0}, "`group_size` must be at least 1"),
        (
            {"resolution": 4, "transition": True},
            "`transition` needs a lower resolution",
        ),
    ],
)
def test_wrong_arguments(make_discriminator, arguments, message):
    with pytest.raises(ValueError, match=message):
        make_discriminator(**arguments)


def test_wrong_images(make_discriminator):
    with pytest.raises(ValueError, match=r"expected shape=.None, 16, 16, 1."):
        make_discriminator(16)(IMAGES[:, :8])
