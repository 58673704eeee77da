import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from gastritis_gan.layers.cpu import winograd
from gastritis_gan.models.network_size import discriminator_flops, generator_flops
from gastritis_gan.training.forecast import (
    _Timer,
    activation_bytes,
    forecast,
    forward_flops,
    network_costs,
)
from gastritis_gan.training.gan_step import build_gan
from tests.helpers.tiny_run import FakeStore, sections_of, stages_of


def test_every_stage_is_tried():
    """The weights of 8 stable pixels by hand, for 8 feature maps everywhere.

    Generator: 16 * 8 * 8 + 8 and 9 * 8 * 8 + 8 at 4 pixels, twice 9 * 8 * 8 + 8 at 8
    pixels, 8 + 1 to grey. Discriminator: 8 + 8 from grey, twice 9 * 8 * 8 + 8, then
    9 * 9 * 8 + 8, 16 * 8 * 8 + 8 and 8 + 1.
    """
    sections = sections_of(schedule={"transition_images": 0})
    table = forecast(sections, FakeStore(), model="lc_pggan", target="positive")
    rows = [re.findall(r"[^|]+", line) for line in table.splitlines()[2:4]]
    stages = [[cell.strip() for cell in row[:4]] for row in rows]
    assert stages[0][:3] == ["4", "stable", "4"]
    assert stages[1] == ["8", "stable", "4", "2,793 + 2,881"]
    assert all(float(row[6].replace(",", "")) > 0 for row in rows)
    assert "Whole schedule:" in table


def test_steps_are_timed_one_by_one(monkeypatch):
    """A run does two steps of this stage in a call."""
    done = []
    original = _Timer.on_train_batch_end

    def remember(self, batch, logs=None):
        done.append(self.model.num_steps_done)
        original(self, batch, logs)

    monkeypatch.setattr(_Timer, "on_train_batch_end", remember)
    changes = {"schedule": {"final_resolution": 4}, "objective": {"lc_resolution": 4}}
    (spec,) = stages_of(**changes)
    assert spec.steps_per_call(0) == 2
    forecast(sections_of(**changes), FakeStore(), model="pggan", target="positive")
    assert done == list(range(1, len(done) + 1))


def test_operations_are_those_of_the_plain_sums(monkeypatch):
    """Training computes convolutions with fewer, and has other operations for them."""
    monkeypatch.setattr(winograd, "FEWEST_CHANNELS", 1)
    of_generator, of_discriminator = network_costs(build_gan(stages_of()[0]))
    width = {"fmap_base": 64, "fmap_max": 8}
    assert of_discriminator.flops == discriminator_flops(4, **width)
    assert of_generator.flops == generator_flops(4, latent_dim=8, **width)


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
    assert forward_flops(model, (2, 8, 8, 4)) == 2 * multiply_adds


def test_activations_are_counted_once_each():
    def two_steps(images):
        return tf.exp(images) + 1.0

    # The input, its exponential, and the sum; functions may add identities.
    assert activation_bytes(two_steps, (4, 10)) == pytest.approx(
        3 * 4 * 10 * 4, abs=4 * 10 * 4
    )


@pytest.mark.parametrize("resolution", [4, 8])
def test_the_progressive_networks_agree_with_their_formula(resolution):
    """The formula has upscaling as the paper writes it; it costs a quarter of that."""
    (spec,) = [
        s
        for s in stages_of()
        if s.stage.resolution == resolution and not s.stage.transition
    ]
    model = build_gan(spec)
    width = {"fmap_base": 64, "fmap_max": 8}
    size = spec.stage.resolution
    discriminator = forward_flops(model.discriminator, (4, size, size, 1))
    generator = forward_flops(model.generator, (4, 8))
    expected = np.array(
        [
            discriminator_flops(size, **width),
            generator_flops(size, latent_dim=8, **width),
        ]
    )
    if resolution == 8:  # 9 multiply-adds of 8 x 8 maps for a quarter of 8 x 8 pixels
        expected[1] -= 2 * 9 * 8 * 8 * (8 * 8 - 4 * 4)
    np.testing.assert_array_equal(np.array([discriminator, generator]) / 4, expected)
