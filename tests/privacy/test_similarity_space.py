import numpy as np
import pytest

from gastritis_gan.privacy.copies import ScoreTable, examine_space
from gastritis_gan.privacy.decision import decide_memorisation

IS_TRAINING = np.arange(40) < 20


def space(name, planted_score):
    """One training patient stands out; planted copies score as given."""
    scores = np.random.default_rng(0).normal(size=(200, 40))
    scores[17, 3] = 15
    table = ScoreTable(
        name=name,
        samples=scores,
        planted=np.full((20, 40), planted_score),
        source=np.arange(20),
    )
    return examine_space(table, IS_TRAINING, alpha=0.01, min_power=0.8, seed=0)


def decide(*spaces):
    (decision,) = decide_memorisation(spaces, min_power=0.8, max_copy_rate=0.05)
    return decision.test, decision.verdict


def test_a_space_that_notices_copies_fails():
    assert decide(space("pixels", 30.0)) == ("memorisation, pixels", "fail")


def test_a_space_that_overlooks_copies_cannot_fail():
    blind = space("texture", 0.0)
    assert blind.exposure.exposed.sum() == 1
    assert not blind.decides
    assert decide(blind)[1] == "undecided"  # nothing was noticed at all
    seeing = space("pixels", 30.0)
    assert decide(seeing, blind) == ("memorisation, pixels", "fail")


@pytest.mark.parametrize("noticed", [1, 2])
def test_a_tenth_of_the_copies_is_enough_to_decide(noticed):
    table = ScoreTable(
        name="pixels",
        samples=np.random.default_rng(0).normal(size=(200, 40)),
        planted=np.where(np.arange(20) < noticed, 30.0, 0.0)[:, None] * np.ones(40),
        source=np.arange(20),
    )
    found = examine_space(table, IS_TRAINING, alpha=0.01, min_power=0.8, seed=0)
    assert found.decides == (noticed == 2)
