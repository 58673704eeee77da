from __future__ import annotations

import pytest

from gastritis_gan.serving import exported_model
from gastritis_gan.store.store import Store
from tests.helpers.forged_models import HARMFUL, forge
from tests.helpers.striped_store import (
    CONFIG,
    ToyGenerator,
    invoke,
    make_card,
    make_workplace,
)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    config = CONFIG.replace("patients: 2", "patients: 5")
    patients = [f"p{number}x" for number in range(12)]
    path = tmp_path_factory.mktemp("workplace")
    return make_workplace(path, patients=patients, config=config)


def run(workplace, out, generators=None):
    return invoke(
        "image-metrics", "--config", workplace / "config.yaml", "--out", out,
        "--store", workplace / "store", "--generators", generators or workplace,
    )  # fmt: skip


def test_tables_are_printed_and_written(workplace, tmp_path, monkeypatch):
    models = []

    def find_models(paths, *, split_hash):
        models.append(ToyGenerator(make_card("pggan", "positive", split_hash)))
        return models, ["A model was skipped."]

    monkeypatch.setattr(exported_model, "find_models", find_models)
    result = run(workplace, tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "A model was skipped." in result.output
    assert "Conclusion, by Fréchet distance in texture features: " in result.output
    assert (tmp_path / "out" / "metrics.md").is_file()
    assert (tmp_path / "out" / "metrics.json").is_file()


@pytest.mark.parametrize("harm", HARMFUL)
def test_a_graph_that_does_harm_is_refused(workplace, exported, tmp_path, harm):
    forge(
        exported,
        tmp_path / "1",
        lambda meta: harm(meta, tmp_path / "file"),
        split_hash=Store.open(workplace / "store").split_hash,
    )
    result = run(workplace, tmp_path / "out", generators=tmp_path / "1")
    assert result.exit_code == 2
    assert "its graph has the operation" in result.output
    assert not (tmp_path / "file").exists()
    assert not (tmp_path / "out").exists()


def test_no_generator_of_the_split_is_refused(tmp_path):
    workplace = make_workplace(tmp_path)
    result = run(workplace, tmp_path / "out")
    assert result.exit_code == 2
    assert "no generator of this store's split" in result.output
    assert not (tmp_path / "out").exists()
