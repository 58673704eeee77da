import dataclasses

import pytest

from gastritis_gan.cohort.settings import CohortConfig
from gastritis_gan.errors import InputError
from gastritis_gan.store.fits import check_store_fits
from gastritis_gan.store.split import SplitConfig
from tests.helpers.cohorts import GEOMETRY

STORED = {
    "cohort": CohortConfig(positive="dense", negative="fatty"),
    "patches": GEOMETRY,
    "split": SplitConfig(
        train_positive_patients=2,
        train_negative_patients=2,
        validation_positive_patients=1,
        validation_negative_patients=1,
    ),
}


def check(store, section="split", **changes):
    sections = {**STORED, section: dataclasses.replace(STORED[section], **changes)}
    check_store_fits(store, **sections, config_name="my.yaml")


def test_the_config_that_prepared_the_store_fits(make_store):
    store = make_store(validation=1)
    check(store)
    check(store, seed=17)  # a store does not hold it


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("cohort", "positive", "denser"),
        ("cohort", "negative", "fattier"),
        ("cohort", "bits", 16),
        ("patches", "stride", 12),
        ("patches", "exclude_border_px", 3),
        ("split", "train_positive_patients", 3),
        ("split", "train_negative_patients", 3),
        ("split", "validation_positive_patients", 0),
        ("split", "validation_negative_patients", 0),
    ],
)
def test_another_config_is_refused(make_store, section, key, value):
    store = make_store(validation=1)
    with pytest.raises(
        InputError,
        match=f"my.yaml: `{section}.{key}` is {value}, but .*store was prepared with",
    ):
        check(store, section, **{key: value})
