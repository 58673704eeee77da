"""A patient who withdraws consent: found with the key, and named nowhere."""

import json
import os
import pty

import pytest
from click.testing import CliRunner

import gastritis_gan as gg
from gastritis_gan.cli.main import main
from tests.helpers.cohorts import MARKER


@pytest.fixture
def work(make_store, tmp_path):
    """A store of six patients, and what was made of its split and of another."""
    store = make_store()
    documents = {
        "runs/a/run.json": {"split_hash": store.split_hash},
        "runs/other/run.json": {"split_hash": "0" * 64},
        "exported/a/1/assets.extra/model_card.json": {"split_hash": store.split_hash},
        "releases/a/release.json": {"parts": [{"card": {"split_hash": "0" * 64}}]},
        "releases/b/release.json": {
            "parts": [{"card": {"split_mark": store.split_mark}}]
        },
        "audits/a/audit.json": {"split_hash": store.split_hash},
        "results/a/results.json": {"store": {"split_hash": store.split_hash}},
        "results/b/metrics.json": {"split_hash": store.split_hash},
        "results/c/other.json": {"split_hash": store.split_hash},
    }
    for name, document in documents.items():
        path = tmp_path / "out" / name
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(document))
    return tmp_path


def trace(work, patient, *folders, store="store"):
    return CliRunner().invoke(
        main, ["trace", str(work / store), *map(str, folders)], input=patient
    )


def side_of(work, patient):
    """Finds a patient's side by the images, without pseudonyms of patients."""
    from gastritis_gan.store.pseudonym import pseudonym

    secret = (work / "store.key").read_bytes()
    lines = (work / f"{MARKER}_cohort" / "cohort.csv").read_text().splitlines()
    (name, *_) = (line.split(",")[0] for line in lines if f",{patient}," in line)
    key = pseudonym(secret, "image", name)
    (image,) = (i for i in gg.open_store(work / "store").images if i.key == key)
    return image.split


def test_every_patient_is_found_on_the_right_side(work):
    phrases = {"train": "learnt from", "test": "results were measured on"}
    sides = set()
    for number in range(6):
        patient = f"{MARKER}{number}"
        result = trace(work, f"{patient}\n", work / "out")
        assert result.exit_code == 0, result.output
        side = side_of(work, patient)
        sides.add(side)
        assert f"with 2 images, on the side of {side[:5]}" in result.output
        assert phrases[side] in result.output
        assert patient not in result.output.replace(str(work), "")
    assert sides == {"train", "test"}


def test_what_carries_the_split_is_listed(work):
    result = trace(work, f"  {MARKER}0  \n", work / "out")
    found = [line.split() for line in result.output.splitlines()[1:]]
    assert [(kind, path.removeprefix(str(work / "out"))) for *kind, path in found] == [
        (["run"], "/runs/a/run.json"),
        (["exported", "model"], "/exported/a/1/assets.extra/model_card.json"),
        (["release"], "/releases/b/release.json"),
        (["audit"], "/audits/a/audit.json"),
        (["results"], "/results/a/results.json"),
        (["results"], "/results/b/metrics.json"),
    ]


def test_json_has_the_same(work):
    found = json.loads(trace(work, f"{MARKER}0", work / "out", "--json").stdout)
    assert (found["split"], found["num_images"]) == (side_of(work, f"{MARKER}0"), 2)
    assert found["files"][0] == {
        "kind": "run",
        "path": str(work / "out" / "runs" / "a" / "run.json"),
    }
    assert len(found["files"]) == 6
    assert found["unreadable"] == []
    stranger = json.loads(trace(work, "nobody", "--json").stdout)
    assert (stranger["split"], stranger["num_images"]) == (None, 0)


def test_the_mark_of_a_split_needs_the_key(make_cohort, make_store):
    cohort = make_cohort()
    one, other = make_store("a", cohort=cohort), make_store("b", cohort=cohort)
    assert one.split_hash == other.split_hash
    assert len({one.split_mark, other.split_mark, one.split_hash[:24]}) == 3


def test_a_stranger_is_not_in_the_store(work):
    result = trace(work, "nobody", work / "out")
    assert result.exit_code == 0
    assert result.output == f"The patient is not in {work / 'store'}.\n"


def test_a_damaged_file_is_named(work):
    (work / "out" / "runs" / "a" / "run.json").write_text("{")
    result = trace(work, f"{MARKER}0", work / "out")
    assert "runs/a/run.json cannot be read" in result.stderr


def test_nothing_is_written(work):
    before = {p: p.stat().st_mtime_ns for p in work.rglob("*")}
    trace(work, f"{MARKER}0", work / "out")
    assert {p: p.stat().st_mtime_ns for p in work.rglob("*")} == before


@pytest.mark.parametrize(
    ("patient", "message"),
    [
        ("", "has 0 lines; give one patient"),
        ("a\nb\n", "has 2 lines; give one patient"),
        ("\u200b", "no patient was given"),
    ],
)
def test_one_patient_at_a_time(work, patient, message):
    result = trace(work, patient)
    assert result.exit_code == 2
    assert message in result.output


def test_without_the_right_key_there_is_no_answer(work):
    key = work / "store.key"
    secret = key.read_bytes()
    key.write_bytes(secret[::-1])
    assert "the key is not the one of" in trace(work, f"{MARKER}0").output
    key.unlink()
    result = trace(work, f"{MARKER}0")
    assert result.exit_code == 2
    assert "store.key does not exist" in result.output


def test_an_older_store_does_not_deny_a_patient(work):
    path = work / "store" / "store.json"
    document = json.loads(path.read_text())
    del document["split_mark"]
    path.write_text(json.dumps(document))
    assert "is in" in trace(work, f"{MARKER}0").output
    result = trace(work, "nobody")
    assert result.exit_code == 2
    assert "too old to tell whether the key is its own" in result.output


def test_a_terminal_does_not_show_the_patient(work):
    script = "from gastritis_gan.cli.main import main; main()"
    pid, terminal = pty.fork()
    if pid == 0:
        import sys

        os.execv(sys.executable, [sys.executable, "-c", script, "trace",
                                  str(work / "store")])  # fmt: skip
    shown = b""
    while b"(not shown)" not in shown:
        shown += os.read(terminal, 1000)
    os.write(terminal, f"{MARKER}0\n".encode())
    while True:
        try:
            shown += os.read(terminal, 1000)
        except OSError:
            break
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    text = shown.decode().replace(str(work), "")
    assert "with 2 images" in text
    assert MARKER not in text
