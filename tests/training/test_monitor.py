"""Means by hand, and every verdict at the edge of its rule; its metrics by hand."""

import numpy as np
import pytest

from gastritis_gan.training.monitor import MEANS, RunningMeans, verdicts

# d_loss, g_loss, scores and their squares (real, fake), norms of the gradients
FIRST = np.array([1, 2, 0.5, -1, 1.25, 2, 3, 4], "float32")
SECOND = np.array([3, 2, 1.5, -3, 2.25, 10, 5, 0], "float32")


def test_means_standard_deviations_and_the_count_by_hand():
    means = RunningMeans()
    means.update_state(FIRST, True)
    means.update_state(np.full(len(MEANS), np.nan, "float32"), False)
    means.update_state(SECOND, True)
    result = {name: float(value) for name, value in means.result().items()}
    assert result == {
        "d_loss": 2,
        "g_loss": 2,
        "real_scores": 1,
        "fake_scores": -2,
        "real_scores_std": pytest.approx(np.sqrt(1.75 - 1)),
        "fake_scores_std": pytest.approx(np.sqrt(6 - 4)),
        "d_gradient_norm": 4,
        "g_gradient_norm": 2,
        "skipped_steps": 1,
    }


def test_a_reset_forgets():
    means = RunningMeans()
    means.update_state(FIRST, True)
    means.update_state(FIRST, False)
    means.reset_state()
    means.update_state(SECOND, True)
    assert float(means.result()["d_loss"]) == 3
    assert float(means.result()["skipped_steps"]) == 0


def test_a_standard_deviation_is_never_the_root_of_a_rounding_error():
    means = RunningMeans()
    equal = np.array([0, 0, 0.1, 0.1, 0.01, 0.01, 0, 0], "float32")
    for _ in range(7):
        means.update_state(equal, True)
    assert 0 <= float(means.result()["real_scores_std"]) < 1e-3


HEALTHY = {
    "training_scores": 1.0,
    "sample_scores": -1.0,
    "validation_scores": 0.8,
    "score_spread": 0.5,
    "diversity": 30.0,
    "real_diversity": 40.0,
    "ms_ssim": 0.3,
    "real_ms_ssim": 0.2,
    "skipped_steps": 0.0,
}


def sentences(num_images=100, logistic=True, class_name="gastritis", **changes):
    metrics = {**HEALTHY, **changes}
    return verdicts(
        metrics, num_images=num_images, logistic=logistic, class_name=class_name
    )


def test_a_healthy_run_gets_no_verdict():
    assert sentences() == []
    assert verdicts({"d_loss": 1.0}, num_images=100, logistic=True) == []


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        ({"skipped_steps": 3.0}, "a loss or gradient was not finite in 3 of the"),
        ({"num_images": 15}, "the training patches come from few images, 15"),
        ({"real_diversity": 0.9, "diversity": 0.1}, "the training patches all look"),
        ({"diversity": 9.9}, "the samples hardly differ: their diversity is 25%"),
        # Less than half as diverse in brightness, and the structure is alike as well:
        # 0.35 is less than half of 0.8.
        ({"diversity": 19.9, "ms_ssim": 0.65}, "the samples hardly differ"),
        # 0.0 lies half of the way from 1 to -1.
        ({"validation_scores": 0.0}, "the discriminator is memorising"),
        ({"training_scores": 19.0, "validation_scores": 19.0}, "the discriminator has"),
        (
            {"quality": 0.31, "quality_other_class": 0.3},
            "the samples are further from real gastritis patches than real patches of "
            "the other class are (0.310 and 0.300)",
        ),
    ],
)
def test_a_run_in_trouble_gets_one_sentence(changes, start):
    (sentence,) = sentences(**changes)
    assert sentence.startswith(start)
    assert sentence.endswith((".", "`."))


@pytest.mark.parametrize(
    "changes",
    [
        {"num_images": 16},
        {"diversity": 10.0},
        {"diversity": 20.0, "ms_ssim": 0.65},
        {"diversity": 19.9, "ms_ssim": 0.55},
        {"validation_scores": 0.01},
        # The scores do not tell samples from patches: no lead is worth a sentence.
        {"validation_scores": -5.0, "sample_scores": 0.6},
        {"training_scores": 18.9, "validation_scores": 18.9},
        {"training_scores": 90.0, "validation_scores": 90.0, "logistic": False},
        {"quality": 0.3, "quality_other_class": 0.3},
        {"quality": 0.9},
        # Before the last stage
        {"quality": 0.9, "quality_other_class": 0.3, "class_name": None},
    ],
)
def test_just_inside_the_rules_there_is_none(changes):
    assert sentences(**changes) == []
