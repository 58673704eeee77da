from __future__ import annotations

import errno
import unicodedata
from pathlib import Path

import pytest

from gastritis_gan.cohort.cohort import CohortError, read_cohort, split_number
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
    assert [(i.name, i.patient, i.label) for i in cohort.images] == [
        ("b.png", "Ä1", "negative"),
        ("a.png", "2", "positive"),
    ]
    assert cohort.images[0].image == tmp_path / "b.png"
    assert cohort.images[0].outline == tmp_path / "mask.png"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "missing: image, patient, label, outline"),
        (HEADER, "has no images"),
        ("image,patient,label\n", "missing: outline"),
        ("image,patient,lable,outline\n", r"did you mean 'label'\?"),
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
        (
            HEADER + f"a.png,1,normal,{'a long text ' * 40}\n",
            "row 2: the outline file does not exist",
        ),
        (
            HEADER + f"a.png,1,normal,{'x' * 300}#7\n",
            "row 2: the outline file does not exist",
        ),
        (HEADER + "a.png, \u200b ,normal,mask.png\n", "`patient` is empty"),
        (HEADER + "a.png,1,normal\n", "row 2: must have 4 fields"),
        (
            "image,patient,label,outline,Split\na.png,1,normal,,train\n"
            "b.png,1,normal,,test\n",
            "row 3: `split` is test, but train for the same patient in row 2",
        ),
        (
            "image,patient,label,outline,split\na.png,1,normal,,dev\n",
            "row 2: `split` must be one of train, test, validation. Received: 'dev'",
        ),
        (
            "image,patient,label,outline,split\na.png,1,normal,,\n",
            "row 2: the column `split` is empty",
        ),
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


@pytest.mark.parametrize(
    ("encoding", "separator", "before"),
    [
        ("utf-8", ";", ""),
        ("utf-8-sig", "\t", ""),
        ("utf-16", "\t", ""),  # with a byte order mark: Excel's "Unicode text"
        ("utf-8", ";", "sep=;\r\n"),
        ("utf-8", "|", "sep=|\n"),
    ],
)
def test_a_table_is_read_as_a_spreadsheet_saves_it(
    write_csv, encoding, separator, before
):
    rows = [
        ("Image", " patient", "LABEL", "outline", "", ""),
        ("a.png", "Müller", "normal", "mask.png", "", ""),
        ("", "", "", "", "", ""),
        ('"b.png"', "Zoë, 2", "gastritis", "", "", ""),
    ]
    text = before + "\r\n".join(map(separator.join, rows))
    first, second = _read(write_csv(text, encoding)).images
    assert (first.name, first.patient, first.label) == ("a.png", "Müller", "negative")
    assert (second.name, second.patient, second.outline) == ("b.png", "Zoë, 2", None)
    assert second.row == 4 + bool(before)


@pytest.mark.parametrize(
    "content", [b"PK\3\4\x80", "image,patient".encode("utf-16-le")]
)
def test_what_is_not_text_names_the_way_out(tmp_path, content):
    (tmp_path / "cohort.csv").write_bytes(content)
    with pytest.raises(InputError, match='save it as "CSV UTF-8"'):
        _read(tmp_path)


def test_columns_that_nobody_knows_are_ignored_with_a_note(write_csv):
    header = "age,image,patient,label,outline,splits\n"
    cohort = _read(write_csv(header + "71,a.png,1,normal,,train\n"))
    assert cohort.images[0].split is None
    (note,) = cohort.notes
    assert note.endswith("not used: 1, 6. Did you mean `split`?")


def test_a_split_of_the_file_is_read(write_csv):
    header = "image,patient,label,outline,split\n"
    images = _read(write_csv(header + "a.png,1,normal,,Train\nb.png,2,normal,,test\n"))
    assert [image.split for image in images.images] == ["train", "test"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("患者ガ Müller", unicodedata.normalize("NFD", "患者ガ Müller")),
        ("P17", "Ｐ１７"),  # noqa: RUF001 - of full width
        ("ガ 1", "\uff76\uff9e 1"),  # of half width
        ("A 1", " A\u3000\u00a0 1\t"),
        ("A1", "\ufeffA\u200b1"),
    ],
)
def test_a_patient_is_one_however_a_text_is_written(write_csv, one, other):
    cohort = _read(
        write_csv(HEADER + f'a.png,"{one}",normal,\nb.png,"{other}",normal,\n')
    )
    assert cohort.images[0].patient == cohort.images[1].patient
    is_named = any("Rows of the cohort file: 2-3" in note for note in cohort.notes)
    assert is_named == (one.strip() != other.strip())


@pytest.mark.parametrize(
    ("one", "other", "is_named"),
    [
        ("p17", "P17", True),
        ("0017", "17", True),
        ("A-007", "a 7", True),
        ("17.0", "17", True),
        ("A17", "A170", False),
        ("1-11", "11-1", False),
    ],
)
def test_patients_that_may_be_one_are_named(write_csv, one, other, is_named):
    rows = f"a.png,{one},normal,\nb.png,{other},normal,\n"
    cohort = _read(write_csv(HEADER + rows))
    assert cohort.images[0].patient != cohort.images[1].patient
    assert ["leading zeros" in note for note in cohort.notes] == [True] * is_named
    assert all("Rows of the cohort file: 2-3" in note for note in cohort.notes)


def test_images_with_one_outline_are_counted(write_csv):
    rows = "a.png,1,normal,mask.png\nb.png,2,normal,./mask.png\n"
    (note,) = _read(write_csv(HEADER + rows)).notes
    assert note.startswith("2 of 2 images share their outline file")
    assert note.endswith("Rows of the cohort file: 2-3")


def test_a_folder_that_may_not_be_searched_is_one_sentence(write_csv, monkeypatch):
    path = write_csv(HEADER + "a.png,1,normal,\n")

    def refuse(self):
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "is_file", refuse)
    with pytest.raises(CohortError) as refusal:
        _read(path)
    assert refusal.value.public.endswith(
        "2 of the cohort file: the image file cannot be reached (Permission denied)."
    )


def test_an_outline_may_be_missing(write_csv):
    (image,) = _read(write_csv(HEADER + "a.png,1,normal,\n")).images
    assert image.outline is None


def test_a_file_may_be_followed_by_the_number_of_a_part(write_csv, tmp_path):
    rows = "a.png#1,1,normal,mask.png#7\na.png#2,1,normal,\na.png,1,normal,\n"
    images = _read(write_csv(HEADER + rows)).images
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
