from __future__ import annotations

import errno
import hashlib
import json
import os
import stat

import pytest

from gastritis_gan import files
from gastritis_gan.errors import InputError


def test_new_folder_appears_only_when_complete(tmp_path):
    target = tmp_path / "stores" / "mine"

    with files.new_folder(target) as partial:
        (partial / "content").write_text("whole")
        assert not target.exists()
        assert partial.name.startswith(".")  # TensorFlow Serving ignores it

    assert (target / "content").read_text() == "whole"
    assert stat.S_IMODE(target.stat().st_mode) == 0o755
    assert [path.name for path in target.parent.iterdir()] == ["mine"]


def test_new_folder_leaves_nothing_when_the_disk_fills(tmp_path):
    def fill_the_disk():
        with files.new_folder(tmp_path / "target") as partial:
            (partial / "half").write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        fill_the_disk()

    assert list(tmp_path.iterdir()) == []


def test_new_folder_refuses_an_existing_one_and_keeps_it(tmp_path):
    (tmp_path / "kept").write_text("precious")

    with pytest.raises(InputError, match="exists already"):
        files.new_folder(tmp_path).__enter__()

    assert (tmp_path / "kept").read_text() == "precious"


def test_new_folder_does_not_replace_a_folder_made_meanwhile(tmp_path):
    target = tmp_path / "contested"

    def race():
        with files.new_folder(target) as partial:
            (partial / "mine").touch()
            target.mkdir()
            (target / "theirs").touch()

    with pytest.raises(InputError, match="exists already"):
        race()

    assert [path.name for path in tmp_path.rglob("*")] == ["contested", "theirs"]


def test_write_bytes_replaces_in_one_step(tmp_path):
    target = tmp_path / "file"
    target.write_bytes(b"old")

    files.write_bytes(target, b"new")

    assert target.read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_write_bytes_keeps_the_old_file_when_the_disk_fills(tmp_path, monkeypatch):
    target = tmp_path / "file"
    target.write_bytes(b"old")

    def full_disk(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        files.write_bytes(target, b"new")

    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_json_round_trip_is_utf8(tmp_path):
    target = tmp_path / "value.json"
    value = {"class": "胃炎", "count": [1, 2.5, None]}

    files.write_json(target, value)

    assert files.read_json(target) == value
    assert json.loads(target.read_bytes().decode("utf-8")) == value


def test_write_json_refuses_what_json_cannot_say(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        files.write_json(tmp_path / "value.json", float("nan"))

    assert list(tmp_path.iterdir()) == []


def test_read_json_names_the_absent_and_the_damaged_file(tmp_path):
    with pytest.raises(InputError, match=r"absent\.json does not exist"):
        files.read_json(tmp_path / "absent.json")

    (tmp_path / "damaged.json").write_text('{"a": 1')
    with pytest.raises(InputError, match=r"damaged\.json is not valid JSON"):
        files.read_json(tmp_path / "damaged.json")


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_sha256_of_file(tmp_path, size):
    content = b"x" * size
    (tmp_path / "file").write_bytes(content)

    actual = files.sha256_of_file(tmp_path / "file")

    assert actual == hashlib.sha256(content).hexdigest()
