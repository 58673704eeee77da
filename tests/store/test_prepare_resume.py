"""A `prepare` that is killed resumes; one that is repeated changes nothing."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from gastritis_gan.cli.main import main
from gastritis_gan.store.store import Store
from tests.helpers.cohorts import MARKER

CONFIG = """
cohort: {positive: dense, negative: fatty}
patches: {patch_size: 16, stride: 8}
split: {train_positive_patients: 1, train_negative_patients: 1}
schedule: {final_resolution: 16}
"""

# Counts every step that changes the disk and kills itself before the chosen one.
_KILLED_AT = """
import os, signal, sys
from gastritis_gan.cli.main import main
steps = 0
def count(event, arguments):
    global steps
    changes = event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir") or (
        event == "open" and isinstance(arguments[0], str)
        and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        and arguments[0].startswith(sys.argv[1])
    )
    steps += changes
    if changes and steps == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(count)
try:
    main(sys.argv[3:])
finally:
    print(steps)
"""


@pytest.fixture
def work(make_cohort, tmp_path):
    """A folder with a cohort, its config, and the store of an uninterrupted run."""
    make_cohort(patients=4, folder="cohort")
    (tmp_path / "config.yaml").write_text(CONFIG)
    assert prepare(tmp_path, "whole").exit_code == 0
    return tmp_path


def arguments(work, store):
    return [
        "prepare", str(work / "cohort"), "--config", str(work / "config.yaml"),
        "--out", str(work / store), "--workers", "1",
    ]  # fmt: skip


def prepare(work, store, *more):
    return CliRunner().invoke(main, [*arguments(work, store), *more])


def killed(work, store, step):
    """Runs prepare in a process that kills itself; returns its steps if it did not."""
    done = subprocess.run(
        [sys.executable, "-c", _KILLED_AT, str(work), str(step),
         *arguments(work, store)],
        capture_output=True,
        check=False,
        text=True,
    )  # fmt: skip
    if done.returncode == 0:
        return int(done.stdout.split()[-1])
    assert done.returncode == -signal.SIGKILL, done.stderr
    return None


def files_of(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_run_killed_at_any_moment_resumes_to_the_same_store(work):
    expected = files_of(work / "whole")
    assert len(expected) == 19  # 8 images, 8 outlines, hashes, patches, store.json
    shutil.copy(work / "whole.key", work / "steps.key")
    num_steps = killed(work, "steps", -1)
    assert files_of(work / "steps") == expected
    assert num_steps > 8 * 3
    # The first step, some in between, and some about the rename.
    last = range(num_steps - 12, num_steps, 3)
    moments = [1, 4, *range(9, num_steps - 12, 25), *last]
    for moment in moments:
        store = f"killed_at_{moment}"
        shutil.copy(work / "whole.key", work / f"{store}.key")
        assert killed(work, store, moment) is None
        is_published = (work / store).exists()
        assert is_published <= (files_of(work / store) == expected)
        result = prepare(work, store)
        assert result.exit_code == 0, (moment, result.output)
        assert files_of(work / store) == expected, moment
        assert not (work / f"{store}.partial").exists()


def test_a_run_killed_again_and_again_without_a_key_ends(work):
    kills = 0
    while killed(work, "store", 40) is None:
        kills += 1
        assert kills < 20
    store = Store.open(work / "store")
    assert [i.sha256 for i in store.images] == [
        i.sha256 for i in Store.open(work / "whole").images
    ]
    assert kills > 1


def test_finished_images_are_not_converted_again(work, monkeypatch):
    assert killed(work, "store", 70) is None
    finished = list((work / "store.partial" / "finished").glob("*.json"))
    assert 2 < len(finished) < 8
    images = work / "store.partial" / "store" / "images"
    # A finished image that does not have its hash any more is made again.
    (images / f"{finished[0].stem}.png").write_bytes(b"damaged")
    read = []
    from gastritis_gan.store import conversion as module

    original = module.read_image
    monkeypatch.setattr(
        module,
        "read_image",
        lambda path, **other: read.append(path) or original(path, **other),
    )
    assert prepare(work, "store").exit_code == 0
    assert len(read) == 8 - len(finished) + 1
    assert Store.open(work / "store")


def test_workers_end_with_a_killed_parent(make_cohort, work):
    """Killed after the first of 48 images, so that it is not at its end by then."""
    shutil.rmtree(work / "cohort")
    make_cohort(patients=24, folder="cohort")
    process = subprocess.Popen(
        [sys.executable, "-c", "from gastritis_gan.cli.main import main; main()",
         *arguments(work, "store")[:-1], "2"],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    finished = work / "store.partial" / "finished"
    until(lambda: finished.is_dir() and list(finished.glob("*.json")))
    children = children_of(process.pid)
    assert children
    process.kill()
    assert process.wait() == -signal.SIGKILL
    until(lambda: not any(is_alive(child) for child in children))
    result = prepare(work, "store", "--workers", "2")
    assert result.exit_code == 0, result.output


def until(holds, seconds=60):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def children_of(pid):
    path = Path(f"/proc/{pid}/task/{pid}/children")
    if not path.exists():
        pytest.skip("the children of a process are listed by Linux only")
    return [int(child) for child in path.read_text().split()]


def is_alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_running_again_reads_the_inputs_and_changes_nothing(work):
    before = {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in work.rglob("*")}
    result = prepare(work, "whole")
    assert result.exit_code == 0, result.output
    assert "its inputs are unchanged: nothing was done" in result.output
    after = {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in work.rglob("*")}
    assert after == before


def change_an_image(work):
    path = work / "cohort" / MARKER / f"{MARKER}00.png"
    pixels = np.array(Image.open(path))
    pixels[5, 7] ^= 1
    Image.fromarray(pixels).save(path)
    return "row 2 of the cohort file, image: the image is not the one"


def change_the_outline(work):
    path = work / "cohort" / MARKER / f"{MARKER}.png"
    pixels = np.array(Image.open(path))
    pixels[0, 0] = 255
    Image.fromarray(pixels).save(path)
    return "of the cohort file, outline: the outline is not the one"


def change_rows(work, change):
    path = work / "cohort" / "cohort.csv"
    with path.open(newline="") as stream:
        rows = list(csv.reader(stream))
    change(rows)
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return "other images, patients, labels or split"


def swap_two_patients(work):
    def swap(rows):
        rows[1][1], rows[3][1] = rows[3][1], rows[1][1]

    return change_rows(work, swap)


def drop_a_row(work):
    return change_rows(work, lambda rows: rows.pop())


def change_the_depth(work):
    path = work / "config.yaml"
    path.write_text(path.read_text().replace("fatty}", "fatty, bits: 16}"))
    return "another `bits`"


def change_the_stride(work):
    path = work / "config.yaml"
    path.write_text(path.read_text().replace("stride: 8", "stride: 9"))
    return "another `patches`"


def change_the_split(work):
    path = work / "config.yaml"
    path.write_text(
        path.read_text().replace(
            "negative_patients: 1", "negative_patients: 1, seed: 3"
        )
    )
    return "other images, patients, labels or split"


@pytest.mark.parametrize(
    "change",
    [
        change_an_image,
        change_the_outline,
        swap_two_patients,
        drop_a_row,
        change_the_depth,
        change_the_stride,
        change_the_split,
    ],
)
def test_a_changed_input_is_refused(work, change):
    # All 8 images are finished, but the store is not published.
    unfinished = work / "unfinished.partial"
    shutil.copytree(work / "whole", unfinished / "store")
    shutil.copy(work / "whole.key", work / "unfinished.key")
    document = json.loads((unfinished / "store" / "store.json").read_text())
    (unfinished / "finished").mkdir()
    hashes = (unfinished / "store" / "images" / "pixels.sha256").read_text()
    sha256_of = {key: sha256 for sha256, key in map(str.split, hashes.splitlines())}
    for image in document["images"]:
        record = {k: image[k] for k in ("height", "width")}
        record["sha256"] = sha256_of[image["key"]]
        record |= {"size_change": "none", "burned_in": "not stated", "notes": []}
        record |= {"pixels_inside": [0] * 49, "text_boxes": []}
        record["inputs"] = document["inputs"][image["key"]]
        path = unfinished / "finished" / f"{image['key']}.json"
        path.write_text(json.dumps(record))
    plan = {
        k: v for k, v in document.items() if k not in ("split_hash", "images", "inputs")
    }
    (unfinished / "plan.json").write_text(json.dumps(plan))
    expected = change(work)
    before = files_of(work)
    for store, named in (("whole", "whole"), ("unfinished", "unfinished.partial")):
        result = prepare(work, store)
        assert result.exit_code == 2
        assert expected in result.output
        assert f"remove {work / named} to start again" in result.output
    after = files_of(work)
    after.pop("unfinished.partial/lock")
    assert after == before


def test_nothing_in_store_or_work_folder_tells_whose_file_it_is(work):
    """An attacker who has the image and the names finds no hash of them."""
    assert killed(work, "store", 70) is None
    kept = b"".join([*files_of(work / "whole").values(),
                     *files_of(work / "store.partial").values()])  # fmt: skip
    for path in (work / "cohort").rglob("*"):
        if path.is_file():
            for name in ("md5", "sha1", "sha256"):
                digest = hashlib.new(name, path.read_bytes()).hexdigest()
                assert digest[:16].encode() not in kept
    assert MARKER.lower().encode() not in kept.lower()


def test_without_its_key_nothing_is_continued_or_compared(work):
    assert killed(work, "store", 70) is None
    for name in ("store.key", "whole.key"):
        (work / name).unlink()
    assert "exists already" in prepare(work, "whole").output
    result = prepare(work, "store")
    assert result.exit_code == 2
    assert f"whose key {work / 'store.key'} is missing" in result.output
    assert not (work / "store.key").exists()


def test_a_store_of_an_older_format_version_is_refused(work):
    path = work / "whole" / "store.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format_version": 4}))
    before = files_of(work)
    result = prepare(work, "whole")
    assert result.exit_code == 2
    assert "Prepare the cohort again, into another path" in result.output
    assert files_of(work) == before


def test_two_processes_never_work_on_one_store(work):
    import fcntl

    (work / "store.partial").mkdir()
    with (work / "store.partial" / "lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        result = prepare(work, "store")
    assert result.exit_code == 2
    assert "another process is working" in result.output
    assert prepare(work, "store").exit_code == 0


def test_a_folder_of_another_purpose_is_never_taken_for_a_work_folder(work):
    (work / "store.partial").mkdir()
    (work / "store.partial" / "thesis.txt").write_text("my only copy")
    result = prepare(work, "store")
    assert result.exit_code == 2
    assert "does not hold unfinished work" in result.output
    assert (work / "store.partial" / "thesis.txt").read_text() == "my only copy"


def test_an_image_of_another_size_is_refused_by_the_rule(work):
    path = work / "config.yaml"
    right = CONFIG.replace("fatty}", "fatty, image_size: 64}")
    path.write_text(right)
    assert prepare(work, "right").exit_code == 0
    path.write_text(right.replace("64", "63"))
    result = prepare(work, "wrong")
    assert result.exit_code == 2
    assert "the image has 64 x 64 pixels" in result.output
    assert "`cohort.image_size` is 63" in result.output
    assert MARKER not in result.output
    assert MARKER in prepare(work, "wrong", "--verbose").output  # the file is named
    assert not (work / "wrong.partial").exists()
    assert not (work / "wrong.key").exists()


def test_a_store_takes_hardly_more_disk_than_its_images(tmp_path):
    rows = ["image,patient,label,outline"]
    for number, label in enumerate(("dense", "fatty", "dense", "fatty")):
        pixels = np.random.default_rng(number).integers(0, 256, (1024, 1024), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png", compress_level=0)
        y, x = np.mgrid[:1024, :1024] - 512
        angle = np.arctan2(y, x)
        star = np.hypot(y, x) < 350 + 60 * np.sin(9 * angle + number)
        Image.fromarray(star).save(tmp_path / f"outline{number}.png")
        rows.append(f"{number}.png,p{number},{label},outline{number}.png")
    (tmp_path / "cohort").mkdir()
    for path in tmp_path.glob("*.png"):
        path.rename(tmp_path / "cohort" / path.name)
    (tmp_path / "cohort" / "cohort.csv").write_text("\n".join(rows))
    (tmp_path / "config.yaml").write_text(  # the paper's geometry at half the size
        CONFIG.replace("patch_size: 16, stride: 8", "patch_size: 150, stride: 25")
    )
    assert prepare(tmp_path, "store").exit_code == 0
    files = files_of(tmp_path / "store")
    total = sum(len(content) for content in files.values())
    assert len(files) == 11
    assert total <= 1.05 * 4 * 1024 * 1024
