from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from PIL import Image

from gastritis_gan.cli.main import main
from gastritis_gan.serving.exported_model import ExportedModel
from gastritis_gan.serving.model_card import write_model_card

CONFIG = """
cohort: {positive: striped, negative: blotched}
patches: {patch_size: 16, stride: 8}
split: {train_positive_patients: 2, train_negative_patients: 2}
schedule: {final_resolution: 16, batch_size: 4}
evaluation:
  extractors: [texture]
  samples_per_generator: 60
  patches_per_class: 40
  vote: inside
  controls: false
"""
PATIENTS = [
    "Ada",
    "Bea",
    "Cyd",
    "Dee",
    "Eve",
    "Flo",
    "Gus",
    "Hal",
]  # four of each class
FULL_TABLE = ["LC-PGGAN + PGGAN", "LC-PGGAN", "PGGAN", "Real data (Ideal)"]


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def draw_image(positive, seed):
    """Returns a 64 x 64 image: fine stripes, or blotches of 8 x 8 pixels."""
    rng = np.random.default_rng(seed)
    if positive:
        image = np.tile([60, 200], (64, 32)) + rng.normal(0, 10, (64, 64))
    else:
        image = np.kron(rng.integers(60, 200, (8, 8)), np.ones((8, 8)))
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with config.yaml and a store of two images per patient."""
    path = tmp_path_factory.mktemp("workplace")
    (path / "config.yaml").write_text(CONFIG)
    lines = ["image,patient,label,outline"]
    outline = np.zeros((64, 64), np.uint8)
    outline[8:] = 255
    Image.fromarray(outline).save(path / "outline.png")
    for number in range(2 * len(PATIENTS)):
        patient, positive = PATIENTS[number // 2], number < len(PATIENTS)
        name = f"{patient}{number}.png"
        Image.fromarray(draw_image(positive, number)).save(path / name)
        label = "striped" if positive else "blotched"
        lines.append(f"{name},{patient},{label},outline.png")
    (path / "cohort.csv").write_text("\n".join(lines) + "\n")
    result = invoke(
        "prepare", path, "--config", path / "config.yaml", "--out", path / "store",
        "--workers", 1,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    return path


@pytest.fixture(scope="module")
def split_hash(workplace):
    return json.loads((workplace / "store" / "store.json").read_text())["split_hash"]


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


def write_model(folder, model, target, split_hash, *, resolution=16, seed=0):
    module = FlatPatches(target == "positive")
    tf.saved_model.save(module, folder, signatures={"generate": module.generate})
    write_model_card(
        folder,
        {
            "name": folder.parent.name,
            "version": int(folder.name),
            "model": model,
            "target": target,
            "class_name": "striped" if target == "positive" else "blotched",
            "split_hash": split_hash,
            "resolution": resolution,
            "latent_dim": 1,
            "seed": seed,
            "num_images": 1,
        },
    )


@pytest.fixture(scope="module")
def exported(workplace, split_hash):
    """Both models of both classes, and the LC-PGGAN of another split."""
    path = workplace / "exported"
    for model in ("lc_pggan", "pggan"):
        for target in ("positive", "negative"):
            write_model(path / f"{model}_{target}" / "1", model, target, split_hash)
    write_model(path / "stranger" / "3", "lc_pggan", "positive", "0" * 64)
    (path / "models.config").write_text("")
    return path


@pytest.fixture
def run_gan_train(workplace):
    def run(out, *arguments, config=workplace / "config.yaml"):
        return invoke(
            "gan-train", "--config", config, "--store", workplace / "store",
            "--out", out, *arguments,
        )  # fmt: skip

    return run


def test_table_of_all_generators(run_gan_train, exported, tmp_path):
    result = run_gan_train(tmp_path / "out", "--generators", exported)
    assert result.exit_code == 0, result.output
    assert "stranger, version 3, was skipped" in result.output
    table = (tmp_path / "out" / "table.md").read_text()
    assert table in result.output
    assert str(tmp_path / "out" / "table.md") in result.output
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    (evaluation,) = results["extractors"]
    rows = {row["name"]: row for row in evaluation["rows"]}
    assert list(rows) == FULL_TABLE
    for row in rows.values():  # the classes are easy to tell apart
        assert row["harmonic_mean"] == 1
        assert row["num_positive_patches"] == row["num_negative_patches"] == 40
        assert row["true_positives"] == row["true_negatives"] == 4
    assert results["store"]["test_patients"] == 4
    assert results["store"]["excluded_images"] == 0
    # Rows 8, 16, ..., 48 are inside the outline; columns 0, 8, ..., 48.
    assert {image["patches"] for image in results["images"]} == {6 * 7}
    assert sorted(image["patient"] for image in results["images"]) == [
        0, 0, 1, 1, 2, 2, 3, 3,
    ]  # fmt: skip
    assert results["format"] == 2
    for name in ("confusion", "roc", "votes"):
        png = tmp_path / "out" / "figures" / f"{name}_texture.png"
        with Image.open(png) as image:
            assert min(image.size) > 200
        assert "<svg" in png.with_suffix(".svg").read_text()
    assert (tmp_path / "out" / "table.csv").read_text().count("\n") == 1 + 4 * 4
    assert (
        "LC-PGGAN + PGGAN & 40 + 40 & 1.000"
        in (tmp_path / "out" / "table.tex").read_text()
    )
    assert len(results["generators"]) == 4
    assert all(len(card["files"]) >= 3 for card in results["generators"])


def test_results_are_repeatable_and_tell_no_name(run_gan_train, exported, tmp_path):
    contents = []
    for name in ("first", "second"):
        result = run_gan_train(tmp_path / name, "--generators", exported)
        assert result.exit_code == 0, result.output
        contents.append((tmp_path / name / "results.json").read_text())
    assert contents[0] == contents[1]
    assert file_contents(tmp_path / "first") == file_contents(tmp_path / "second")
    assert not any(patient in contents[0] for patient in PATIENTS)
    assert str(tmp_path) not in contents[0]
    assert str(exported.parent) not in contents[0]


def file_contents(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_second_run_computes_no_feature_again(
    run_gan_train, exported, tmp_path, monkeypatch
):
    cache = tmp_path / "cache"
    arguments = ["--generators", exported, "--cache", cache]
    assert run_gan_train(tmp_path / "first", *arguments).exit_code == 0
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*.npy")}
    assert before

    def fail(*arguments):
        raise AssertionError("a feature was computed again")

    monkeypatch.setattr(
        "gastritis_gan.evaluation.features.texture.Texture.__call__", fail
    )
    result = run_gan_train(tmp_path / "second", *arguments)
    assert result.exit_code == 0, result.output
    assert before == {p: p.stat().st_mtime_ns for p in cache.rglob("*.npy")}


def test_a_run_that_was_killed_goes_on(run_gan_train, tmp_path, monkeypatch):
    from gastritis_gan.evaluation.features.texture import Texture

    calls = []
    compute = Texture.__call__

    def killed(self, images):
        calls.append(len(images))
        if len(calls) == 5:
            raise KeyboardInterrupt
        return compute(self, images)

    monkeypatch.setattr(Texture, "__call__", killed)
    assert run_gan_train(tmp_path / "out").exit_code != 0
    assert not (tmp_path / "out").exists()
    result = run_gan_train(tmp_path / "out")
    assert result.exit_code == 0, result.output
    # Two blocks of training patches and eight images, each once, and the lost one.
    assert len(calls) == 2 + 8 + 1


def test_controls(run_gan_train, exported, tmp_path, workplace):
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.replace("controls: false", "controls: true"))
    result = run_gan_train(
        tmp_path / "out",
        "--generators", exported / "pggan_positive",
        "--generators", exported / "pggan_negative",
        config=config,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    texture, control = results["extractors"]
    assert control["extractor"]["name"] == "mean_and_deviation"
    found = texture["controls"]
    assert found["permuted_labels"]["num_permutations"] == 20
    (few, whole) = found["few_patients"]
    assert (few["num_positive_patients"], few["num_draws"]) == (1, 5)
    assert (whole["num_positive_patients"], whole["num_draws"]) == (2, 1)
    assert found["worth_in_patients"] == [
        {"name": "PGGAN", "more_than": 4, "at_most": None}
    ]
    (mixed,) = found["mixed"]
    assert mixed["name"] == "Real data, 1 + 1 patients and PGGAN"
    assert mixed["num_positive_patches"] == 40
    (gan_test,) = found["gan_test"]
    assert gan_test["harmonic_mean"] == 1
    table = (tmp_path / "out" / "table.md").read_text()
    assert "mean AUC" in table
    assert "PGGAN does no worse than all real patients." in table


def test_several_seeds_are_several_runs(
    run_gan_train, exported, split_hash, tmp_path, workplace
):
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG + "  num_sample_seeds: 2\n")
    for target in ("positive", "negative"):
        folder = tmp_path / "more" / f"pggan_{target}_7" / "1"
        write_model(folder, "pggan", target, split_hash, seed=7)
    result = run_gan_train(
        tmp_path / "out",
        "--generators", exported,
        "--generators", tmp_path / "more",
        config=config,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    (evaluation,) = results["extractors"]
    runs = [
        (row["name"], row["generator_seed"], row["sample_seed"])
        for row in evaluation["rows"]
    ]
    assert runs == [
        ("LC-PGGAN + PGGAN", 0, 0), ("LC-PGGAN + PGGAN", 0, 1),
        ("LC-PGGAN", 0, 0), ("LC-PGGAN", 0, 1),
        ("PGGAN", 0, 0), ("PGGAN", 7, 0), ("PGGAN", 0, 1), ("PGGAN", 7, 1),
        ("Real data (Ideal)", None, 0), ("Real data (Ideal)", None, 1),
    ]  # fmt: skip
    means = {mean["name"]: mean for mean in evaluation["means"]}
    assert means["PGGAN"]["num_runs"] == 4
    assert "PGGAN, generator seed 7, sample seed 1" in result.output


def test_without_generators_the_row_of_real_data_remains(run_gan_train, tmp_path):
    result = run_gan_train(tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "the table has real data only" in result.output
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    (row,) = results["extractors"][0]["rows"]
    assert row["name"] == "Real data (Ideal)"
    assert results["protocol"]["resolution"] == 16


def test_a_row_without_one_of_its_generators_is_left_out(
    run_gan_train, exported, tmp_path
):
    result = run_gan_train(
        tmp_path / "out",
        "--generators", exported / "pggan_positive",
        "--generators", exported / "pggan_negative" / "1",
        "--generators", exported / "lc_pggan_negative",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "no lc_pggan generator of the positive class" in result.output
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    names = [row["name"] for row in results["extractors"][0]["rows"]]
    assert names == ["PGGAN", "Real data (Ideal)"]


def test_of_a_models_versions_the_highest_counts(
    run_gan_train, exported, split_hash, tmp_path
):
    copy = tmp_path / "exported"
    shutil.copytree(exported, copy)
    write_model(copy / "pggan_positive" / "12", "pggan", "positive", split_hash)
    result = run_gan_train(tmp_path / "out", "--generators", copy)
    assert result.exit_code == 0, result.output
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    versions = {card["name"]: card["version"] for card in results["generators"]}
    assert versions["pggan_positive"] == 12
    assert versions["pggan_negative"] == 1


def refuse(result, tmp_path, *words):
    assert result.exit_code == 2, result.output
    for word in words:
        assert str(word) in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out*"))


def test_two_generators_for_one_place_are_refused(
    run_gan_train, exported, split_hash, tmp_path
):
    write_model(tmp_path / "twin" / "1", "pggan", "positive", split_hash)
    result = run_gan_train(
        tmp_path / "out", "--generators", exported, "--generators", tmp_path / "twin"
    )
    first, second = exported / "pggan_positive" / "1", tmp_path / "twin" / "1"
    refuse(result, tmp_path, first, second, "one by one")


def test_generators_of_two_sizes_are_refused(
    run_gan_train, exported, split_hash, tmp_path
):
    write_model(tmp_path / "m" / "1", "pggan", "positive", split_hash, resolution=8)
    result = run_gan_train(
        tmp_path / "out",
        "--generators", exported / "pggan_negative",
        "--generators", tmp_path / "m",
    )  # fmt: skip
    refuse(result, tmp_path, "different sizes", "16", "8")


def test_generators_larger_than_the_stores_patches_are_refused(
    run_gan_train, split_hash, tmp_path
):
    write_model(tmp_path / "m" / "1", "pggan", "positive", split_hash, resolution=32)
    result = run_gan_train(tmp_path / "out", "--generators", tmp_path / "m")
    refuse(result, tmp_path, "patches of 32 pixels", "16")


def test_wrong_paths_are_refused(run_gan_train, workplace, tmp_path):
    missing = tmp_path / "missing"
    refuse(run_gan_train(tmp_path / "out", "--generators", missing), tmp_path, missing)
    result = invoke(
        "gan-train", "--config", workplace / "config.yaml", "--store", missing,
        "--out", tmp_path / "out",
    )  # fmt: skip
    refuse(result, tmp_path, missing)


def test_nothing_is_overwritten(run_gan_train, tmp_path):
    result = run_gan_train(tmp_path)
    assert result.exit_code == 2
    assert f"{tmp_path} exists already" in result.output


def test_a_folder_of_weights_must_hold_keras_files(run_gan_train, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.replace("[texture]", "[resnet50_pool]"))
    weights = tmp_path / "weights"
    weights.mkdir()
    arguments = ["--weights-dir", weights]
    result = run_gan_train(tmp_path / "out", *arguments, config=config)
    name = "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
    refuse(result, tmp_path, weights / name, "does not exist", "weights --fetch")
    (weights / name).write_bytes(b"half")
    result = run_gan_train(tmp_path / "out", *arguments, config=config)
    refuse(result, tmp_path, weights / name, "4d473c1dd8becc155b73f8504c6f6626")


@pytest.mark.parametrize("weights", ["vgg16_fc2=file.h5", "texture=file.h5", "file.h5"])
def test_weights_that_no_extractor_uses_are_refused(run_gan_train, tmp_path, weights):
    result = run_gan_train(tmp_path / "out", "--weights", weights)
    refuse(result, tmp_path, f"--weights {weights}", "NAME=FILE")


def test_missing_weights_name_the_extractor_and_the_way_out(
    run_gan_train, workplace, tmp_path
):
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.replace("[texture]", "[vgg16_block5]"))
    result = run_gan_train(
        tmp_path / "out",
        "--weights", f"vgg16_block5={tmp_path / 'none.h5'}",
        config=config,
    )  # fmt: skip
    refuse(result, tmp_path, tmp_path / "none.h5", "--weights vgg16_block5=FILE")


def test_a_class_without_voting_test_images_is_refused(
    run_gan_train, workplace, tmp_path
):
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG)
    outline = np.zeros((64, 64), np.uint8)
    outline[:8, :8] = 255  # less than a patch
    Image.fromarray(outline).save(tmp_path / "outline.png")
    for image in workplace.glob("*[0-9].png"):
        shutil.copy(image, tmp_path)
    shutil.copy(workplace / "cohort.csv", tmp_path)
    result = invoke(
        "prepare", tmp_path, "--config", config, "--out", tmp_path / "store",
        "--workers", 1,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    result = invoke(
        "gan-train", "--config", config, "--store", tmp_path / "store",
        "--out", tmp_path / "out",
    )  # fmt: skip
    refuse(result, tmp_path, "no positive test image", "evaluation.vote: all")


def test_samples_are_made_once_for_all_extractors(
    run_gan_train, exported, tmp_path, monkeypatch
):
    made = []
    generate = ExportedModel.generate

    def count(self, seeds):
        made.append(len(seeds))
        return generate(self, seeds)

    monkeypatch.setattr(ExportedModel, "generate", count)
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.replace("[texture]", "[texture, mean_and_deviation]"))
    result = run_gan_train(tmp_path / "out", "--generators", exported, config=config)
    assert result.exit_code == 0, result.output
    assert sum(made) == 4 * 60
