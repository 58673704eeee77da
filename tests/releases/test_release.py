import csv
import hashlib
import json
import shutil

import numpy as np
import pydicom
import pytest
import tensorflow as tf
from PIL import Image

from gastritis_gan.errors import InputError
from gastritis_gan.releases.release import release
from gastritis_gan.serving.exported_model import ExportedModel
from gastritis_gan.serving.model_folder import model_hash
from tests.helpers.audits import change_card, make_audit
from tests.helpers.dciodvfy import validate

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


@pytest.fixture(scope="module")
def models(exported, other_exported, tmp_path_factory):
    """Two models of two classes: `exported` and another under another name."""
    folder = tmp_path_factory.mktemp("models")
    shutil.copytree(exported.parent, folder / "small")
    shutil.copytree(other_exported.parent, folder / "other")
    path = folder / "other" / "1" / "assets.extra" / "model_card.json"
    changes = {"name": "other", "target": "negative", "class_name": "normal"}
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return folder


def make(models, out, **options):
    return release([models], out, per_class=6, **options)


RISK = {"accept_risk": "weights were drawn at random"}


def rows(folder):
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def check_images(models, folder, read):
    """Every image is what the seed in its row of the manifest gives."""
    generators = {
        name: ExportedModel.open(models / name) for name in ("small", "other")
    }
    found = rows(folder)
    assert [row["class"] for row in found] == ["normal"] * 6 + ["gastritis"] * 6
    assert [int(row["seed"]) for row in found] == list(range(12))
    for row in found:
        expected = generators[row["model"]].generate([int(row["seed"])])[0, ..., 0]
        actual = read(row)
        np.testing.assert_allclose(actual.astype(int), expected, atol=1)
        digest = hashlib.sha256(actual.astype(np.uint8).tobytes()).hexdigest()
        assert row["pixels_sha256"] == digest
        assert row["model_hash"] == model_hash(models / row["model"] / "1")
    return found


def test_png(models, tmp_path):
    folder = make(models, tmp_path / "r", **RISK, licence="CC-BY-4.0")
    assert folder == tmp_path / "r"
    check_images(
        models, folder, lambda row: np.asarray(Image.open(folder / row["file"]))
    )
    assert {path.name for path in folder.iterdir()} == {
        *("images", "manifest.csv", "sheet.png", "DATASHEET.md", "release.json"),
        "SHA256SUMS",
    }
    assert len(list((folder / "images" / "gastritis").iterdir())) == 6
    text = (folder / "DATASHEET.md").read_text(encoding="utf-8")
    for expected in (
        "12 synthetic patches",
        "16 x 16 pixels",
        "gastritis, normal",
        "CC-BY-4.0",
        "Not measured.",
        "There was no privacy audit",
        "because: weights were drawn at random",
        model_hash(models / "small" / "1"),
        "exported/other/1 exported/small/1 --count other=6 --count small=6",
    ):
        assert expected in text
    assert str(tmp_path) not in text
    assert str(models) not in (folder / "release.json").read_text(encoding="utf-8")


def test_checksums_cover_everything_and_the_release_can_be_made_again(models, tmp_path):
    for name in ("a", "b"):
        make(models, tmp_path / name, **RISK, image_format="dicom")
    sums = (tmp_path / "a" / "SHA256SUMS").read_text().splitlines()
    digests = {}
    for line in sums:
        digest, _, name = line.partition("  ")
        content = (tmp_path / "a" / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest
        digests[name] = digest
    files = {
        path.relative_to(tmp_path / "a").as_posix()
        for path in (tmp_path / "a").rglob("*")
        if path.is_file()
    }
    assert set(digests) == files - {"SHA256SUMS"}
    for name in files - {
        "SHA256SUMS",
        "DATASHEET.md",
        "release.json",
    }:  # they name --out
        content = (tmp_path / "b" / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digests[name]


def test_the_datasheet_says_what_the_cohort_was(models, tmp_path):
    copy = tmp_path / "models"
    shutil.copytree(models, copy)
    phrases = ("was given with the cohort, not drawn", "cohort itself is synthetic")
    plain = make(copy, tmp_path / "plain", **RISK)
    for path in copy.glob("*/1/assets.extra/model_card.json"):
        card = json.loads(path.read_text())
        path.write_text(json.dumps(card | {"split_given": True, "is_synthetic": True}))
    stated = make(copy, tmp_path / "stated", **RISK)
    for folder, is_said in ((plain, False), (stated, True)):
        text = " ".join((folder / "DATASHEET.md").read_text().split())
        assert [phrase in text for phrase in phrases] == [is_said, is_said]


def test_tfrecord(models, tmp_path):
    make(models, tmp_path / "r", **RISK, image_format="tfrecord")
    path = tmp_path / "r" / "images" / "00000.tfrecord"
    keys = {
        "image/encoded": tf.io.FixedLenFeature([], tf.string),
        "image/class/label": tf.io.FixedLenFeature([], tf.int64),
        "image/class/text": tf.io.FixedLenFeature([], tf.string),
        "generator/seed": tf.io.FixedLenFeature([], tf.int64),
    }
    examples = [
        tf.io.parse_single_example(record, keys)
        for record in tf.data.TFRecordDataset(str(path))
    ]
    images = [tf.io.decode_png(e["image/encoded"])[..., 0].numpy() for e in examples]
    check_images(models, tmp_path / "r", lambda row: images[int(row["number"])])
    assert [int(e["image/class/label"]) for e in examples] == [1] * 6 + [0] * 6
    assert examples[0]["image/class/text"] == b"normal"
    assert [int(e["generator/seed"]) for e in examples] == list(range(12))


def test_dicom(models, tmp_path):
    make(models, tmp_path / "r", **RISK, image_format="dicom")
    folder = tmp_path / "r"
    found = check_images(
        models, folder, lambda row: pydicom.dcmread(folder / row["file"]).pixel_array
    )
    for row in found:
        dataset = pydicom.dcmread(folder / row["file"])
        assert dataset.SOPClassUID == SECONDARY_CAPTURE
        assert dataset[0x0008, 0x001C].value == "YES"
        (equipment,) = dataset[0x0018, 0xA001].value
        assert equipment.DeviceSerialNumber == row["model_hash"]
        assert equipment.ManufacturerModelName == f"{row['model']} 1"
        assert dataset.SeriesDescription == row["class"]
        assert not any(
            dataset.get(keyword)
            for keyword in (
                *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
                *("StudyDate", "StudyTime", "AccessionNumber", "ContentDate"),
            )
        )
    uids = [pydicom.dcmread(folder / row["file"]).SOPInstanceUID for row in found]
    assert len(set(uids)) == 12


def test_dicom_by_another_validator(models, tmp_path):
    make(models, tmp_path / "r", **RISK, image_format="dicom")
    for path in sorted((tmp_path / "r").rglob("*.dcm"))[::5]:
        lines = validate(path, "-new")
        assert "SCImage" in lines
        assert not [line for line in lines if line.startswith("Error")], lines
        assert all("DICOMDIR" in line for line in lines if line != "SCImage"), lines


def test_a_passing_audit_opens_the_way(models, tmp_path):
    folder = make_audit(tmp_path / "audit", models)
    make(models, tmp_path / "r", audit=folder)
    text = (tmp_path / "r" / "DATASHEET.md").read_text(encoding="utf-8")
    assert "**pass**" in text
    assert "no training patch is nearer" in text
    assert hashlib.sha256((folder / "audit.json").read_bytes()).hexdigest() in text
    text = " ".join(text.split())
    for stated in (
        "small/1 10,000, other/1 10,000. Not examined in this release: none.",
        "Tests: memorisation; close matches; membership, latents.",
        "not the defaults: none.",
        "It has no seal",
    ):
        assert stated in text


def test_images_that_were_not_audited_need_a_reason(models, tmp_path):
    folder = make_audit(tmp_path / "audit", models)
    for options, phrase in (
        ({"seed": 9_989}, "small/1 gives the seeds 9995 to 10000, and 0 to 9999 were"),
        ({"truncation": 0.9}, "the truncation is 0.9, and 1 was audited"),
    ):
        with pytest.raises(InputError, match=phrase):
            make(models, tmp_path / "r", audit=folder, **options)
        assert not (tmp_path / "r").exists()
        release = tmp_path / f"{phrase[:5]}"
        make(models, release, audit=folder, **options, **RISK)
        assert phrase in (release / "DATASHEET.md").read_text(encoding="utf-8")
        described = json.loads((release / "release.json").read_text())
        assert phrase in described["audit"]["not_examined"][0]
    make(models, tmp_path / "last", audit=folder, seed=9_988)


def test_a_weak_audit_and_earlier_ones_are_named(models, tmp_path):
    copy = tmp_path / "models"
    shutil.copytree(models, copy)
    for version in ("small/1", "other/1"):
        change_card(copy / version, audits=[])
    key = tmp_path / "store.key"
    key.write_bytes(bytes(32))
    make_audit(tmp_path / "failed", copy, "fail")
    weak = {"max_membership_auc": 0.99, "extractors": []}
    folder = make_audit(tmp_path / "audit", copy, settings=weak, key=bytes(32))
    make(copy, tmp_path / "r", audit=folder, key=key)
    text = " ".join((tmp_path / "r" / "DATASHEET.md").read_text().split())
    assert "extractors none, not texture; max_membership_auc 0.99, not 0.64." in text
    assert "their cards record: fail (2026-11-30)." in text
    assert "the seal is whole" in text


@pytest.mark.parametrize("verdict", ["fail", "undecided"])
def test_another_verdict_closes_it(models, tmp_path, verdict):
    folder = make_audit(tmp_path / "audit", models, verdict)
    with pytest.raises(InputError, match=f"the audit's verdict is '{verdict}'"):
        make(models, tmp_path / "r", audit=folder)
    assert not (tmp_path / "r").exists()
    make(models, tmp_path / "r", audit=folder, **RISK)
    text = (tmp_path / "r" / "DATASHEET.md").read_text(encoding="utf-8")
    assert f"**{verdict}**" in text
    assert "because: weights were drawn at random" in text


def test_results_of_these_models_go_into_the_datasheet(models, tmp_path):
    cards = [
        json.loads((models / name / "1/assets.extra/model_card.json").read_text())
        for name in ("small", "other")
    ]
    results = tmp_path / "results"
    results.mkdir()
    (results / "table.md").write_text("# GAN-train\n\n| row | sensitivity |\n")
    (results / "results.json").write_text(json.dumps({"generators": cards}))
    make(models, tmp_path / "r", **RISK, results=results)
    text = (tmp_path / "r" / "DATASHEET.md").read_text(encoding="utf-8")
    assert "### GAN-train\n\n| row | sensitivity |" in text
    (results / "results.json").write_text(json.dumps({"generators": cards[:1]}))
    with pytest.raises(InputError, match="did not measure other/1"):
        make(models, tmp_path / "s", **RISK, results=results)


def test_an_audit_that_was_added_after_the_model_was_opened(models, tmp_path):
    opened = [ExportedModel.open(models / name) for name in ("small", "other")]
    folder = make_audit(tmp_path / "audit", models)
    assert release(opened, tmp_path / "r", per_class=1, audit=folder).is_dir()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "needs a passing privacy audit of its models, and there is none"),
        ({"accept_risk": " "}, "needs a reason"),
        ({**RISK, "paper_mix": True}, "one pggan model of the positive class; 0 were"),
        ({**RISK, "counts": {"small": 3}}, "once for each of other, small"),
        ({**RISK, "audit": "absent"}, "is not a finished audit"),
        ({**RISK, "results": "absent"}, r"results.json does not exist"),
        ({**RISK, "image_format": "jpeg"}, "format 'jpeg' is not one of"),
    ],
)
def test_refusals(models, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        make(models, tmp_path / "r", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_class_that_cannot_name_a_folder(models, tmp_path):
    copy = shutil.copytree(models / "small", tmp_path / "small")
    path = copy / "1" / "assets.extra" / "model_card.json"
    card = json.loads(path.read_text())
    path.write_text(json.dumps({**card, "class_name": "../x"}))
    with pytest.raises(InputError, match="cannot name a folder"):
        make(copy, tmp_path / "r", **RISK)


def test_any_mix(models, tmp_path):
    counts = {"small": 5, "other": 2}
    folder = make(models, tmp_path / "r", **RISK, counts=counts, seed=1000)
    found = rows(folder)
    assert [row["model"] for row in found] == ["other"] * 2 + ["small"] * 5
    assert [int(row["seed"]) for row in found] == list(range(1000, 1007))
