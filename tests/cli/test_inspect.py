from __future__ import annotations

from click.testing import CliRunner

from gastritis_gan.cli.main import main

CONFIG = """
patches: {patch_size: 64, stride: 32}
split: {train_positive_patients: 1, train_negative_patients: 1}
schedule: {final_resolution: 32}
"""


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_a_store_is_inspected_and_a_folder_that_exists_is_refused(tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG)
    cohort, store, out = (tmp_path / name for name in ("cohort", "store", "out"))
    run("phantom", "--out", cohort, "--patients", 4, "--image-size", 256)
    made = run("prepare", cohort, "--config", tmp_path / "config.yaml", "--out", store,
               "--workers", 1)  # fmt: skip
    assert made.exit_code == 0, made.output
    result = run("inspect", store, "--out", out)
    assert result.exit_code == 0, result.output
    assert str(out / "inspection.md") in result.output
    assert "|  45,127 |" in result.output
    assert "Burned-in text: 4 of 4 images; 0 have lone" in result.output
    assert {path.name for path in out.iterdir()} == {
        "inspection.md",
        "counts.json",
        *(
            f"sheet_{split}_{label}_001.png"
            for split in ("train", "test")
            for label in ("positive", "negative")
        ),
    }
    again = run("inspect", store, "--out", out)
    assert again.exit_code == 2
    assert "exists already" in again.output


def test_what_is_no_store_is_refused(tmp_path):
    result = run("inspect", tmp_path, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "is not a store" in result.output
    assert not (tmp_path / "out").exists()
