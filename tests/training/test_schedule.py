import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gastritis_gan.training.schedule import Schedule, alpha_at

SMALL = Schedule.build(
    [4, 8, 16],
    transition_images={8: 64, 16: 40},
    stable_images={4: 32, 8: 64, 16: 30},
    batch_size={4: 16, 8: 16, 16: 8},
)
# By hand: (resolution, phase, first step, steps). 30 images at batch 8 take 4 steps.
SMALL_TABLE = [
    (4, "stable", 0, 2),
    (8, "transition", 2, 4),
    (8, "stable", 6, 4),
    (16, "transition", 10, 5),
    (16, "stable", 15, 4),
]


def test_stages_follow_the_table_worked_by_hand():
    rows = [(s.resolution, s.phase, s.first_step, s.num_steps) for s in SMALL.stages]
    assert rows == SMALL_TABLE
    assert SMALL.num_steps == 19


@pytest.mark.parametrize(
    ("step", "images"), [(0, 0), (1, 16), (2, 32), (10, 160), (11, 168), (19, 232)]
)
def test_images_are_counted_in_whole_batches(step, images):
    assert SMALL.images_before(step) == images


def test_alpha_of_an_eight_pixel_transition_rises_by_a_quarter_per_step():
    transition = SMALL.stages[1]
    assert [alpha_at(transition, step) for step in range(2, 7)] == [
        0,
        0.25,
        0.5,
        0.75,
        1,
    ]


def test_a_stable_stage_shows_only_the_new_block():
    assert alpha_at(SMALL.stages[0], 0) == 1.0


def test_the_last_batch_may_exceed_the_images_but_alpha_stays_in_range():
    schedule = Schedule.build(
        [4, 8], transition_images=10, stable_images=10, batch_size=8
    )
    transition = schedule.stages[1]
    assert transition.num_steps == 2
    assert alpha_at(transition, transition.end_step) == 1.0


def test_a_phase_of_no_images_is_left_out():
    schedule = Schedule.build(
        [4, 8], transition_images=0, stable_images=8, batch_size=8
    )
    assert [(s.resolution, s.phase) for s in schedule.stages] == [
        (4, "stable"),
        (8, "stable"),
    ]


def test_nothing_to_train_is_an_error():
    with pytest.raises(ValueError, match="leave nothing to train"):
        Schedule.build([4], transition_images=0, stable_images=0, batch_size=8)


@given(
    images=st.integers(1, 500),
    batch=st.integers(1, 64),
    num_resolutions=st.integers(1, 7),
)
def test_stages_meet(images, batch, num_resolutions):
    schedule = Schedule.build(
        [4 << i for i in range(num_resolutions)],
        transition_images=images,
        stable_images=images,
        batch_size=batch,
    )
    assert len(schedule.stages) == 2 * num_resolutions - 1
    assert schedule.stages[0].first_step == 0
    for before, after in zip(schedule.stages, schedule.stages[1:], strict=False):
        assert before.end_step == after.first_step
        assert before.num_steps == int(np.ceil(images / batch))


def test_growth_equals_the_original_schedule(reference):
    """lod falls from 6 to 0: resolution 256 / 2^floor(lod), alpha 1 - frac(lod)."""
    schedule = Schedule.build(
        [4, 8, 16, 32, 64, 128, 256],
        transition_images=600_000,
        stable_images=600_000,
        batch_size=1,
    )
    numbers = zip(
        reference["schedule/nimg"],
        reference["schedule/lod"],
        reference["schedule/resolution"],
        strict=True,
    )
    compared = 0
    for num_images, lod, resolution in numbers:
        if num_images >= schedule.num_steps:
            assert lod == 0
            assert resolution == 256
            continue
        stage = next(s for s in schedule.stages if num_images < s.end_step)
        fraction = lod - np.floor(lod)
        if stage.transition and fraction == 0:  # its first image: lod is still whole
            assert alpha_at(stage, int(num_images)) == 0
            continue
        assert stage.resolution == resolution
        assert alpha_at(stage, int(num_images)) == pytest.approx(1 - fraction, abs=1e-9)
        compared += 1
    assert compared > 10


@pytest.mark.parametrize(("num_images", "steps"), [(16, 1), (39, 2), (41, 3), (3, 1)])
def test_images_as_steps(num_images, steps):
    assert SMALL.stages[0].steps_of(num_images) == steps  # of 16 images
