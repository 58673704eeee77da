from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import stat
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from gastritis_gan import storage
from gastritis_gan.errors import InputError


def test_new_folder_appears_only_when_complete(tmp_path):
    target = tmp_path / "stores" / "mine"

    with storage.new_folder(target) as partial:
        (partial / "content").write_text("whole")
        assert not target.exists()
        assert partial.name.startswith(".")  # TensorFlow Serving ignores it

    assert (target / "content").read_text() == "whole"
    assert stat.S_IMODE(target.stat().st_mode) == 0o755
    assert [path.name for path in target.parent.iterdir()] == ["mine"]


@pytest.fixture(params=[0, 0o022, 0o077])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    assert os.umask(before) == request.param  # as the test found it


def modes_of(folder):
    return {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in (folder, *folder.rglob("*"))
    }


def write_some(folder):
    """Writes files in this project's ways, and in those of other libraries."""
    storage.write_json(folder / "ours", {})
    np.save(folder / "theirs.npy", np.zeros(2))
    (folder / "inner").mkdir()
    storage.kept_array(folder / "inner" / "kept.npy", lambda: np.zeros(2))


def test_private_folders_are_for_their_owner(tmp_path, umask):
    with storage.new_folder(tmp_path / "runs" / "new", private=True) as partial:
        write_some(partial)
    with storage.private_folder(tmp_path / "caches" / "one"):
        write_some(tmp_path / "caches" / "one")
    with storage.work_folder(tmp_path / "half") as work:
        write_some(work)
        assert modes_of(work)["lock"] == 0o600
        in_work = modes_of(work)
        (work / "inner").rename(tmp_path / "inner")

    for name, mode in (in_work | modes_of(tmp_path)).items():
        if name in ("runs", "caches"):
            assert mode == 0o777 & ~umask
        elif name != tmp_path.name:
            is_file = name in ("ours", "theirs.npy", "kept.npy", "lock")
            assert mode == (0o600 if is_file else 0o700), name


def test_a_setgid_folder_shares_with_its_group(tmp_path, umask):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs").chmod(0o2755)
    with storage.new_folder(tmp_path / "runs" / "new", private=True) as partial:
        write_some(partial)

    assert modes_of(tmp_path / "runs" / "new") == {
        "new": 0o2770,
        "inner": 0o2770,
        "ours": 0o660,
        "theirs.npy": 0o660,
        "kept.npy": 0o660,
    }


def test_other_folders_follow_the_umask(tmp_path, umask):
    with storage.new_folder(tmp_path / "models" / "new") as partial:
        write_some(partial)

    for name, mode in modes_of(tmp_path / "models").items():
        is_file = name in ("ours", "theirs.npy", "kept.npy")
        assert mode == (0o666 if is_file else 0o777) & ~umask, name


def test_private_blocks_of_two_threads_may_end_in_any_order(tmp_path, umask):
    first, second = (storage.private_files(tmp_path) for _ in range(2))
    with contextlib.ExitStack() as stack:
        stack.enter_context(second)
        with first:
            stack.close()  # the one that began first ends first
            write_some(tmp_path)
    assert modes_of(tmp_path)["ours"] == 0o600


def test_a_private_folder_in_which_nothing_was_written_is_removed(tmp_path):
    with (
        pytest.raises(InputError),
        storage.private_folder(tmp_path / "results" / "cache"),
    ):
        raise InputError("no")
    assert list(tmp_path.iterdir()) == []


def test_new_folder_leaves_nothing_when_the_disk_fills(tmp_path):
    def fill_the_disk():
        with storage.new_folder(tmp_path / "target") as partial:
            (partial / "half").write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(InputError, match="the disk is full"):
        fill_the_disk()

    assert list(tmp_path.iterdir()) == []


def test_new_folder_refuses_an_existing_one_and_keeps_it(tmp_path):
    (tmp_path / "kept").write_text("precious")

    with pytest.raises(InputError, match="exists already"):
        storage.new_folder(tmp_path).__enter__()

    assert (tmp_path / "kept").read_text() == "precious"


def test_new_folder_does_not_replace_a_folder_made_meanwhile(tmp_path):
    target = tmp_path / "contested"

    def race():
        with storage.new_folder(target) as partial:
            (partial / "mine").touch()
            target.mkdir()
            (target / "theirs").touch()

    with pytest.raises(InputError, match="exists already"):
        race()

    assert [path.name for path in tmp_path.rglob("*")] == ["contested", "theirs"]


def test_write_bytes_replaces_in_one_step(tmp_path):
    target = tmp_path / "file"
    target.write_bytes(b"old")

    storage.write_bytes(target, b"new")

    assert target.read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_write_bytes_keeps_the_old_file_when_the_disk_fills(tmp_path, monkeypatch):
    target = tmp_path / "file"
    target.write_bytes(b"old")

    def full_disk(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(InputError, match="the disk is full"):
        storage.write_bytes(target, b"new")

    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_json_round_trip_is_utf8(tmp_path):
    target = tmp_path / "value.json"
    value = {"class": "胃炎", "count": [1, 2.5, None]}

    storage.write_json(target, value)

    assert storage.read_json(target) == value
    assert json.loads(target.read_bytes().decode("utf-8")) == value


def test_write_json_refuses_what_json_cannot_say(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        storage.write_json(tmp_path / "value.json", float("nan"))

    assert list(tmp_path.iterdir()) == []


def test_read_json_names_the_absent_and_the_damaged_file(tmp_path):
    with pytest.raises(InputError, match=r"absent\.json does not exist"):
        storage.read_json(tmp_path / "absent.json")

    (tmp_path / "damaged.json").write_text('{"a": 1')
    with pytest.raises(InputError, match=r"damaged\.json is not valid JSON"):
        storage.read_json(tmp_path / "damaged.json")


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_sha256_of_file(tmp_path, size):
    content = b"x" * size
    (tmp_path / "file").write_bytes(content)

    actual = storage.sha256_of_file(tmp_path / "file")

    assert actual == hashlib.sha256(content).hexdigest()


def test_an_array_is_computed_once(tmp_path):
    calls = []

    def compute():
        calls.append(1)
        return np.arange(3)

    for _ in range(2):
        actual = storage.kept_array(tmp_path / "deep" / "a.npy", compute)
        np.testing.assert_array_equal(actual, [0, 1, 2])
    assert len(calls) == 1


@pytest.mark.parametrize("content", [b"", b"half a file", b"\x93NUMPY"])
def test_a_damaged_file_is_computed_again(tmp_path, content):
    path = tmp_path / "a.npy"
    path.write_bytes(content)
    storage.kept_array(path, lambda: np.arange(3))
    np.testing.assert_array_equal(np.load(path), [0, 1, 2])


def test_a_torn_file_is_computed_again(tmp_path):
    path = tmp_path / "a.npy"
    storage.kept_array(path, lambda: np.arange(100))
    path.write_bytes(path.read_bytes()[:-8])
    np.testing.assert_array_equal(storage.kept_array(path, lambda: np.ones(1)), [1])


def test_rows_resume_where_they_stopped(tmp_path):
    values = np.arange(22).reshape(11, 2)
    computed = []

    def compute(part):
        computed.append((part.start, part.stop))
        if len(computed) == 3:
            raise KeyboardInterrupt
        return values[part]

    def rows():
        return storage.kept_rows(
            tmp_path, 11, compute, rows_per_file=4, description="test"
        )

    with pytest.raises(KeyboardInterrupt):
        rows()
    np.testing.assert_array_equal(rows(), values)
    assert computed == [(0, 4), (4, 8), (8, 11), (8, 11)]


def test_an_array_folder_holds_what_was_written_and_nothing_torn(tmp_path):
    folder = storage.ArrayFolder(tmp_path / "arrays")
    key = "ab" * 32
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert not folder.holds(key, (2, 3), np.float32)

    folder.write(key, values)

    assert folder.holds(key, (2, 3), np.float32)
    assert not folder.holds(key, (3, 3), np.float32)
    np.testing.assert_array_equal(folder.read(key), values)
    (file,) = (tmp_path / "arrays").rglob("*.npy")
    file.write_bytes(file.read_bytes()[:-1])
    assert not folder.holds(key, (2, 3), np.float32)


RECIPE = storage.DocumentFormat("cooking recipe", 2, "Cook it again.")


def test_a_document_is_read_back(tmp_path):
    RECIPE.write(tmp_path / "a.json", {"salt": 1})
    expected = {"format": "cooking recipe", "format_version": 2, "salt": 1}
    assert RECIPE.read(tmp_path / "a.json") == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "does not describe a cooking recipe"),
        ('{"format": "other"}', "does not describe a cooking recipe"),
        (
            '{"format": "cooking recipe", "format_version": 1}',
            r"a\.json has format version 1; this program reads version 2\. Cook it",
        ),
    ],
)
def test_a_document_of_another_format_is_refused(tmp_path, content, message):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(InputError, match=message):
        RECIPE.read(tmp_path / "a.json")


HOLD = """
import pathlib, sys
from gastritis_gan.storage import file_lock
with file_lock(pathlib.Path(sys.argv[1]), refusal="held"):
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_a_lock_ends_with_the_process_that_holds_it(tmp_path):
    path = tmp_path / "lock"
    assert not storage.is_locked(path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout.readline() == b"ready\n"
        assert storage.is_locked(path)
        with pytest.raises(InputError, match="mine"):
            storage.file_lock(path, refusal="mine").__enter__()
        holder.kill()
        holder.wait()
    assert not storage.is_locked(path)
    with storage.file_lock(path, refusal="mine"):
        assert storage.is_locked(path)


def npz(path, **members):
    """Writes a compressed `.npz` file of members of any content."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def test_arrays_are_read(tmp_path):
    arrays = {"a": np.arange(6).reshape(2, 3), "b": np.array("text"), "c": np.zeros(0)}
    np.savez_compressed(tmp_path / "a.npz", **arrays)

    found = storage.read_arrays(tmp_path / "a.npz", most_bytes=1000)

    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


def test_arrays_that_would_take_more_are_refused(tmp_path):
    path = npz(tmp_path / "a.npz", a=npy(np.zeros(1 << 20, np.uint8)))
    assert path.stat().st_size < 3000

    with pytest.raises(ValueError, match="1,048,704 bytes, not 1,000"):
        storage.read_arrays(path, most_bytes=1000)


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1 << 60,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<f8', 'shape': 3}",
        "(" * 9000,
    ],
)
def test_a_header_that_claims_too_much_is_damage(tmp_path, header):
    text = header.encode() + b"\n"
    content = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + b"\0" * 8
    path = npz(tmp_path / "a.npz", a=content)

    with pytest.raises(ValueError, match=r"\w"):
        storage.read_arrays(path, most_bytes=1 << 20)

    (tmp_path / "kept.npy").write_bytes(content)
    kept = storage.kept_array(tmp_path / "kept.npy", lambda: np.ones(1))
    np.testing.assert_array_equal(kept, [1])


@pytest.mark.parametrize("length", [0, 1, 40, 200])
def test_a_short_archive_is_damage(tmp_path, length):
    path = npz(tmp_path / "a.npz", a=npy(np.arange(100)))
    path.write_bytes(path.read_bytes()[:length])

    with pytest.raises(ValueError, match=r"\w"):
        storage.read_arrays(path, most_bytes=1 << 20)


def test_json_that_is_nested_too_deeply_is_refused(tmp_path):
    (tmp_path / "a.json").write_text("[" * 200_000)

    with pytest.raises(InputError, match="not valid JSON"):
        storage.read_json(tmp_path / "a.json")
