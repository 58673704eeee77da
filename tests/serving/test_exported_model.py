import gc
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from gastritis_gan.errors import InputError
from gastritis_gan.serving.exported_model import (
    ExportedModel,
    batch_size,
    find_models,
    open_model,
)
from gastritis_gan.serving.model_folder import model_hash
from tests.helpers.fake_server import fake_server

STATUS = b'{"model_version_status": [{"version": "4", "state": "AVAILABLE"}]}'


@pytest.fixture(scope="module")
def model(exported):
    return ExportedModel.open(exported.parent)


@pytest.fixture
def copy(exported, tmp_path):
    return shutil.copytree(exported.parent, tmp_path / "small")


def test_images(model, generator):
    images = model.generate(np.arange(3))
    assert images.shape == (3, 16, 16, 1)
    assert images.dtype == np.uint8
    assert model.version == 1
    assert model.card["class_name"] == "gastritis"


def test_metadata_needs_no_tensorflow(exported):
    script = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "from gastritis_gan.serving.exported_model import ExportedModel\n"
        "model = ExportedModel.open(sys.argv[1])\n"
        "print(model, model.model_hash, model.resolution, model.class_name)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, exported.parent],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == (
        "<ExportedModel small, version 1: class 'gastritis', 16 x 16 pixels> "
        f"{model_hash(exported)} 16 gastritis\n"
    )


def test_closing_frees_the_weights(exported):
    def num_weights():
        gc.collect()
        return sum(
            tf.is_tensor(value) and value.shape == (8, 256)  # of the first layer
            for value in gc.get_objects()
            if isinstance(value, tf.Variable)
        )

    before = num_weights()
    model = ExportedModel.open(exported)
    images = model.generate([5])
    assert num_weights() == before + 1
    model.close()
    assert num_weights() == before
    np.testing.assert_array_equal(model.generate([5]), images)


def test_a_seed_gives_the_same_image_in_any_batch(model):
    seeds = np.arange(37)  # two full batches and a short one
    together = model.generate(seeds).astype(int)
    alone = np.concatenate([model.generate([seed]) for seed in seeds])
    np.testing.assert_allclose(together, alone, atol=1)
    assert len(np.unique(together, axis=0)) == 37


@pytest.mark.parametrize(
    ("resolution", "size"), [(16, 16), (128, 16), (256, 4), (1024, 1)]
)
def test_batches_of_large_images_are_small(resolution, size):
    assert batch_size(resolution) == size


def test_truncation(model):
    one, another = model.generate([1, 2], truncation=0.0).astype(int)
    np.testing.assert_allclose(one, another, atol=1)
    full = model.generate([1, 2]).astype(int)
    assert np.abs(full[0] - full[1]).max() > 1
    np.testing.assert_array_equal(model.generate([1, 2], np.nan), full)


@pytest.mark.parametrize("seeds", [[], [[1]], 1])
def test_seeds_of_another_shape_are_refused(model, seeds):
    with pytest.raises(ValueError, match="seeds"):
        model.generate(seeds)


def test_the_highest_version_is_the_default(copy):
    for version in ("2", "10"):
        shutil.copytree(copy / "1", copy / version)
        card_path = copy / version / "assets.extra" / "model_card.json"
        card = json.loads(card_path.read_text())
        card_path.write_text(json.dumps({**card, "version": int(version)}))
    (copy / ".11.partial-x").mkdir()
    (copy / "v12").mkdir()
    assert ExportedModel.open(copy).version == 10
    assert ExportedModel.open(copy, 2).version == 2
    assert ExportedModel.open(copy / "1").version == 1
    assert ExportedModel.open(copy / "1", 1).version == 1
    with pytest.raises(InputError, match="has no version 3; it has 1, 2, 10"):
        ExportedModel.open(copy, 3)
    with pytest.raises(InputError, match="one version already"):
        ExportedModel.open(copy / "1", 2)


def test_no_model(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        ExportedModel.open(tmp_path / "absent")
    with pytest.raises(InputError, match="contains no exported version"):
        ExportedModel.open(tmp_path)
    (tmp_path / "1").mkdir()
    with pytest.raises(InputError, match="is not an exported model"):
        ExportedModel.open(tmp_path)


DATA = "variables/variables.data-00000-of-00001"


@pytest.mark.parametrize("name", ["saved_model.pb", "variables/variables.index", DATA])
@pytest.mark.parametrize("damage", ["missing", "short", "flipped"])
def test_a_damaged_copy_is_refused(copy, name, damage):
    path = copy / "1" / name
    content = bytearray(path.read_bytes())
    if damage == "missing":
        path.unlink()
    elif damage == "short":
        path.write_bytes(content[: len(content) // 2])
    else:
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"damaged|contains no exported version"):
        ExportedModel.open(copy / "1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "format 1"),
        ('{"format": 2}', "format 1"),
        ('{"format": 1}', "damaged"),
    ],
)
def test_a_damaged_card_is_refused(copy, text, message):
    (copy / "1" / "assets.extra" / "model_card.json").write_text(text)
    with pytest.raises(InputError, match=message):
        ExportedModel.open(copy)


def change_card(folder, **changes):
    path = folder / "assets.extra" / "model_card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.fixture
def several(exported, tmp_path):
    """Two versions of one model and one of another, of the split `0...`."""
    folder = tmp_path / "exported"
    for name, version, target in (
        ("a", 1, "positive"),
        ("a", 2, "positive"),
        ("b", 1, "negative"),
    ):
        copy = shutil.copytree(exported, folder / name / str(version))
        change_card(copy, name=name, version=version, target=target)
    return folder


def test_the_models_of_a_split(several):
    models, notes = find_models([several], split_hash="0" * 64)
    assert [(model.name, model.version) for model in models] == [("a", 2), ("b", 1)]
    assert notes == []
    again, _ = find_models([several / "a", several / "a" / "2"], split_hash="0" * 64)
    assert [model.path for model in again] == [several / "a" / "2"]


def test_models_of_another_split_are_left_out(several, tmp_path):
    change_card(several / "b" / "1", split_hash="1" * 64)
    (tmp_path / "empty").mkdir()
    models, notes = find_models([tmp_path / "empty", several], split_hash="0" * 64)
    assert [model.name for model in models] == ["a"]
    assert notes == [
        "empty contains no exported model.",
        "b, version 1, was skipped: it was trained on another split than this store's.",
    ]


def test_two_models_of_one_kind_are_refused(several, tmp_path):
    change_card(several / "b" / "1", target="positive")
    with pytest.raises(InputError, match=r"both lc_pggan models of the positive class"):
        find_models([several], split_hash="0" * 64)
    with pytest.raises(InputError, match="absent does not exist"):
        find_models([tmp_path / "absent"], split_hash="0" * 64)


def test_open_model_of_a_folder(exported):
    model = open_model(exported.parent)
    assert (model.name, model.version, model.class_name) == ("small", 1, "gastritis")
    images = model.generate(range(3))
    assert (images.shape, images.dtype) == ((3, 16, 16, 1), np.uint8)
    with pytest.raises(InputError, match="has no version 2"):
        open_model(str(exported.parent), version=2)
    with pytest.raises(InputError, match="is a folder"):
        open_model(exported.parent, "small")


def test_open_model_of_a_server():
    with fake_server(lambda *_: (200, STATUS)) as address:
        model = open_model(address, "small")
        assert (model.name, model.version, model.class_name) == ("small", 4, "")
        with pytest.raises(InputError, match="name one with --model"):
            open_model(address)
