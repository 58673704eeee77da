from __future__ import annotations

from gastritis_gan.serving import exported_model
from tests.helpers.striped_store import (
    CONFIG,
    ToyGenerator,
    invoke,
    make_card,
    make_workplace,
)


def run(workplace, out):
    return invoke(
        "image-metrics", "--config", workplace / "config.yaml",
        "--store", workplace / "store", "--generators", workplace, "--out", out,
    )  # fmt: skip


def test_tables_are_printed_and_written(tmp_path, monkeypatch):
    config = CONFIG.replace("patients: 2", "patients: 5")
    patients = [f"p{number}x" for number in range(12)]
    workplace = make_workplace(tmp_path, patients=patients, config=config)
    models = []

    def find_models(paths, *, split_hash):
        models.append(ToyGenerator(make_card("pggan", "positive", split_hash)))
        return models, ["A model was skipped."]

    monkeypatch.setattr(exported_model, "find_models", find_models)
    result = run(workplace, tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "A model was skipped." in result.output
    assert (tmp_path / "out" / "metrics.md").read_text() in result.output
    assert (tmp_path / "out" / "metrics.json").is_file()


def test_no_generator_of_the_split_is_refused(tmp_path):
    workplace = make_workplace(tmp_path)
    result = run(workplace, tmp_path / "out")
    assert result.exit_code == 2
    assert "no generator of this store's split" in result.output
    assert not (tmp_path / "out").exists()
