from __future__ import annotations

import json

import pytest

from tests.helpers.striped_store import CONFIG, invoke, make_card, make_workplace

pytest.importorskip("tensorflow")
import tensorflow as tf

from gastritis_gan.serving.model_folder import write_model_card


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    return make_workplace(tmp_path_factory.mktemp("workplace"))


class FlatPatches(tf.Module):
    """Makes stripes or blotches, as the class of real images has them."""

    def __init__(self, positive):
        super().__init__()
        self.positive = positive

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.int64), tf.TensorSpec([None])]
    )
    def generate(self, seeds, truncation):
        def draw(seed):
            noise = tf.random.stateless_uniform([2, 2, 1], seed=[seed, 0], minval=60.0)
            blotches = 60 + 140 * (noise - 60) / (1 - 60)
            blotches = tf.repeat(tf.repeat(blotches, 8, axis=0), 8, axis=1)
            noise = tf.random.stateless_normal([16, 16, 1], seed=[seed, 1], stddev=10.0)
            stripes = tf.tile([[[60.0], [200.0]]], [16, 8, 1]) + noise
            return tf.clip_by_value(stripes if self.positive else blotches, 0, 255)

        images = tf.map_fn(draw, seeds, fn_output_signature=tf.float32)
        return {"images": tf.cast(images, tf.uint8), "truncation": truncation}


def write_model(folder, model, target, split_hash):
    module = FlatPatches(target == "positive")
    tf.saved_model.save(module, folder, signatures={"generate": module.generate})
    card = make_card(model, target, split_hash, name=folder.parent.name)
    write_model_card(folder, card)


@pytest.fixture(scope="module")
def exported(workplace):
    """A PGGAN of both classes, and an LC-PGGAN of another split."""
    store = json.loads((workplace / "store" / "store.json").read_text())
    path = workplace / "exported"
    for target in ("positive", "negative"):
        write_model(
            path / f"pggan_{target}" / "1", "pggan", target, store["split_hash"]
        )
    write_model(path / "stranger" / "1", "lc_pggan", "positive", "0" * 64)
    (path / "models.config").write_text("")
    return path


@pytest.fixture
def run(workplace):
    def run(out, *arguments, config=workplace / "config.yaml"):
        return invoke(
            "gan-train", "--config", config, "--store", workplace / "store",
            "--out", out, *arguments,
        )  # fmt: skip

    return run


def test_tables_are_printed_and_written(run, exported, tmp_path):
    result = run(tmp_path / "out", "--generators", exported)
    assert result.exit_code == 0, result.output
    assert "stranger, version 1, was skipped" in result.output
    assert (tmp_path / "out" / "table.md").read_text() in result.output
    assert str(tmp_path / "out" / "table.md") in result.output
    assert (tmp_path / "out" / "plots" / "roc_texture.svg").is_file()
    assert (tmp_path / "feature-cache").is_dir()
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    rows = results["extractors"][0]["rows"]
    assert [row["name"] for row in rows] == ["PGGAN", "Real data (Ideal)"]
    assert all(row["harmonic_mean"] == 1 for row in rows)
    assert all(len(card["files"]) >= 3 for card in results["generators"])
    assert any("stranger" in note for note in results["notes"])


def refuse(result, tmp_path, *words):
    assert result.exit_code == 2, result.output
    for word in words:
        assert str(word) in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out*"))


def test_wrong_paths_are_refused(run, workplace, tmp_path):
    missing = tmp_path / "missing"
    refuse(run(tmp_path / "out", "--generators", missing), tmp_path, missing)
    result = invoke(
        "gan-train", "--config", workplace / "config.yaml", "--store", missing,
        "--out", tmp_path / "out",
    )  # fmt: skip
    refuse(result, tmp_path, missing)


def test_nothing_is_overwritten(run, tmp_path):
    result = run(tmp_path)
    assert result.exit_code == 2
    assert f"{tmp_path} exists already" in result.output


def test_a_folder_of_weights_must_hold_keras_files(run, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.replace("[texture]", "[resnet50_pool]"))
    weights = tmp_path / "weights"
    weights.mkdir()
    arguments = ["--weights-dir", weights]
    result = run(tmp_path / "out", *arguments, config=config)
    name = "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
    refuse(result, tmp_path, weights / name, "does not exist", "weights --fetch")
    (weights / name).write_bytes(b"half")
    result = run(tmp_path / "out", *arguments, config=config)
    refuse(result, tmp_path, weights / name, "4d473c1dd8becc155b73f8504c6f6626")


@pytest.mark.parametrize("name", ["vgg16_fc2", "texture"])
def test_weights_that_no_extractor_uses_are_refused(run, tmp_path, name):
    result = run(tmp_path / "out", "--weights", f"{name}=file.h5")
    refuse(result, tmp_path, f"weights were given for {name}", "it has none")


def test_weights_without_a_name_are_refused(run, tmp_path):
    result = run(tmp_path / "out", "--weights", "file.h5")
    refuse(result, tmp_path, "--weights file.h5", "NAME=FILE")


def test_missing_weights_name_the_extractor_and_the_way_out(run, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.replace("[texture]", "[vgg16_block5]"))
    missing = tmp_path / "none.h5"
    result = run(
        tmp_path / "out", "--weights", f"vgg16_block5={missing}", config=config
    )
    refuse(result, tmp_path, missing, "--weights vgg16_block5=FILE")
