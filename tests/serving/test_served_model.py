import pytest

from gastritis_gan.errors import InputError
from gastritis_gan.serving.tf_serving import find_served_models


@pytest.fixture
def exported_dir(tmp_path):
    for version in ("a/1", "a/2", "a/10", "c/3", "a/.11.partial-x", "empty"):
        (tmp_path / version).mkdir(parents=True)
    (tmp_path / "README.md").write_text("about the models")
    return tmp_path


def test_the_highest_version_and_the_labelled_ones_are_served(exported_dir):
    a, c = find_served_models(exported_dir, {"a": {"stable": 2, "canary": 10}})
    assert (a.name, a.versions, a.labels["stable"]) == ("a", (2, 10), 2)
    assert (c.name, c.versions, c.base_path) == ("c", (3,), exported_dir / "c")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"b": {"x": 1}}, "has no model b for a label; it has a, c"),
        ({"a": {"x": 3}}, "label x of a names version 3; there are 1, 2, 10"),
    ],
)
def test_labels_of_nothing_are_refused(exported_dir, labels, message):
    with pytest.raises(InputError, match=message):
        find_served_models(exported_dir, labels)


def test_no_models(tmp_path):
    with pytest.raises(InputError, match="holds no exported model"):
        find_served_models(tmp_path, {})
    with pytest.raises(InputError, match="does not exist"):
        find_served_models(tmp_path / "absent", {})
