import csv
import re

import numpy as np
import pydicom
import pytest
from click.testing import CliRunner
from PIL import Image
from sklearn.metrics import roc_auc_score

from gastritis_gan.cli.main import main
from gastritis_gan.errors import InputError
from gastritis_gan.phantom.phantom_cohort import make_phantom
from tests.helpers.dciodvfy import validate

NUM_PATIENTS = 24
IMAGE_SIZE = 256
SEED = 11
PATCH_SIZE = 32  # 128 pixels of a 1024-pixel image


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantom") / "cohort"
    make_phantom(folder, patients=NUM_PATIENTS, image_size=IMAGE_SIZE, seed=SEED)
    return folder


def rows_of(folder):
    with (folder / "cohort.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def outline_of(folder, row):
    return np.asarray(Image.open(folder / row["outline"]))


def barium_bright(dataset):
    values = dataset.pixel_array.astype(int)
    return 4095 - values if "1" in dataset.PhotometricInterpretation else values


def content_of(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_half_the_patients_have_each_label_and_each_patient_has_one_image(cohort):
    rows = rows_of(cohort)
    labels = [row["label"] for row in rows]
    assert labels.count("gastritis") == labels.count("non_gastritis") == 12
    for column in ("image", "patient", "outline"):
        assert len({row[column] for row in rows}) == NUM_PATIENTS


def test_smaller_cohort_of_the_same_seed_is_the_beginning_byte_for_byte(
    cohort, tmp_path
):
    make_phantom(tmp_path / "few", patients=4, image_size=IMAGE_SIZE, seed=SEED)
    few, many = content_of(tmp_path / "few"), content_of(cohort)
    few_rows, many_rows = few.pop("cohort.csv"), many["cohort.csv"]
    assert many_rows.startswith(few_rows)
    assert len(few) == 8
    assert all(many[name] == content for name, content in few.items())


def test_another_seed_gives_other_images_and_other_identities(cohort, tmp_path):
    make_phantom(tmp_path / "other", patients=2, image_size=IMAGE_SIZE, seed=SEED + 1)
    ours, theirs = rows_of(cohort)[0], rows_of(tmp_path / "other")[0]
    ours = pydicom.dcmread(cohort / ours["image"])
    theirs = pydicom.dcmread(tmp_path / "other" / theirs["image"])
    for keyword in ("PatientID", "SOPInstanceUID", "StudyInstanceUID", "PixelData"):
        assert ours[keyword].value != theirs[keyword].value


def test_every_film_states_that_it_is_synthetic(cohort):
    for row in rows_of(cohort):
        assert pydicom.dcmread(cohort / row["image"])[0x0008, 0x001C].value == "YES"


def test_every_dicom_file_is_a_valid_12_bit_radiograph(cohort):
    for row in rows_of(cohort):
        dataset = pydicom.dcmread(cohort / row["image"])
        assert dataset.Modality in ("DX", "RF")
        assert (dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit) == (
            16,
            12,
            11,
        )
        assert dataset.pixel_array.shape == (IMAGE_SIZE, IMAGE_SIZE)
        assert dataset.pixel_array.max() <= 4095
        assert dataset.WindowWidth > 1
        assert 0 < dataset.WindowCenter < 4095
        assert dataset.PatientID == row["patient"]
        assert dataset.PatientBirthDate < dataset.StudyDate
        for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
            assert dataset[keyword].value.is_valid


def test_dciodvfy_finds_nothing_wrong(cohort):
    kinds = set()
    for row in rows_of(cohort):
        path = cohort / row["image"]
        kind, *problems = validate(path)
        assert problems == []
        kinds.add((kind, pydicom.dcmread(path).PhotometricInterpretation))
    assert kinds == {
        ("DXImageForPresentation", "MONOCHROME1"),
        ("DXImageForPresentation", "MONOCHROME2"),
        ("XRFImage", "MONOCHROME2"),
    }


def test_both_photometric_interpretations_occur_equally_in_both_classes(cohort):
    kinds = [
        (row["label"], pydicom.dcmread(cohort / row["image"]).PhotometricInterpretation)
        for row in rows_of(cohort)
    ]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        ("gastritis", "MONOCHROME1"): 6,
        ("gastritis", "MONOCHROME2"): 6,
        ("non_gastritis", "MONOCHROME1"): 6,
        ("non_gastritis", "MONOCHROME2"): 6,
    }


def test_the_coated_wall_is_brighter_than_the_tissue_around_it_in_both_kinds(cohort):
    for row in rows_of(cohort)[:4]:
        image = barium_bright(pydicom.dcmread(cohort / row["image"]))
        mask = outline_of(cohort, row) > 0
        assert image[mask].mean() > image[~mask].mean() + 100


def test_outlines_are_masks_of_a_good_part_of_the_image(cohort):
    for row in rows_of(cohort):
        outline = outline_of(cohort, row)
        assert outline.shape == (IMAGE_SIZE, IMAGE_SIZE)
        assert set(np.unique(outline)) == {0, 255}
        assert 0.18 < (outline > 0).mean() < 0.5
        assert len(windows_inside(outline)) >= 60


def test_the_marker_is_burned_in_outside_the_outline(cohort):
    lead = round(0.97 * 4095)
    for row in rows_of(cohort):
        text = barium_bright(pydicom.dcmread(cohort / row["image"])) == lead
        text &= outline_of(cohort, row) == 0
        near_edge = np.ones_like(text)
        near_edge[16:-16] = False
        assert (text & near_edge).sum() > 8 * 10  # letters, dots in the thinnest
        assert not (near_edge & (outline_of(cohort, row) > 0)).any()


def windows_inside(outline):
    """Returns the corners of the windows that lie wholly under the outline."""
    starts = range(0, IMAGE_SIZE - PATCH_SIZE + 1, PATCH_SIZE // 4)
    return [
        (y, x)
        for y in starts
        for x in starts
        if outline[y : y + PATCH_SIZE, x : x + PATCH_SIZE].all()
    ]


@pytest.mark.parametrize("statistic", [np.mean, np.std])
def test_mean_and_standard_deviation_of_a_patch_do_not_separate_classes(
    cohort, statistic
):
    labels, values = [], []
    for row in rows_of(cohort):
        image = barium_bright(pydicom.dcmread(cohort / row["image"]))
        corners = windows_inside(outline_of(cohort, row))
        patches = [image[y : y + PATCH_SIZE, x : x + PATCH_SIZE] for y, x in corners]
        labels.append(row["label"] == "gastritis")
        values.append(np.mean([statistic(patch) for patch in patches]))
    # By chance the AUC of 12 against 12 patients is 0.5, standard deviation 0.12.
    assert abs(roc_auc_score(labels, values) - 0.5) < 0.3


def test_existing_folder_is_refused_and_left_alone(tmp_path):
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        make_phantom(tmp_path, patients=2, image_size=256, seed=0)
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


@pytest.mark.parametrize(
    ("num_patients", "image_size", "message"),
    [(3, 256, "even.*Received: 3"), (0, 256, "Received: 0"), (2, 100, "256 to 4096")],
)
def test_impossible_sizes_are_refused_before_anything_is_written(
    tmp_path, num_patients, image_size, message
):
    with pytest.raises(InputError, match=message):
        make_phantom(
            tmp_path / "out", patients=num_patients, image_size=image_size, seed=0
        )
    assert list(tmp_path.iterdir()) == []


def test_command_writes_a_cohort_and_says_where(tmp_path):
    out = tmp_path / "cohort"
    arguments = f"phantom --out {out} --patients 2 --image-size 256 --seed 3".split()
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert str(out / "cohort.csv") in result.stdout
    assert len(rows_of(out)) == 2


def test_command_refuses_an_odd_cohort_with_exit_code_2(tmp_path):
    arguments = ["phantom", "--out", str(tmp_path / "cohort"), "--patients", "3"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert re.search(r"even .* Received: 3", result.output)
