from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from gastritis_gan.cohort.cohort import CohortImage
from gastritis_gan.errors import InputError
from gastritis_gan.store.split import (
    SplitConfig,
    assign_splits,
    hash_split,
    split_patients,
)

IMAGES = [
    (f"p{number}", label)
    for number in range(10)
    for label in (("positive", "negative") if number < 2 else ("positive",))
] + [(f"n{number}", "negative") for number in range(12) for _ in range(2)]


def _split(images=IMAGES, positive=6, negative=5, seed=0, **validation):
    return split_patients(
        images,
        SplitConfig(
            train_positive_patients=positive,
            train_negative_patients=negative,
            seed=seed,
            **validation,
        ),
    )


def test_the_split_is_stratified_by_patient_and_mixed_patients_are_positive():
    splits = _split()
    train = {patient for patient, split in splits.items() if split == "train"}
    assert set(splits) == {patient for patient, _ in IMAGES}
    assert sum(patient.startswith("p") for patient in train) == 6
    assert sum(patient.startswith("n") for patient in train) == 5
    assert set(splits.values()) == {"train", "test"}


def test_the_split_depends_on_the_seed_and_not_on_the_order_of_rows():
    assert _split() == _split(IMAGES[::-1])
    assert len({tuple(sorted(_split(seed=seed).items())) for seed in range(8)}) == 8


def test_every_patient_trains_equally_often():
    times = dict.fromkeys((f"n{number}" for number in range(12)), 0)
    for seed in range(600):
        for patient, split in _split(seed=seed).items():
            if patient in times:
                times[patient] += split == "train"
    # binomial(600, 5/12): mean 250, standard deviation 12
    assert all(abs(count - 250) < 5 * 12.1 for count in times.values())


def test_validation_patients_come_from_the_training_side():
    without = _split()
    splits = _split(validation_positive_patients=2, validation_negative_patients=1)
    validation = {p for p, split in splits.items() if split == "validation"}
    assert sorted(patient[0] for patient in validation) == ["n", "p", "p"]
    assert splits == without | dict.fromkeys(validation, "validation")
    assert all(without[patient] == "train" for patient in validation)
    found = {
        tuple(sorted(_split(seed=seed, validation_positive_patients=2).items()))
        for seed in range(8)
    }
    assert len(found) == 8


def test_too_few_patients_are_refused_with_the_numbers():
    with pytest.raises(
        InputError,
        match=r"`split.train_negative_patients` is 12, .* in the cohort is 12, and",
    ):
        _split(negative=12)


def _rows(*rows):
    return [
        CohortImage(
            row=number,
            name=f"{number}.png",
            image=Path(f"{number}.png"),
            outline=None,
            patient=patient,
            label=label,
            split=split,
        )
        for number, (patient, label, split) in enumerate(rows, start=2)
    ]


GIVEN = (
    ("a", "positive", "train"),
    ("a", "negative", "train"),
    ("b", "positive", "test"),
    ("c", "negative", "validation"),
    ("d", "negative", "test"),
)


def test_a_split_of_the_cohort_file_decides():
    splits = assign_splits(_rows(*GIVEN), SplitConfig(seed=3))
    assert splits == {"a": "train", "b": "test", "c": "validation", "d": "test"}


@pytest.mark.parametrize(
    "numbers", [{"train_negative_patients": 1}, {"validation_positive_patients": 1}]
)
def test_a_config_has_no_numbers_beside_the_split_of_the_cohort_file(numbers):
    (key,) = numbers
    with pytest.raises(InputError, match=rf"`split.{key}` is 1, but the cohort file"):
        assign_splits(_rows(*GIVEN), SplitConfig(**numbers))


def test_a_given_split_has_both_classes_on_both_sides():
    with pytest.raises(InputError, match="has no negative image in test"):
        assign_splits(_rows(*GIVEN[:-1]), SplitConfig())


def test_without_a_column_and_numbers_the_papers_count():
    rows = [(f"{label}{n}", label, None) for label in ("positive", "negative")
            for n in range(103)]  # fmt: skip
    splits = assign_splits(_rows(*rows), SplitConfig())
    assert sorted(splits.values()) == ["test"] * 6 + ["train"] * 200


def test_the_hash_is_that_of_the_json_without_pseudonyms():
    rows = [
        ("q", "33", "positive", "train"),
        ("p", "22", "negative", "test"),
        ("q", "11", "positive", "train"),
    ]
    text = '[[["11","positive","train"],["33","positive","train"]],'
    text += '[["22","negative","test"]]]'
    expected = hashlib.sha256(text.encode()).hexdigest()
    assert hash_split(rows) == expected
    renamed = [({"q": "a", "p": "x"}[patient], *rest) for patient, *rest in rows]
    assert hash_split(renamed) == expected
    assert hash_split(rows[::-1]) == expected
    apart = [("another patient", *rows[0][1:]), *rows[1:]]
    assert hash_split(apart) != expected
