"""`gastritis-gan reproduce`: refusals, and a whole chain of tiny models."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import sys

import pytest
import yaml

from tests.helpers.chains import (
    MODELS,
    NAMES,
    last_checkpoint,
    processes_of,
    wait_for,
)
from tests.helpers.striped_store import invoke

PRODUCTS = {
    "store",
    *(f"{folder}/{n}" for folder in ("runs", "exported", "samples") for n in NAMES),
    "results/gan_train",
    "results/image_metrics",
    "audits/seed_0",
}


@pytest.fixture
def reproduce(workplace):
    def run(out, *arguments, config=workplace / "config.yaml", cohort=None):
        return invoke(
            "reproduce", "--config", config, "--cohort", cohort or workplace / "cohort",
            "--out", out, *arguments,
        )  # fmt: skip

    return run


def refuse(result, out, *words):
    assert result.exit_code == 2, result.output
    assert len(result.output.split("Error: ")[1].splitlines()) == 1
    for word in words:
        assert str(word) in result.output
    assert not out.exists()


@pytest.mark.parametrize("seeds", ["0,1,0", "one", "", "-1"])
def test_seeds_are_different_integers(reproduce, tmp_path, seeds):
    result = reproduce(tmp_path / "out", f"--seeds={seeds}")
    assert result.exit_code == 2
    assert "0,1,2" in result.output
    assert not (tmp_path / "out").exists()


def test_a_cohort_that_is_not_there_is_refused(reproduce, tmp_path):
    missing = tmp_path / "cohort"
    refuse(reproduce(tmp_path / "out", cohort=missing), tmp_path / "out", missing)


def changed(workplace, path, section, **keys):
    document = yaml.safe_load((workplace / "config.yaml").read_text())
    document[section] = {**document.get(section, {}), **keys}
    path.write_text(yaml.safe_dump(document))
    return path


def test_models_of_different_sizes_are_refused(reproduce, workplace, tmp_path):
    config = changed(workplace, tmp_path / "other.yaml", "dcgan", resolution=8)
    result = reproduce(tmp_path / "out", config=config)
    refuse(result, tmp_path / "out", config, "`dcgan.resolution` is 8", "16")


def test_a_folder_of_something_else_is_refused(reproduce, tmp_path):
    (tmp_path / "letters").write_text("dear")
    result = reproduce(tmp_path)
    assert result.exit_code == 2
    assert f"{tmp_path} exists and was not made by `reproduce`" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["letters"]


def test_weights_are_checked_before_hours_of_training(reproduce, workplace, tmp_path):
    extractors = ["texture", "vgg16_block5"]
    config = changed(
        workplace, tmp_path / "other.yaml", "evaluation", extractors=extractors
    )
    result = reproduce(tmp_path / "out", "--weights-dir", tmp_path, config=config)
    refuse(result, tmp_path / "out", "vgg16", "does not exist")


def test_without_snakemake_one_sentence_says_what_to_install(workplace, tmp_path):
    without = (
        "import sys; sys.modules['snakemake'] = None; "
        "from gastritis_gan.cli.main import main; main()"
    )
    done = subprocess.run(
        [
            sys.executable, "-c", without, "reproduce",
            "--config", workplace / "config.yaml", "--cohort", workplace / "cohort",
            "--out", tmp_path / "out",
        ],
        capture_output=True, check=False, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert "'gastritis-gan[workflow]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_graph_has_every_step_of_every_seed(reproduce, tmp_path, capfd):
    """Snakemake's own dry run counts the jobs of each rule, by hand for two seeds."""
    result = reproduce(tmp_path / "out", "--seeds", "3,1", "--", "--dry-run")
    assert result.exit_code == 0, result.output
    counts = dict(re.findall(r"^(\w+) +(\d+)$", capfd.readouterr().out, re.MULTILINE))
    assert {rule: int(count) for rule, count in counts.items()} == {
        "prepare": 1,
        "fit": 2 * 3 * 2,  # seeds, models, classes
        "export": 12,
        "sample": 12,
        "gan_train": 1,
        "image_metrics": 1,
        "audit": 2,
        "all": 1,
        "total": 42,
    }
    assert not (tmp_path / "out" / "store").exists()


def test_one_chain_at_a_time_works_in_a_folder(reproduce, tmp_path):
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = reproduce(tmp_path)
    assert result.exit_code == 2
    assert f"another process is working in {tmp_path}" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_a_step_that_fails_says_why(reproduce, tmp_path):
    cohort = tmp_path / "cohort.csv"
    cohort.write_text(
        "image,patient,label,outline\nZebrafink.dcm,Zebrafink,gastritis,\n"
    )
    result = reproduce(tmp_path / "out", cohort=cohort)
    assert result.exit_code == 2
    assert "the step store has failed: row " in result.output
    assert str(tmp_path / "out" / "logs" / "store") in result.output
    assert "Zebrafink" not in result.output  # may be a patient's name
    assert not (tmp_path / "out" / "runs").exists()


def times(out):
    """When each product of a chain was made, by its marker."""
    markers = out / ".done"
    return {
        path.relative_to(markers).as_posix(): path.stat().st_mtime_ns
        for path in markers.rglob("*")
        if path.is_file()
    }


@pytest.mark.slow
def test_one_command_makes_everything(chain):
    assert times(chain).keys() == PRODUCTS
    for name in PRODUCTS:
        assert any((chain / name).iterdir()), name
    results = json.loads((chain / "results/gan_train/results.json").read_text())
    (texture,) = results["extractors"]
    assert [row["name"] for row in texture["rows"]] == [
        "LC-PGGAN + PGGAN", "LC-PGGAN", "PGGAN", "DCGAN", "Real data (Ideal)",
    ]  # fmt: skip
    summary = (chain / "results/gan_train/summary.md").read_text()
    for row in texture["rows"]:
        assert f"| {row['name']} | 1 | {row['sensitivity']:.3f} (" in summary
    # An LC-PGGAN starts from its PGGAN's last checkpoint before 16 pixels are stable.
    records = (chain / "runs/lc_pggan_positive_0/metrics.jsonl").read_text()
    trunk = (chain / "runs/pggan_positive_0/metrics.jsonl").read_text()
    assert records.splitlines()[0] == trunk.splitlines()[0]


@pytest.mark.slow
def test_a_second_call_makes_nothing(chain, reproduce, capfd):
    before = times(chain)
    assert reproduce(chain).exit_code == 0
    assert times(chain) == before
    assert "Nothing to be done" in capfd.readouterr().err
    listed = reproduce(chain, "--dry-run").output
    assert listed.count("| done |") == len(PRODUCTS)
    assert "0 of 22 steps are left" in listed


@pytest.mark.slow
def test_a_change_of_the_evaluation_repeats_the_evaluation_alone(
    chain, reproduce, workplace, tmp_path
):
    before = times(chain)
    config = changed(workplace, tmp_path / "other.yaml", "evaluation", svm_c=0.5)
    assert reproduce(chain, config=config).exit_code == 0
    results = json.loads((chain / "results/gan_train/results.json").read_text())
    assert results["protocol"]["svm_c"] == 0.5
    after = times(chain)
    assert {name for name in PRODUCTS if after[name] != before[name]} == {
        "results/gan_train", "results/image_metrics",
    }  # fmt: skip


@pytest.mark.slow
def test_what_was_removed_is_made_again(chain, reproduce):
    before = times(chain)
    folder = chain / "samples" / NAMES[0]
    image = (folder / "000000.png").read_bytes()
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    assert reproduce(chain, "--", f".done/samples/{NAMES[0]}").exit_code == 0
    assert (folder / "000000.png").read_bytes() == image
    after = times(chain)
    changed_names = {name for name in PRODUCTS if after[name] != before[name]}
    assert changed_names == {f"samples/{NAMES[0]}"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "value", "where"),
    [
        ("schedule.stable_images", 40, "pggan_positive_0"),
        ("dcgan.learning_rate", 0.1, "dcgan_positive_0"),
        ("patches.stride", 12, "store"),
    ],
)
def test_another_experiment_is_refused(
    chain, reproduce, workplace, tmp_path, key, value, where
):
    before = times(chain)
    section, name = key.split(".")
    config = changed(workplace, tmp_path / "other.yaml", section, **{name: value})
    result = reproduce(chain, config=config)
    assert result.exit_code == 2
    assert f"`{key}`" in result.output
    assert where in result.output
    assert times(chain) == before


@pytest.mark.slow
def test_a_dry_run_forecasts_what_is_left_and_writes_nothing(
    reproduce, chain, tmp_path
):
    before = {path: path.stat().st_mtime_ns for path in chain.rglob("*")}
    listed = reproduce(chain, "--dry-run", "--seeds", "0,1").output
    lines = re.findall(r"\| (\d+) of 41 \| (\S+) \| (.+) \|", listed)
    forecasts = {path: forecast for _, path, forecast in lines}
    assert [int(number) for number, _, _ in lines] == list(range(1, 42))
    assert forecasts["runs/pggan_positive_0"] == "done"
    for model in MODELS:
        assert re.fullmatch(r"\d\d:\d\d", forecasts[f"runs/{model}_negative_1"])
    assert re.fullmatch(r"\d\d:\d\d", forecasts["results/gan_train"])
    assert {path: path.stat().st_mtime_ns for path in chain.rglob("*")} == before

    listed = reproduce(tmp_path / "new", "--dry-run").output  # without a store
    assert "22 of 22 steps are left" in listed
    assert re.search(r"\| runs/dcgan_positive_0 \| \d\d:\d\d \|", listed)
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_chain_that_was_killed_or_stopped_resumes(workplace, chain, number):
    """SIGKILL ends a training, SIGTERM the whole chain, after a first checkpoint."""
    name = "pggan_positive_0"
    out = workplace / f"stopped_by_{number}"
    command = [
        sys.executable, "-c", "from gastritis_gan.cli.main import main; main()",
        "reproduce", "--config", workplace / "config.yaml",
        "--cohort", workplace / "cohort", "--out", out,
        "--", "--cores", "1", f".done/runs/{name}",
    ]  # fmt: skip
    started = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    with started:
        wait_for(lambda: last_checkpoint(out / "runs" / name))
        (training,) = processes_of(out / "runs" / name)
        os.kill(training if number == signal.SIGKILL else started.pid, number)
        _, errors = started.communicate(timeout=300)
    record = (out / "runs" / name / "run.json").stat()
    assert started.returncode == (2 if number == signal.SIGKILL else 130)
    assert "Traceback" not in errors
    assert not processes_of(out / "runs" / name)
    assert last_checkpoint(out / "runs" / name) != last_checkpoint(
        chain / "runs" / name
    )

    subprocess.run(command, check=True)
    # The run is the same one, not a new one.
    assert (out / "runs" / name / "run.json").stat().st_mtime_ns == record.st_mtime_ns
    assert last_checkpoint(out / "runs" / name) == last_checkpoint(
        chain / "runs" / name
    )
