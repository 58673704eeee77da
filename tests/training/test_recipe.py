"""What recipes make of an experiment, by hand."""

from __future__ import annotations

import pytest
import tensorflow as tf

from gastritis_gan.config import config_from_dict
from gastritis_gan.errors import InputError
from gastritis_gan.training.recipe import (
    default_r1_weight,
    ema_decay,
    make_recipe,
)
from gastritis_gan.training.training_settings import ObjectiveConfig, TrainingSections

# Forward operations of both networks for an image (facts/speed.md, section 3.1): 3.5
# million at 4 pixels and 64 feature maps, 22.5 at 8, 98 at 16; 168 at 4 pixels and 512.
WIDTH_64 = {"latent_dim": 512, "fmap_base": 8192, "fmap_max": 64}
WIDTH_512 = {**WIDTH_64, "fmap_max": 512}


def steps(networks, resolution, *, done=0, model="pggan", **training):
    config = config_from_dict(
        {
            "networks": networks,
            "schedule": {"batch_size": 32},
            "objective": {"lc_resolution": 8},
            "training": training,
            "dcgan": {"resolution": 8},
        }
    )
    recipe = make_recipe(model, config.training_sections)
    spec = next(s for s in recipe.stages if s.stage.resolution == resolution)
    return spec.steps_per_call(spec.stage.first_step + done)


def test_sections_of_an_old_run_may_be_another_models():
    """A config is refused, but pggan runs of before have such a resolution."""
    sections = TrainingSections(objective=ObjectiveConfig(lc_resolution=512))

    assert make_recipe("pggan", sections).final_resolution == 256
    with pytest.raises(InputError, match="would never become conditional"):
        make_recipe("lc_pggan", sections)


@pytest.mark.parametrize(
    ("networks", "resolution", "expected"),
    [
        (WIDTH_64, 4, 25),  # not more, though 44 steps would cost 5e9 operations
        (WIDTH_64, 8, 5),  # 6 would cost as much, but ticks come every 625 steps
        (WIDTH_64, 16, 1),
        (WIDTH_512, 4, 1),  # costs 5.4e9
    ],
)
def test_small_networks_do_several(networks, resolution, expected):
    assert steps(networks, resolution) == expected


@pytest.mark.parametrize(
    ("training", "expected"),
    [
        ({"tick_images": 32 * 12, "checkpoint_images": 32 * 18}, 6),
        ({"tick_images": 32 * 7, "checkpoint_images": 32 * 49}, 7),
        ({"tick_images": 1, "checkpoint_images": 32 * 20}, 1),
        ({"tick_images": 32 * 29, "checkpoint_images": 32 * 29}, 1),
    ],
)
def test_calls_end_where_something_comes(training, expected):
    assert steps(WIDTH_64, 4, **training) == expected


@pytest.mark.parametrize(("done", "expected"), [(50, 25), (30, 5), (51, 1)])
def test_calls_end_there_after_a_step_in_between(done, expected):
    assert steps(WIDTH_64, 4, done=done) == expected


# Stages by hand, in steps of the run: 4 px 0-10, then 8 px fades 10-14, stable 14-22.
RATES = {
    "schedule": {
        "initial_resolution": 4,
        "final_resolution": 8,
        "transition_images": 16,
        "stable_images": {4: 40, 8: 32},
        "batch_size": 4,
    },
    "objective": {"lc_resolution": 8},
}


def shares(**optimizer):
    config = config_from_dict({**RATES, "optimizer": optimizer})
    recipe = make_recipe("pggan", config.training_sections)
    return [
        pytest.approx(float(spec.rates.share_at(tf.constant(step, tf.int64))))
        for spec in recipe.stages
        for step in range(spec.stage.first_step, spec.stage.end_step)
    ]


def test_rates_are_constant_unless_asked():
    assert shares() == [1.0] * 22


def test_rates_rise_at_every_new_resolution_across_its_phases():
    at_4 = [0.2, 0.4, 0.6, 0.8, *[1.0] * 6]
    at_8 = [1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, *[1.0] * 7]  # the fade has four steps
    assert shares(warmup_images=20)[:10] == at_4
    assert shares(warmup_images=24)[10:] == at_8


def test_rates_fall_towards_zero_at_the_end_of_the_run():
    assert shares(decay_images=16) == [*[1.0] * 18, 1.0, 0.75, 0.5, 0.25]


def test_the_smaller_share_counts():
    both = shares(warmup_images=16, decay_images=40)
    assert both[10:16] == [0.25, 0.5, 0.75, 0.9, 0.8, 0.7]


def test_a_dcgan_does_one():
    assert steps(WIDTH_64, 8, model="dcgan") == 1


def test_after_its_half_life_a_weight_counts_half():
    decay = ema_decay(1000, batch_size=8)
    assert decay ** (1000 / 8) == pytest.approx(0.5)


def test_the_default_half_life_is_a_thousandth_per_step_of_sixteen():
    assert ema_decay(11_000, batch_size=16) == pytest.approx(0.999, abs=1e-5)


def test_no_half_life_no_average():
    assert ema_decay(0, batch_size=8) == 0


def test_automatic_r1_weight_of_stylegan2_ada():
    assert default_r1_weight(256, 8) == pytest.approx(1.6384)  # 0.0002 * 65536 / 8
