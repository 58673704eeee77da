from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from gastritis_gan.config import load_config
from gastritis_gan.errors import InputError
from gastritis_gan.evaluation.extractors import Texture
from gastritis_gan.evaluation.plan import find_test_images
from gastritis_gan.evaluation.protocol import gan_train, image_metrics
from gastritis_gan.evaluation.results import GanTrainResult
from gastritis_gan.store.store import Store
from tests.helpers.striped_store import (
    CONFIG,
    PATIENTS,
    ToyGenerator,
    make_card,
    make_workplace,
)

FULL_TABLE = ["LC-PGGAN + PGGAN", "LC-PGGAN", "PGGAN", "Real data (Ideal)"]
REAL = "Real data, other patients"
NOTES = ["stranger was skipped."]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    return make_workplace(tmp_path_factory.mktemp("workplace"))


@pytest.fixture(scope="module")
def store(workplace):
    return Store.open(workplace / "store")


@pytest.fixture(scope="module")
def settings(workplace):
    return load_config(workplace / "config.yaml").evaluation


@pytest.fixture(scope="module")
def make_generator(store):
    def make(model, target, **fields):
        positive = fields.pop("positive", None)
        card = make_card(model, target, store.split_hash, **fields)
        return ToyGenerator(card, positive=positive)

    return make


def of_both_classes(make_generator):
    """Both models of both classes."""
    return [
        make_generator(model, target)
        for model in ("lc_pggan", "pggan")
        for target in ("positive", "negative")
    ]


@pytest.fixture
def generators(make_generator):
    return of_both_classes(make_generator)


@pytest.fixture(scope="module")
def finished(store, settings, make_generator, tmp_path_factory):
    """A folder with the cache and the results `out` of all generators, and these."""
    folder = tmp_path_factory.mktemp("finished")
    result = gan_train(
        store, of_both_classes(make_generator), settings, resolution=16,
        cache=folder / "cache", notes=NOTES,
    )  # fmt: skip
    result.save(str(folder / "out"))
    return folder, result


@pytest.fixture
def run(store, settings, tmp_path):
    def run(models=(), *, cache=tmp_path / "cache", **changes):
        arguments = {"resolution": 16, "notes": changes.pop("notes", ())}
        changed = dataclasses.replace(settings, **changes)
        return gan_train(store, models, changed, cache=cache, **arguments)

    return run


def row_names(result):
    return [row["name"] for row in result.results["extractors"][0]["rows"]]


def test_table_of_all_generators(finished):
    _, result = finished
    (evaluation,) = result.results["extractors"]
    rows = {row["name"]: row for row in evaluation["rows"]}
    assert list(rows) == FULL_TABLE
    for row in rows.values():  # the classes are easy to tell apart
        assert row["harmonic_mean"] == 1
        assert row["num_positive_patches"] == row["num_negative_patches"] == 40
        assert row["true_positives"] == row["true_negatives"] == 4
        assert row["svm_converged"]
    assert result.results["store"]["test_patients"] == 4
    assert result.results["store"]["excluded_images"] == 0
    # Rows 8, 16, ..., 48 are inside the outline; columns 0, 8, ..., 48.
    assert {image["patches"] for image in result.results["images"]} == {6 * 7}
    assert sorted(image["patient"] for image in result.results["images"]) == [
        0, 0, 1, 1, 2, 2, 3, 3,
    ]  # fmt: skip
    assert len(result.results["generators"]) == 4
    assert "- stranger was skipped." in result.table
    assert repr(result) == "<GanTrainResult: 4 rows, texture>"


def test_what_is_saved(finished):
    folder, result = finished
    out = folder / "out"
    assert (out / "table.md").read_text() == result.table
    for name in ("confusion", "roc", "votes"):
        png = out / "plots" / f"{name}_texture.png"
        with Image.open(png) as image:
            assert min(image.size) > 200
        assert "<svg" in png.with_suffix(".svg").read_text()
    assert (out / "table.csv").read_text().count("\n") == 1 + 4 * 4
    assert "LC-PGGAN + PGGAN & 40 + 40 & 1.000" in (out / "table.tex").read_text()
    assert GanTrainResult.open(out).table == result.table
    with pytest.raises(InputError, match="exists already"):
        result.save(out)


def test_results_are_repeatable_and_tell_no_name(run, generators, finished, tmp_path):
    folder, _ = finished
    run(generators, notes=NOTES).save(tmp_path / "out")
    assert file_contents(tmp_path / "out") == file_contents(folder / "out")
    text = (folder / "out" / "results.json").read_text()
    assert not any(patient in text for patient in PATIENTS)
    assert str(folder) not in text


def file_contents(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_second_run_computes_no_feature_again(run, generators, finished, monkeypatch):
    folder, first = finished
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.npy")}
    assert before

    def fail(*arguments):
        raise AssertionError("a feature was computed again")

    monkeypatch.setattr(Texture, "__call__", fail)
    again = run(generators, cache=folder / "cache", notes=NOTES)
    assert again.results == first.results
    assert before == {p: p.stat().st_mtime_ns for p in folder.rglob("*.npy")}


def test_a_run_that_was_killed_resumes(run, monkeypatch):
    calls = []
    compute = Texture.__call__

    def killed(self, images):
        calls.append(len(images))
        if len(calls) == 5:
            raise KeyboardInterrupt
        return compute(self, images)

    monkeypatch.setattr(Texture, "__call__", killed)
    with pytest.raises(KeyboardInterrupt):
        run()
    run()
    # Two blocks of training patches and eight images, each once, and the lost one.
    assert len(calls) == 2 + 8 + 1


def test_controls(run, make_generator):
    pair = [make_generator("pggan", target) for target in ("positive", "negative")]
    result = run(pair, controls=True)
    texture, control = result.results["extractors"]
    assert control["extractor"]["name"] == "mean_and_std"
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
    assert "mean AUC" in result.table
    assert "PGGAN does no worse than all real patients." in result.table


def test_rows_of_real_data_are_balanced(settings, tmp_path):
    """A patient of one class and two of the other: the smaller pool decides."""
    path = make_workplace(
        tmp_path,
        config=CONFIG.replace(
            "train_negative_patients: 2", "train_negative_patients: 1"
        ),
    )
    store = Store.open(path / "store")
    positive, negative = (
        len(store.patch_set(target, "train")) for target in ("positive", "negative")
    )
    assert negative < positive
    many = dataclasses.replace(
        settings, patches_per_class=positive, samples_per_generator=positive
    )
    result = gan_train(store, (), many, resolution=16, cache=tmp_path / "cache")
    (row,) = result.results["extractors"][0]["rows"]
    assert row["num_positive_patches"] == row["num_negative_patches"] == negative


def test_several_seeds_are_several_runs(run, generators, make_generator):
    more = [
        make_generator("pggan", target, seed=7, name=f"pggan_{target}_7")
        for target in ("positive", "negative")
    ]
    result = run([*generators, *more], num_sample_seeds=2)
    (evaluation,) = result.results["extractors"]
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
    assert "PGGAN, generator seed 7, sample seed 1" in result.table


def test_without_generators_the_row_of_real_data_remains(run):
    result = run()
    assert row_names(result) == ["Real data (Ideal)"]
    assert "the table has real data only" in result.table
    assert result.results["protocol"]["resolution"] == 16


def test_a_row_without_one_of_its_generators_is_left_out(run, generators):
    result = run(generators[1:])
    assert row_names(result) == ["PGGAN", "Real data (Ideal)"]
    assert "no lc_pggan generator of the positive class" in result.table


def test_seeds_of_one_class_only_are_named(run, make_generator):
    models = [make_generator("pggan", target) for target in ("positive", "negative")]
    models.append(make_generator("pggan", "positive", seed=3, name="lonely"))
    assert "training seeds 3 are left out" in run(models).table


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"name": "twin"}, "pggan_positive and twin are both pggan models"),
        ({"seed": 1, "resolution": 8}, "different sizes"),
    ],
)
def test_generators_that_do_not_fit_together_are_refused(
    run, generators, make_generator, fields, sentence
):
    with pytest.raises(InputError, match=sentence):
        run([*generators, make_generator("pggan", "positive", **fields)])


def test_a_generator_of_another_split_is_refused(run):
    stranger = ToyGenerator(make_card("pggan", "positive", "0" * 64))
    with pytest.raises(InputError, match="pggan_positive was trained on another split"):
        run([stranger])


def test_generators_larger_than_the_stores_patches_are_refused(run, make_generator):
    with pytest.raises(InputError, match="patches of 32 pixels") as caught:
        run([make_generator("pggan", "positive", resolution=32)])
    assert "16" in str(caught.value)


def test_a_class_without_voting_test_images_is_refused(tmp_path, settings):
    made = make_workplace(tmp_path, outline_rows=slice(0, 10))  # less than a patch
    with pytest.raises(InputError, match="no positive test image") as caught:
        gan_train(
            Store.open(made / "store"),
            [],
            settings,
            resolution=16,
            cache=tmp_path / "cache",
        )
    assert "evaluation.vote: all" in str(caught.value)


@pytest.mark.parametrize("missing", ["positive", "negative"])
def test_test_images_of_one_class_are_refused(store, missing):
    class WithoutPatches:
        def __getattr__(self, name):
            return getattr(store, name)

        def patches_of_image(self, index, *, inside_only):
            found = store.patches_of_image(index, inside_only=inside_only)
            return found[:0] if store.images[index].label == missing else found

    with pytest.raises(InputError, match=f"no {missing} test image"):
        find_test_images(WithoutPatches(), 16, vote="inside")


def test_samples_are_made_once_for_all_extractors(run, generators):
    run(generators, extractors=("texture", "mean_and_std"))
    assert [generator.num_images for generator in generators] == [60] * 4
    assert [generator.num_closed for generator in generators] == [1] * 4


@pytest.fixture(scope="module")
def larger_store(tmp_path_factory):
    """A store with five training patients of each class."""
    config = CONFIG.replace("patients: 2", "patients: 5")
    patients = [f"p{number}x" for number in range(12)]
    path = make_workplace(
        tmp_path_factory.mktemp("larger"),
        patients=patients,
        images_per_patient=1,
        config=config,
        outline_rows=slice(None),
    )
    return Store.open(path / "store")


def test_the_generator_of_the_class_is_near_the_floor(larger_store, settings, tmp_path):
    split_hash = larger_store.split_hash
    models = [
        ToyGenerator(make_card("pggan", "positive", split_hash)),
        # Blotches that claim to be stripes.
        ToyGenerator(make_card("lc_pggan", "positive", split_hash), positive=False),
    ]
    result = image_metrics(
        larger_store, models, settings, resolution=16, cache=tmp_path / "cache"
    )
    result.save(tmp_path / "out")
    assert (tmp_path / "out" / "metrics.md").read_text() == result.table
    results = json.loads((tmp_path / "out" / "metrics.json").read_text())
    about = results["classes"]["positive"]
    assert about["class_name"] == "striped"
    assert about["num_real_patients"] == 5
    good, wrong = "pggan, training seed 0", "lc_pggan, training seed 0"
    metrics = results["extractors"][0]["metrics"]["positive"]
    for metric in ("frechet_distance", "kernel_distance"):
        values = {name: metrics[name][metric]["value"] for name in metrics}
        assert values[wrong] > 20 * values[good]
        assert values[REAL] < values[wrong]
    assert metrics[REAL]["precision"]["value"] > 0.8
    assert metrics[wrong]["precision"]["value"] == 0
    assert metrics[wrong]["coverage"]["value"] == 0
    swd = results["pixels"]["positive"]["swd"]
    assert swd[wrong]["swd_16"]["value"] > 2 * swd[REAL]["swd_16"]["value"]
    diversity = results["pixels"]["positive"]["diversity"]
    assert diversity[REAL]["ms_ssim"] > diversity[wrong]["ms_ssim"]
    assert "negative" not in results["classes"]
    assert f"| {good} |" in result.table
    assert repr(result) == "<ImageMetricsResult: positive samples, texture>"


def test_too_few_patients_for_a_floor_are_refused(
    store, settings, generators, tmp_path
):
    with pytest.raises(InputError, match="image metrics need 4 training patients"):
        image_metrics(store, generators, settings, resolution=16, cache=tmp_path)
    assert not np.any([generator.num_images for generator in generators])


def test_image_metrics_need_a_generator(store, settings, tmp_path):
    with pytest.raises(InputError, match="no generator of this store's split"):
        image_metrics(store, [], settings, resolution=16, cache=tmp_path)
