"""How many steps are done in one call, by hand."""

from __future__ import annotations

import pytest

from gastritis_gan.config import config_from_dict
from gastritis_gan.training.plan import steps_per_call
from gastritis_gan.training.schedule import Stage

# Forward operations of both networks for an image (facts/speed.md, section 3.1): 3.5
# million at 4 pixels and 64 feature maps, 22.5 at 8, 98 at 16; 168 at 4 pixels and 512.
WIDTH_64 = {"latent_dim": 512, "fmap_base": 8192, "fmap_max": 64}
WIDTH_512 = {**WIDTH_64, "fmap_max": 512}


def steps(networks, resolution, *, done=0, model="pggan", **training):
    config = config_from_dict({"networks": networks, "training": training})
    stage = Stage(
        resolution=resolution,
        phase="stable",
        batch_size=32,
        num_images=10**6,
        first_step=100,
    )
    return steps_per_call(config, model, stage, 100 + done)


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


def test_a_dcgan_does_one():
    assert steps(WIDTH_64, 4, model="dcgan") == 1
