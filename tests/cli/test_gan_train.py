from __future__ import annotations

import json

import keras
import numpy as np
import pytest

from gastritis_gan.serving.export import export_generator
from tests.helpers.forged_models import HARMFUL, forge
from tests.helpers.striped_store import CONFIG, invoke, make_card, make_workplace

SIZE = 16
LATENT_DIM = 4


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    return make_workplace(tmp_path_factory.mktemp("workplace"))


def make_generator(positive):
    """Makes stripes or blotches, as the class of real images has them."""
    model = keras.Sequential(
        [keras.layers.Dense(SIZE**2), keras.layers.Reshape([SIZE] * 2 + [1])]
    )
    model.build((None, LATENT_DIM))
    model.latent_dim = LATENT_DIM
    if positive:
        stripes = np.tile([-0.5, 0.5], SIZE**2 // 2)
        noise = np.random.default_rng(0).normal(0, 0.04, (LATENT_DIM, SIZE**2))
        model.set_weights([noise, stripes])
    else:
        quarters = np.eye(LATENT_DIM).reshape(LATENT_DIM, 2, 2)
        blotches = 0.35 * np.kron(quarters, np.ones((SIZE // 2, SIZE // 2)))
        model.set_weights([blotches.reshape(LATENT_DIM, -1), np.zeros(SIZE**2)])
    return model


def write_model(exported_dir, name, model, target, split_hash):
    export_generator(
        make_generator(target == "positive"),
        exported_dir=exported_dir,
        name=name,
        metadata=make_card(model, target, split_hash, latent_dim=LATENT_DIM),
    )


@pytest.fixture(scope="module")
def exported(workplace):
    """A PGGAN of both classes, and an LC-PGGAN of another split."""
    store = json.loads((workplace / "store" / "store.json").read_text())
    path = workplace / "exported"
    for target in ("positive", "negative"):
        write_model(path, f"pggan_{target}", "pggan", target, store["split_hash"])
    write_model(path, "stranger", "lc_pggan", "positive", "0" * 64)
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
    assert "Conclusion: with " in result.output
    assert max(map(len, result.stdout.split("\nTables:")[0].splitlines())) <= 100
    assert str(tmp_path / "out" / "table.md") in result.output
    assert (tmp_path / "out" / "plots" / "roc_texture.svg").is_file()
    assert (tmp_path / "feature-cache").is_dir()
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    rows = results["extractors"][0]["rows"]
    assert [row["name"] for row in rows] == ["PGGAN", "Real data (Ideal)"]
    assert all(row["harmonic_mean"] == 1 for row in rows)
    assert all(len(card["files"]) >= 3 for card in results["generators"])
    assert any("stranger" in note for note in results["notes"])


@pytest.mark.parametrize("command", ["gan-train", "audit"])
@pytest.mark.parametrize("harm", HARMFUL)
def test_a_graph_that_does_harm_is_refused(
    workplace, exported, tmp_path, command, harm
):
    models = tmp_path / "models"
    for target in ("positive", "negative"):
        name = f"pggan_{target}"
        (models / name).mkdir(parents=True)
        forge(
            exported / name / "1",
            models / name / "1",
            lambda meta: harm(meta, tmp_path / "file"),
        )
    result = invoke(
        command, "--config", workplace / "config.yaml",
        "--store", workplace / "store", "--generators", models,
        "--out", tmp_path / "out",
    )  # fmt: skip
    refuse(result, tmp_path, "its graph has the operation")
    assert not (tmp_path / "file").exists()


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
