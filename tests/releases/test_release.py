import csv
import datetime
import hashlib
import io
import json
import shutil
from xml.etree import ElementTree

import numpy as np
import pydicom
import pytest
import tensorflow as tf
from PIL import Image

from gastritis_gan.errors import InputError
from gastritis_gan.evaluation.results import GanTrainResult, ImageMetricsResult
from gastritis_gan.releases.release import release
from gastritis_gan.serving.exported_model import ExportedModel
from gastritis_gan.serving.model_folder import model_hash
from gastritis_gan.store.split import SplitConfig, hash_split, split_patients
from tests.helpers.audits import change_card, make_audit
from tests.helpers.dciodvfy import validate
from tests.helpers.gan_train_results import make_results_of

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


@pytest.fixture
def drawn(monkeypatch):
    """Noise instead of networks, where the pixels do not matter: it takes no time."""

    def generate(self, seeds, truncation=1.0):
        shape = (len(seeds), self.resolution, self.resolution, 1)
        return np.random.default_rng(int(seeds[0])).integers(0, 256, shape, np.uint8)

    monkeypatch.setattr(ExportedModel, "generate", generate)


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
        *("README.md", "CITATION.cff", "croissant.json", "SHA256SUMS"),
    }
    assert len(list((folder / "images" / "gastritis").iterdir())) == 6
    text = (folder / "DATASHEET.md").read_text(encoding="utf-8")
    for expected in (
        "12 synthetic image patches",
        "16 x 16 pixels",
        "gastritis, normal",
        "CC-BY-4.0",
        "works on real ones was not measured",
        "images of it may show training patients",
        "because: weights were drawn at random",
        model_hash(models / "small" / "1"),
        "exported/other/1 exported/small/1 --count other=6 --count small=6",
    ):
        assert expected in text
    assert str(tmp_path) not in text
    assert str(models) not in (folder / "release.json").read_text(encoding="utf-8")


@pytest.mark.usefixtures("drawn")
def test_checksums_cover_everything_and_the_release_can_be_made_again(models, tmp_path):
    date = datetime.date(2026, 11, 30)
    for name in ("a", "b"):
        make(models, tmp_path / name, **RISK, image_format="dicom", date=date)
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


@pytest.mark.usefixtures("drawn")
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


@pytest.mark.usefixtures("drawn")
def test_every_picture_says_that_a_model_made_it(models, tmp_path):
    folder = make(models, tmp_path / "r", **RISK)
    for row in rows(folder):
        with Image.open(folder / row["file"]) as image:
            check_mark(image.info["xmp"], row)
    with Image.open(folder / "sheet.png") as image:
        assert SOURCE_TYPE in image.info["xmp"]


SOURCE_TYPE = b"http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def check_mark(xmp, row):
    """An XML parser finds IPTC's terms and what the manifest states."""
    packet = xmp[xmp.index(b"<x:xmpmeta") : xmp.index(b"</x:xmpmeta>") + 12]
    (description,) = ElementTree.fromstring(packet).iter(
        "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description"
    )
    iptc, own = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}", "{urn:gastritis-gan:1}"
    assert description.get(f"{iptc}DigitalSourceType") == SOURCE_TYPE.decode()
    assert description.get(f"{iptc}AISystemUsed") == row["model"]
    assert description.get(f"{iptc}AISystemVersionUsed") == row["version"]
    assert description.get(f"{own}model_hash") == row["model_hash"]
    assert description.get(f"{own}seed") == row["seed"]
    assert description.get(f"{own}truncation") == row["truncation"]


def test_tfrecord(models, tmp_path):
    make(models, tmp_path / "r", **RISK, image_format="tfrecord")
    path = tmp_path / "r" / "images" / "00000.tfrecord"
    keys = {
        "image/encoded": tf.io.FixedLenFeature([], tf.string),
        "image/class/label": tf.io.FixedLenFeature([], tf.int64),
        "image/class/text": tf.io.FixedLenFeature([], tf.string),
        "generator/seed": tf.io.FixedLenFeature([], tf.int64),
        "generator/truncation": tf.io.FixedLenFeature([], tf.float32),
        "image/digital_source_type": tf.io.FixedLenFeature([], tf.string),
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
    found = rows(tmp_path / "r")
    for example, row in zip(examples, found, strict=True):
        assert example["image/digital_source_type"] == SOURCE_TYPE
        assert float(example["generator/truncation"]) == 1
        with Image.open(io.BytesIO(example["image/encoded"].numpy())) as image:
            check_mark(image.info["xmp"], row)


def test_dicom(models, tmp_path):
    date = datetime.date(2026, 11, 30)
    make(models, tmp_path / "r", **RISK, image_format="dicom", date=date)
    folder = tmp_path / "r"
    found = check_images(
        models, folder, lambda row: pydicom.dcmread(folder / row["file"]).pixel_array
    )
    identity = json.loads((folder / "release.json").read_text())["release_id"]
    for row in found:
        dataset = pydicom.dcmread(folder / row["file"])
        assert dataset.SOPClassUID == SECONDARY_CAPTURE
        assert dataset[0x0008, 0x001C].value == "YES"
        (equipment,) = dataset[0x0018, 0xA001].value
        assert equipment.DeviceSerialNumber == row["model_hash"]
        assert equipment.ManufacturerModelName == f"{row['model']} 1"
        assert dataset.SeriesDescription == row["class"]
        assert dataset.SeriesNumber == ["other", "small"].index(row["model"]) + 1
        assert dataset.PatientID == f"SYNTHETIC-{identity}"
        assert dataset.PatientName == f"SYNTHETIC^{identity}"
        assert (dataset.StudyDate, dataset.StudyID) == ("20261130", identity)
        assert not any(
            dataset.get(keyword)
            for keyword in (
                *("PatientBirthDate", "PatientSex", "AccessionNumber", "ContentDate"),
                *("BodyPartExamined", "ProtocolName", "BurnedInAnnotation"),
            )
        )
        assert dataset.Modality == "OT"
    datasets = [pydicom.dcmread(folder / row["file"]) for row in found]
    assert len({dataset.SOPInstanceUID for dataset in datasets}) == 12
    assert len({dataset.SeriesInstanceUID for dataset in datasets}) == 2
    assert len({dataset.StudyInstanceUID for dataset in datasets}) == 1


@pytest.mark.usefixtures("drawn")
def test_the_identity_is_of_models_seeds_and_truncation(models, tmp_path):
    folders = [
        make(models, tmp_path / str(number), **RISK, image_format="dicom", **options)
        for number, options in enumerate(
            ({}, {"title": "x"}, {"seed": 1}, {"truncation": 0.5})
        )
    ]
    paths = [sorted(folder.rglob("*.dcm"))[0] for folder in folders]
    first, same, *others = [pydicom.dcmread(path).PatientID for path in paths]
    assert same == first
    assert len({first, *others}) == 3


SUBJECTS = (
    {"organ": "stomach", "view": "AP", "modality": "RF"},
    {"organ": "breast", "view": "MLO", "modality": "mg"},
    {"organ": "chest", "modality": "DX"},
    {},
)


def change_cards(models, folder, **changes):
    """Copies the models, with other entries in their cards."""
    shutil.copytree(models, folder)
    for path in folder.glob("*/1/assets.extra/model_card.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda s: s.get("organ", "unstated"))
def test_what_the_images_show_comes_from_the_cards(models, tmp_path, subject):
    copy = change_cards(models, tmp_path / "models", **subject)
    folder = make(copy, tmp_path / "r", **RISK, image_format="dicom")
    path = sorted(folder.rglob("*.dcm"))[0]
    dataset = pydicom.dcmread(path)
    upper = {key: text.upper() for key, text in subject.items()}
    assert dataset.get("BodyPartExamined") == upper.get("organ")
    assert dataset.Modality == upper.get("modality", "OT")
    assert dataset.get("ProtocolName", "View ")[5:] == upper.get("view", "")
    assert validate(path, "-new") == ["SCImage"]  # neither error nor warning
    sheet = (folder / "DATASHEET.md").read_text()
    for key in ("organ", "view", "modality"):
        assert f"{key} {subject.get(key)}" in sheet or key not in subject
    assert ("stomach" in sheet or "gastric" in sheet.replace("gastritis", "")) == (
        subject.get("organ") == "stomach"
    )
    assert ("Not stated: " in sheet) == (len(subject) < 3)


def test_models_of_two_organs_are_refused(models, tmp_path):
    copy = shutil.copytree(models, tmp_path / "models")
    path = copy / "small" / "1" / "assets.extra" / "model_card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"organ": "chest"}))
    with pytest.raises(InputError, match="one organ; these differ"):
        make(copy, tmp_path / "r", **RISK)


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize(("looked", "stated"), [(True, "NO"), (False, None)])
def test_burned_in_text_is_denied_only_after_a_search(models, tmp_path, looked, stated):
    config = {"patches": {"exclude_text": looked}}
    copy = change_cards(models, tmp_path / "models", config=config)
    folder = make(copy, tmp_path / "r", **RISK, image_format="dicom")
    for path in folder.rglob("*.dcm"):
        assert pydicom.dcmread(path).get("BurnedInAnnotation") == stated


@pytest.mark.usefixtures("drawn")
def test_a_passing_audit_opens_the_way(models, tmp_path):
    folder = make_audit(tmp_path / "audit", models)
    make(models, tmp_path / "r", audit=folder)
    text = (tmp_path / "r" / "DATASHEET.md").read_text(encoding="utf-8")
    assert "**Verdict: pass.**" in text
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


@pytest.mark.usefixtures("drawn")
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


@pytest.mark.usefixtures("drawn")
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


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("verdict", ["fail", "undecided"])
def test_another_verdict_closes_it(models, tmp_path, verdict):
    folder = make_audit(tmp_path / "audit", models, verdict)
    with pytest.raises(InputError, match=f"the audit's verdict is '{verdict}'"):
        make(models, tmp_path / "r", audit=folder)
    assert not (tmp_path / "r").exists()
    make(models, tmp_path / "r", audit=folder, **RISK)
    text = (tmp_path / "r" / "DATASHEET.md").read_text(encoding="utf-8")
    assert f"**Verdict: {verdict}.**" in text
    assert text.index(f"Verdict: {verdict}") < text.index("## What it is")
    assert "because: weights were drawn at random" in text
    for name in ("DATASHEET.md", "README.md", "CITATION.cff", "croissant.json"):
        text = " ".join((tmp_path / "r" / name).read_text(encoding="utf-8").split())
        assert "images of this release may show training patients" in text
        for claim in ("No image shows", "none is a photograph", "found no copy"):
            assert claim not in text


MEASURES = {"gan-train": GanTrainResult, "image-metrics": ImageMetricsResult}


def write_results(folder, kind, cards):
    json_file, table_file, results = make_results_of(cards)[kind]
    folder.mkdir()
    (folder / table_file).write_text(MEASURES[kind](results).table)
    (folder / json_file).write_text(json.dumps(results))
    return folder


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("kinds", [["gan-train"], ["image-metrics"], [*MEASURES]])
def test_results_of_these_models_go_into_the_datasheet(models, tmp_path, kinds):
    cards = [
        json.loads((models / name / "1/assets.extra/model_card.json").read_text())
        for name in ("small", "other")
    ]
    results = [write_results(tmp_path / kind, kind, cards) for kind in kinds]
    make(models, tmp_path / "r", **RISK, results=results)
    text = (tmp_path / "r" / "DATASHEET.md").read_text(encoding="utf-8")
    titles = {
        "gan-train": "An SVM trained on each row",
        "image-metrics": "### Image metrics",
    }
    for kind in MEASURES:
        assert (titles[kind] in text) == (kind in kinds)
        assert (f"--results results/{kind}" in text) == (kind in kinds)
    congruence, coverage = (
        line for line in text.splitlines() if line.startswith(("| Congr", "| Cover"))
    )
    for line in (congruence, coverage):
        assert ("Nothing was measured." in line) == ("image-metrics" not in kinds)
    assert ("works on real ones was not measured" in text) == ("gan-train" not in kinds)
    wrong = write_results(tmp_path / "wrong", kinds[0], cards[:1])
    with pytest.raises(InputError, match="did not measure other/1"):
        make(models, tmp_path / "s", **RISK, results=wrong)
    others = [card | {"class_name": "ulcer"} for card in cards]
    wrong = write_results(tmp_path / "others", kinds[0], others)
    with pytest.raises(InputError, match="did not measure"):
        make(models, tmp_path / "s", **RISK, results=wrong)
    wrong = write_results(tmp_path / "edited", kinds[0], cards)
    (table,) = wrong.glob("*.md")
    table.write_text(table.read_text() + "| better | 1.00 |")
    with pytest.raises(InputError, match="is not the table of"):
        make(models, tmp_path / "s", **RISK, results=wrong)
    with pytest.raises(InputError, match=f"two of the results are of `{kinds[0]}`"):
        make(models, tmp_path / "s", **RISK, results=[results[0], results[0]])


@pytest.mark.usefixtures("drawn")
def test_the_seven_criteria_have_a_row_each(models, tmp_path):
    folder = make(models, tmp_path / "r", **RISK)
    section = (folder / "DATASHEET.md").read_text().split("## Seven C's")[1]
    rows = [line.split(" ")[1] for line in section.splitlines() if line[:3] == "| C"]
    assert rows == [
        *("Congruence", "Coverage", "Constraint", "Completeness", "Compliance"),
        *("Comprehension", "Consistency"),
    ]


@pytest.mark.usefixtures("drawn")
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
        ({**RISK, "results": "absent"}, "has neither results.json nor metrics.json"),
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


@pytest.mark.usefixtures("drawn")
def test_any_mix(models, tmp_path):
    counts = {"small": 5, "other": 2}
    folder = make(models, tmp_path / "r", **RISK, counts=counts, seed=1000)
    found = rows(folder)
    assert [row["model"] for row in found] == ["other"] * 2 + ["small"] * 5
    assert [int(row["seed"]) for row in found] == list(range(1000, 1007))


def insider_finds(folder, cohort, splits):
    """What somebody does who knows the cohort and guesses how it was split.

    Args:
        folder: What was given away.
        cohort: Patient, SHA-256 of the pixels and label of every image.
        splits: Guesses: "train" or "test" by patient.

    Returns:
        The guesses that something in the folder confirms.
    """
    files = [path.read_text("latin-1") for path in folder.rglob("*") if path.is_file()]
    return [
        split
        for split in splits
        if any(
            hash_split((p, sha256, label, split[p]) for p, sha256, label in cohort)
            in text
            for text in files
        )
    ]


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("image_format", ["png", "dicom"])
def test_an_insider_cannot_tell_from_a_release_who_was_trained_on(
    models, tmp_path, image_format
):
    cohort = [(f"p{n}", f"{n:064x}", ["positive", "negative"][n % 2]) for n in range(9)]
    secret = {"train_positive_patients": 2, "train_negative_patients": 3, "seed": 77}
    patients = [(patient, label) for patient, _, label in cohort]
    truth = split_patients(patients, SplitConfig(**secret))
    guesses = [
        split_patients(patients, SplitConfig(**secret | {"seed": seed}))
        for seed in range(100)
    ]
    config = {
        "split": secret,
        "audit": {"max_membership_auc": 0.987},
        "evaluation": {"seed": 77},
        "training": {"seed": 7_777_777},
        "networks": {"latent_dim": 8},
    }
    split_hash = hash_split((p, sha256, label, truth[p]) for p, sha256, label in cohort)
    changes = {"split_hash": split_hash, "seed": 7_777_777, "config": config}
    changes["metrics"] = {"quality_floor": 0.123456789}
    changes["split_mark"] = "ab" * 12  # under a key that the insider does not have
    copy = change_cards(models, tmp_path / "models", **changes)
    assert truth in insider_finds(copy, cohort, guesses)  # the cards of the hospital
    folder = make(copy, tmp_path / "r", **RISK, image_format=image_format)
    assert insider_finds(folder, cohort, guesses) == []
    for path in (folder / "release.json", folder / "DATASHEET.md"):
        text = path.read_text()
        for leak in ("7777777", "0.987", "0.123456789", "train_positive", '"seed": 77'):
            assert leak not in text, (path.name, leak)
    cards = [
        p["card"] for p in json.loads((folder / "release.json").read_text())["parts"]
    ]
    assert [card["split_mark"] for card in cards] == ["ab" * 12] * 2
    assert [card["config"] for card in cards] == [{"networks": {"latent_dim": 8}}] * 2
