"""Libraries that load data sets read a release."""

import json
import shutil
import subprocess
import sys

import pytest
import yaml
from PIL import Image

from gastritis_gan.releases.release import release

READERS = {  # each runs in a process of its own
    "datasets": """
from datasets import load_dataset
images = load_dataset(sys.argv[1], cache_dir=sys.argv[2])["train"]
names = images.features["label"].names
found = [[names[row["label"]], list(row["image"].tobytes())] for row in images]
""",
    "mlcroissant": """
import mlcroissant
data = mlcroissant.Dataset(sys.argv[1] + "/croissant.json")
assert not data.metadata.ctx.issues.errors, data.metadata.ctx.issues.report()
assert not data.metadata.ctx.issues.warnings, data.metadata.ctx.issues.report()
import numpy as np
from PIL import Image
found = []
for record in data.records("images"):
    path = sys.argv[1] + "/" + record["images/file"].decode()
    pixels = np.ravel(np.asarray(Image.open(path))).tolist()
    found.append([record["images/class"].decode(), pixels])
""",
}


@pytest.fixture(scope="module")
def folder(exported, other_exported, tmp_path_factory):
    """A release of two classes; tests must not change it."""
    root = tmp_path_factory.mktemp("readers")
    shutil.copytree(exported.parent, root / "models" / "small")
    shutil.copytree(other_exported.parent, root / "models" / "other")
    path = root / "models" / "other" / "1" / "assets.extra" / "model_card.json"
    changes = {"name": "other", "target": "negative", "class_name": "normal"}
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return release(
        root / "models", root / "release", per_class=3, licence="CC-BY-4.0",
        authors=["Example Hospital"], accept_risk="weights were drawn at random",
    )  # fmt: skip


def pixels_by_class(folder):
    return sorted(
        [path.parent.name, list(Image.open(path).tobytes())]
        for path in (folder / "images").rglob("*.png")
    )


def test_keras_reads_images_and_labels(folder):
    import keras

    batches = keras.utils.image_dataset_from_directory(
        folder / "images", color_mode="grayscale", image_size=(16, 16), verbose=False
    )
    found = [
        [batches.class_names[label], image.astype(int).ravel().tolist()]
        for images, labels in batches.as_numpy_iterator()
        for image, label in zip(images, labels, strict=True)
    ]
    assert sorted(found) == pixels_by_class(folder)


@pytest.mark.parametrize("library", READERS)
def test_images_and_labels_are_read(folder, tmp_path, library):
    pytest.importorskip(library, reason=f"needs {library}")
    script = f"import json, sys\n{READERS[library]}\nprint(json.dumps(sorted(found)))"
    done = subprocess.run(
        [sys.executable, "-c", script, folder, tmp_path / "cache"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == pixels_by_class(folder)


def test_the_citation_has_what_its_format_requires(folder):
    """The required keys of Citation File Format 1.2.0, and its form of an entity."""
    citation = yaml.safe_load((folder / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "dataset"
    assert citation["message"]
    assert citation["title"] == "Synthetic images"
    assert citation["authors"] == [{"name": "Example Hospital"}]
    assert citation["license"] == "CC-BY-4.0"


def test_the_front_matter_names_the_images_alone(folder):
    _, front, page = (folder / "README.md").read_text().split("---\n")
    document = yaml.safe_load(front)
    (config,) = document["configs"]
    assert config["data_files"] == [{"split": "train", "path": "images/**"}]
    assert document["license"] == "cc-by-4.0"
    assert "may show training patients" in page
