"""What a release or a server gives away never passes as a patient's image."""

import csv
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from gastritis_gan.cli.main import main
from gastritis_gan.releases.release import release
from gastritis_gan.serving.exported_model import ExportedModel
from gastritis_gan.serving.sample_folder import sample
from gastritis_gan.store.store import Store

CONFIG = """
patches: {patch_size: 16, stride: 16}
split: {train_positive_patients: 1, train_negative_patients: 1}
schedule: {final_resolution: 16}
objective: {lc_resolution: 16}
"""


@pytest.fixture(scope="module")
def synthetic(exported, tmp_path_factory):
    """One image of every kind that leaves the hospital, each of another seed."""
    root = tmp_path_factory.mktemp("synthetic")
    risk = {"accept_risk": "weights were drawn at random", "per_class": 1}
    release(exported, root / "png", seed=0, **risk)
    release(exported, root / "dicom", seed=1, image_format="dicom", **risk)
    release(exported, root / "tfrecord", seed=2, image_format="tfrecord", **risk)
    model = ExportedModel.open(exported)
    sample(model, root / "sample", count=1, seed=3)
    (root / "served.png").write_bytes(served(model))
    (root / "example.png").write_bytes(of_example(root / "tfrecord"))
    return [
        *(root / "png" / "images").rglob("*.png"),
        *(root / "dicom" / "images").rglob("*.dcm"),
        root / "sample" / "000000.png",
        root / "served.png",
        root / "example.png",
        root / "png" / "sheet.png",
    ]


def served(model):
    import tensorflow as tf

    seeds, truncation = tf.constant([4], tf.int64), tf.ones([1])
    outputs = model.load().signatures["generate_png"](
        seeds=seeds, truncation=truncation
    )
    return outputs["png_bytes"].numpy()[0]


def of_example(folder):
    import tensorflow as tf

    (record,) = tf.data.TFRecordDataset(str(folder / "images" / "00000.tfrecord"))
    keys = {"image/encoded": tf.io.FixedLenFeature([], tf.string)}
    return tf.io.parse_single_example(record, keys)["image/encoded"].numpy()


def write_cohort(folder, films):
    folder.mkdir()
    with (folder / "cohort.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["image", "patient", "label", "outline"])
        for number, film in enumerate(films):
            name = f"{number}{film.suffix}"
            shutil.copy(film, folder / name)
            with (
                Image.open(folder / name)
                if film.suffix == ".png"
                else Image.new("L", (16, 16)) as image
            ):
                Image.new("L", image.size, 255).save(folder / f"o{number}.png")
            label = ["gastritis", "non_gastritis"][number % 2]
            rows.writerow([name, f"p{number}", label, f"o{number}.png"])
    (folder / "config.yaml").write_text(CONFIG)


def prepare(folder):
    arguments = ["prepare", folder, "--config", folder / "config.yaml",
                 "--out", folder / "store", "--workers", 1]  # fmt: skip
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_samples_among_patients_are_refused(synthetic, tmp_path):
    rng = np.random.default_rng(0)
    films = [tmp_path / f"{number}.png" for number in range(4)]
    for film in films:
        pixels = rng.integers(0, 256, (16, 16), np.uint8)
        Image.fromarray(pixels).save(film)
    write_cohort(tmp_path / "cohort", [*films, *synthetic])
    result = prepare(tmp_path / "cohort")
    assert result.exit_code == 2
    assert "6 of 10 images state that they are synthetic" in result.stderr
    assert "Rows of the cohort file: 6-11" in result.stderr
    assert not (tmp_path / "cohort" / "store").exists()


def test_samples_alone_are_a_synthetic_cohort(synthetic, tmp_path):
    write_cohort(tmp_path / "cohort", synthetic)
    result = prepare(tmp_path / "cohort")
    assert result.exit_code == 0, result.output
    assert Store.open(tmp_path / "cohort" / "store").is_synthetic
