import types

import pytest

from gastritis_gan.errors import InputError
from gastritis_gan.releases.mix import (
    balanced_counts,
    check_models,
    keep_paper_mix,
    named_counts,
    origin,
    release_parts,
)


def model(kind, target, **changes):
    card = {
        "name": f"{kind}_{target}",
        "version": 1,
        "model": kind,
        "target": target,
        "class_name": {"positive": "gastritis", "negative": "normal"}[target],
        "split_hash": "a",
        "resolution": 16,
        **changes,
    }
    return types.SimpleNamespace(
        card=card,
        name=card["name"],
        version=card["version"],
        class_name=card["class_name"],
    )


MODELS = [
    model(kind, target)
    for kind in ("dcgan", "pggan", "lc_pggan")
    for target in ("positive", "negative")
]


def without(name):
    return [model for model in MODELS if model.name != name]


def test_the_papers_mix():
    assert [model.name for model in keep_paper_mix(MODELS)] == [
        "lc_pggan_positive",
        "lc_pggan_negative",
        "pggan_positive",
        "pggan_negative",
    ]
    with pytest.raises(InputError, match="one pggan model of the negative class; 0"):
        keep_paper_mix(without("pggan_negative"))
    twice = [*MODELS, model("lc_pggan", "positive", name="again")]
    with pytest.raises(InputError, match="one lc_pggan model of the positive class; 2"):
        keep_paper_mix(twice)


def test_classes_are_balanced_whatever_their_models():
    models = without("dcgan_negative")
    counts = balanced_counts(models, per_class=10)
    assert {model.name: n for model, n in zip(models, counts, strict=True)} == {
        "dcgan_positive": 4,
        "pggan_positive": 3,
        "lc_pggan_positive": 3,
        "pggan_negative": 5,
        "lc_pggan_negative": 5,
    }
    with pytest.raises(InputError, match="images per class, 2, is smaller"):
        balanced_counts(models, per_class=2)


def test_counts_by_name():
    models = MODELS[:2]
    assert named_counts(models, {"dcgan_negative": 2, "dcgan_positive": 5}) == [5, 2]
    with pytest.raises(InputError, match="once for each of dcgan_negative, dcgan_po"):
        named_counts(models, {"dcgan_negative": 2})
    with pytest.raises(InputError, match="at least 1 image, not 0"):
        named_counts(models, {"dcgan_negative": 2, "dcgan_positive": 0})


def test_no_seed_is_used_twice():
    parts = release_parts(MODELS, (4, 1, 5, 9, 2, 6), seed=100)
    assert [part.seed for part in parts] == [100, 104, 105, 110, 119, 121]
    assert origin(parts[1].model) == "dcgan_negative/1"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split_hash": "b"}, "one split; these differ"),
        ({"resolution": 32}, "one size of images; these differ"),
        ({"name": "pggan_positive"}, "given twice"),
    ],
)
def test_models_that_do_not_belong_together(changes, message):
    check_models(MODELS)
    other = model("pggan", "positive", **{"name": "other", **changes})
    with pytest.raises(InputError, match=message):
        check_models([*MODELS, other])
    with pytest.raises(InputError, match="at least one"):
        check_models([])
