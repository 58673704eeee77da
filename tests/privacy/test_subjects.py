import numpy as np

from gastritis_gan.privacy.subjects import choose_cohort
from tests.helpers.small_store import SmallStore


def test_the_groups_do_not_depend_on_the_pseudonyms():
    store = SmallStore(num_training=5, num_test=12, images_per_patient=2)
    other = store.with_pseudonyms(lambda patient: patient[::-1])
    cohorts = [choose_cohort(s, "positive", seed=3) for s in (store, other)]
    np.testing.assert_array_equal(cohorts[0].images, cohorts[1].images)
    np.testing.assert_array_equal(
        cohorts[0].patient_of_image, cohorts[1].patient_of_image
    )
    assert cohorts[1].patients == tuple(p[::-1] for p in cohorts[0].patients)


def test_control_has_as_many_patients_as_trained():
    store = SmallStore(num_training=5, num_test=12)
    cohort = choose_cohort(store, "positive", seed=0)
    assert cohort.is_training.sum() == (~cohort.is_training).sum() == 5
    other = choose_cohort(store, "positive", seed=1)
    assert cohort.patients[:5] == other.patients[:5]
    assert cohort.patients[5:] != other.patients[5:]


def test_other_classes_are_left_out():
    store = SmallStore(num_training=3, num_test=3)
    assert choose_cohort(store, "negative", seed=0).patients == ()
