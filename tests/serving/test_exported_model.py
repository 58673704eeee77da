import json
import shutil

import numpy as np
import pytest

from gastritis_gan.errors import InputError
from gastritis_gan.serving.exported_model import ExportedModel


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


def test_a_seed_gives_the_same_image_in_any_batch(model):
    seeds = np.arange(37)  # two full batches and a short one
    together = model.generate(seeds).astype(int)
    alone = np.concatenate([model.generate([seed]) for seed in seeds])
    np.testing.assert_allclose(together, alone, atol=1)
    assert len(np.unique(together, axis=0)) == 37


@pytest.mark.parametrize(
    ("resolution", "sizes"), [(128, [16, 3]), (256, [4, 4, 4, 4, 3]), (1024, [1] * 19)]
)
def test_batches_of_large_images_are_small(model, resolution, sizes, monkeypatch):
    seen = []

    def generate(seeds, truncation):
        seen.append(len(seeds))
        return {"images": seeds}

    monkeypatch.setattr(model, "_generate", generate)
    monkeypatch.setitem(model.card, "resolution", resolution)
    model.generate(np.arange(19))
    assert seen == sizes


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
    with pytest.raises(InputError, match="holds no exported version"):
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
    with pytest.raises(InputError, match=r"damaged|holds no exported version"):
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
