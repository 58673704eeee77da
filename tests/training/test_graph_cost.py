import keras
import numpy as np
import pytest
import tensorflow as tf

from gastritis_gan.models.network_size import discriminator_flops, generator_flops
from gastritis_gan.training.graph_cost import forward_cost


def test_layers_by_hand():
    """Batch 2: the convolution has 2 * 8 * 8 * 5 outputs of 3 * 3 * 4 multiply-adds,
    the transposed one spreads 2 * 8 * 8 inputs of 5 over 2 * 2 * 3, and the dense one
    has 2 * 7 outputs of 16 * 16 * 3 multiply-adds."""
    model = keras.Sequential(
        [
            keras.layers.Input((8, 8, 4)),
            keras.layers.Conv2D(5, 3, padding="same"),
            keras.layers.Conv2DTranspose(3, 2, strides=2),
            keras.layers.Flatten(),
            keras.layers.Dense(7),
        ]
    )
    multiply_adds = (
        2 * 8 * 8 * 5 * 3 * 3 * 4 + 2 * 8 * 8 * 5 * 2 * 2 * 3 + 2 * 7 * 16 * 16 * 3
    )
    assert forward_cost(model, (2, 8, 8, 4)).flops == 2 * multiply_adds


def test_activations_are_counted_once_each():
    def two_steps(images):
        return tf.exp(images) + 1.0

    # The input, its exponential, and the sum; functions may add identities.
    assert forward_cost(two_steps, (4, 10)).activation_bytes == pytest.approx(
        3 * 4 * 10 * 4, abs=4 * 10 * 4
    )


@pytest.mark.parametrize("resolution", [4, 8])
def test_the_progressive_networks_agree_with_their_formula(resolution):
    """The formula has upscaling as the paper writes it; it costs a quarter of that."""
    from gastritis_gan.training.plan import schedule_of
    from gastritis_gan.training.stage_model import build_stage_model

    from .tiny import CONFIG

    (stage,) = [
        s
        for s in schedule_of(CONFIG, "pggan").stages
        if s.resolution == resolution and not s.transition
    ]
    model = build_stage_model(CONFIG, stage, None, model="pggan")
    width = {"fmap_base": 64, "fmap_max": 8}
    size = stage.resolution
    discriminator = forward_cost(model.discriminator, (4, size, size, 1)).flops
    generator = forward_cost(model.generator, (4, 8)).flops
    expected = np.array(
        [
            discriminator_flops(size, **width),
            generator_flops(size, latent_dim=8, **width),
        ]
    )
    if resolution == 8:  # 9 multiply-adds of 8 x 8 maps for a quarter of 8 x 8 pixels
        expected[1] -= 2 * 9 * 8 * 8 * (8 * 8 - 4 * 4)
    np.testing.assert_array_equal(np.array([discriminator, generator]) / 4, expected)
