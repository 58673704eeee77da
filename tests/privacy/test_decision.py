import pytest

from gastritis_gan.privacy.decision import (
    Decision,
    decide_close_matches,
    decide_membership,
    overall,
)
from gastritis_gan.privacy.exposure import CloseMatches
from gastritis_gan.privacy.membership import Membership, Rate


def membership(auc, bound, p_value, certain=0.02, certain_p_value=0.5):
    return Membership(
        auc=Rate(auc, auc - 0.1, auc + 0.1),
        auc_bound=bound,
        p_value=p_value,
        tpr=(),
        certain_fpr=0.01,
        certain=Rate(certain, certain - 0.01, certain + 0.01),
        certain_p_value=certain_p_value,
    )


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (("pass", "pass"), "pass"),
        (("pass", "undecided"), "undecided"),
        (("undecided", "fail", "pass"), "fail"),
    ],
)
def test_the_worst_verdict_counts(verdicts, expected):
    assert overall(Decision("", verdict, "") for verdict in verdicts) == expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (membership(0.8, 0.9, 0.001), "fail"),
        (membership(0.8, 0.9, 0.03), "undecided"),  # not sure
        (membership(0.6, 0.63, 0.001), "pass"),  # sure, and weak
        (membership(0.52, 0.6, 0.4), "pass"),
        (membership(0.52, 0.7, 0.4), "undecided"),
    ],
)
def test_an_attack_has_to_be_significant_and_strong_to_fail(found, expected):
    decision = decide_membership("a", found, None, alpha=0.01, max_auc=0.64)
    assert decision.verdict == expected


@pytest.mark.parametrize("found", [(0.8, 0.9, 0.001), (0.52, 0.6, 0.4)])
def test_membership_of_a_split_that_was_given_is_undecided(found):
    decision = decide_membership(
        "a", membership(*found), None, alpha=0.01, max_auc=0.64, split_given=True
    )
    assert decision.verdict == "undecided"
    assert "given by the cohort file, not drawn" in decision.reason


@pytest.mark.parametrize(
    ("auc", "needed"),
    [
        (0.4, "at this AUC about 53 patients"),  # (1.645 + 0.842)^2 / 0.14^2 / 6
        (0.57, "at this AUC about 211 patients"),  # half the distance: 4 times as many
        (0.7, "no number of patients would pass, at chance about 53 patients"),
    ],
)
def test_undecided_states_the_number_needed(auc, needed):
    found = membership(auc, 0.8, 0.2)
    decision = decide_membership("a", found, None, alpha=0.01, max_auc=0.64)
    assert needed in decision.reason


@pytest.mark.parametrize(
    ("p_value", "finding"),
    [
        (0.001, "significantly above chance and not shown to be below 0.64"),
        (0.02, "neither significantly above chance nor shown to be below 0.64"),
    ],
)
def test_undecided_states_whether_the_attack_is_above_chance(p_value, finding):
    found = membership(0.61, 0.68, p_value)
    decision = decide_membership("a", found, None, alpha=0.01, max_auc=0.64)
    assert f", {finding};" in decision.reason


def test_a_pass_states_the_bound_and_not_only_the_interval():
    found = membership(0.59, 0.7, 0.2)  # its two-sided interval ends at 0.69
    decision = decide_membership("a", found, None, alpha=0.01, max_auc=0.72)
    assert decision.reason == (
        "The AUC is 0.59 (0.49-0.69), with 95 % confidence at most 0.70; 0.72 is "
        "tolerated. 2% of the training patients are recognised where 1.0% of the "
        "held-out ones are mistaken for some (p = 0.5 by chance)."
    )


@pytest.mark.parametrize(
    ("p_value", "verdict"), [(0.001, "fail"), (0.015, "undecided"), (0.03, "pass")]
)
def test_an_attack_that_is_certain_of_some_does_not_pass(p_value, verdict):
    weak = membership(0.55, 0.6, 0.2, certain=0.12, certain_p_value=p_value)
    decision = decide_membership("a", weak, None, alpha=0.01, max_auc=0.64)
    assert decision.verdict == verdict
    assert "12% of the training patients are recognised" in decision.reason


@pytest.mark.parametrize(("p_value", "verdict"), [(0.001, "fail"), (0.02, "pass")])
def test_close_matches_decide_by_their_p_value(p_value, verdict):
    decision = decide_close_matches(CloseMatches("low-pass", 0.8, p_value), alpha=0.01)
    assert decision.verdict == verdict
    assert "80% are training patients in low-pass" in decision.reason


def test_a_control_beyond_chance_decides_nothing():
    decision = decide_membership(
        "a",
        membership(0.9, 0.95, 1e-6),
        membership(0.9, 0.95, 1e-6),
        alpha=0.01,
        max_auc=0.64,
    )
    assert decision.verdict == "undecided"
    assert "control" in decision.reason
