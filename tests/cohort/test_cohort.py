from __future__ import annotations

from pathlib import Path

import pytest

from gastritis_gan.cohort.cohort import read_cohort, split_number
from gastritis_gan.errors import InputError

HEADER = "image,patient,label,outline\n"


@pytest.fixture
def write_csv(tmp_path):
    for name in ("a.png", "b.png", "mask.png"):
        (tmp_path / name).touch()

    def write(text: str, encoding: str = "utf-8"):
        path = tmp_path / "cohort.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return write


def _read(path):
    return read_cohort(path, positive="gastritis", negative="normal")


def test_rows_are_read_in_order_from_the_file_or_its_folder(write_csv, tmp_path):
    path = write_csv(
        "outline,label,patient,image\r\n"
        "mask.png,normal,Ä1,b.png\r\nmask.png,gastritis, 2 ,a.png\r\n",
        encoding="utf-8-sig",  # as a spreadsheet writes it
    )
    cohort = _read(path)
    assert cohort == _read(tmp_path)
    assert [(i.name, i.patient, i.label) for i in cohort] == [
        ("b.png", "Ä1", "negative"),
        ("a.png", "2", "positive"),
    ]
    assert cohort[0].image == tmp_path / "b.png"
    assert cohort[0].outline == tmp_path / "mask.png"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "missing: image, patient, label, outline"),
        (HEADER, "has no images"),
        ("image,patient,label\n", "missing: outline"),
        ("image,patient,lable,outline\n", r"did you mean 'label'\?"),
        ("image,patient,label,outline,age\n", "not known: 1.*age"),
        ("image,patient,label,outline,image\n", "named twice"),
        (
            HEADER + "a.png,1,ulcer,mask.png\n",
            "row 2: unknown label; .*gastritis.*Received: 'ulcer'",
        ),
        (
            HEADER + "c.png,1,normal,mask.png\n",
            "row 2: the image file does not exist.*c.png",
        ),
        (
            HEADER + "a.png,1,normal,m.png\n",
            "row 2: the outline file does .*/m.png",
        ),
        (HEADER + "a.png,,normal,mask.png\n", "row 2: the column `patient` is empty"),
        (HEADER + "a.png,1,normal\n", "row 2: must have 4 fields"),
        (HEADER + "a.png,1,normal,mask.png,x\n", "row 2: must have 4 fields"),
        (
            HEADER + "a.png,1,normal,mask.png\n./a.png,2,normal,mask.png\n",
            "row 3: the image is in row 2 already.*./a.png",
        ),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(write_csv, text, message):
    with pytest.raises(InputError, match=message):
        _read(write_csv(text))


def test_an_outline_may_be_missing(write_csv):
    (image,) = _read(write_csv(HEADER + "a.png,1,normal,\n"))
    assert image.outline is None


def test_a_file_may_be_followed_by_the_number_of_a_part(write_csv, tmp_path):
    rows = "a.png#1,1,normal,mask.png#7\na.png#2,1,normal,\na.png,1,normal,\n"
    images = _read(write_csv(HEADER + rows))
    assert [image.name for image in images] == ["a.png#1", "a.png#2", "a.png"]
    assert images[0].image == tmp_path / "a.png#1"
    assert images[0].outline == tmp_path / "mask.png#7"
    with pytest.raises(InputError, match=r"row 3: the image is in row 2.*a.png#1"):
        _read(write_csv(HEADER + "a.png#1,1,normal,\na.png#1,1,normal,\n"))
    with pytest.raises(InputError, match=r"the image file does not exist.*c.png"):
        _read(write_csv(HEADER + "c.png#1,1,normal,\n"))


def test_an_absent_or_unreadable_file_is_refused(write_csv, tmp_path):
    with pytest.raises(InputError, match="No such file"):
        _read(tmp_path / "nothing")
    with pytest.raises(InputError, match="UTF-8"):
        _read(write_csv(HEADER + "a.png,Müller,normal,mask.png\n", encoding="latin-1"))


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
