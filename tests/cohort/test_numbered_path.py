from __future__ import annotations

from pathlib import Path

import pytest

from gastritis_gan.cohort.numbered_path import split_number


@pytest.mark.parametrize(
    ("name", "file", "number"),
    [
        ("a/image.dcm", "a/image.dcm", None),
        ("a/image.dcm#3", "a/image.dcm", 3),
        ("a#2/image.dcm", "a#2/image.dcm", None),
        ("image#1#12", "image#1", 12),
        ("image#x", "image#x", None),
        ("image#", "image#", None),
        ("#3", "#3", None),
    ],
)
def test_the_number_is_what_follows_the_last_sign(name, file, number):
    assert split_number(Path(name)) == (Path(file), number)


def test_a_file_of_that_whole_name_is_itself(tmp_path):
    (tmp_path / "image#3").touch()
    assert split_number(tmp_path / "image#3") == (tmp_path / "image#3", None)
