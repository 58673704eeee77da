from __future__ import annotations

import hashlib

import pytest

from gastritis_gan.errors import InputError
from gastritis_gan.store.split import SplitConfig, hash_split, split_patients

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
