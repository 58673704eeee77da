import hashlib
import json
import shutil

import pytest

from gastritis_gan.errors import InputError
from gastritis_gan.serving.model_folder import add_audit, model_hash, read_model_card


@pytest.fixture
def copy(exported, tmp_path):
    return shutil.copytree(exported, tmp_path / "1")


def digest(content):
    return hashlib.sha256(content).hexdigest()


def test_model_hash_by_hand(tmp_path):
    (tmp_path / "variables").mkdir()
    (tmp_path / "assets.extra").mkdir()
    for name, content in {
        "saved_model.pb": b"graph",
        "variables/variables.index": b"index",
        "variables/variables.data-00000-of-00001": b"weights",
        "fingerprint.pb": b"not part of it",
        "assets.extra/model_card.json": b"not part of it",
    }.items():
        (tmp_path / name).write_bytes(content)
    lines = (
        f"saved_model.pb {digest(b'graph')}\n"
        f"variables/variables.data-00000-of-00001 {digest(b'weights')}\n"
        f"variables/variables.index {digest(b'index')}\n"
    )
    assert model_hash(tmp_path) == digest(lines.encode())


def test_every_export_tells_its_hash(exported):
    assert read_model_card(exported)["model_hash"] == model_hash(exported)


def test_an_audit_changes_only_its_key(copy):
    before = read_model_card(copy)
    identity = model_hash(copy)
    add_audit(copy, {"verdict": "undecided"})
    add_audit(copy, {"verdict": "pass", "sha256": "0" * 64})
    assert read_model_card(copy) == {
        **before,
        "audit": {"verdict": "pass", "sha256": "0" * 64},
    }
    assert model_hash(copy) == identity
    assert [path.name for path in (copy / "assets.extra").iterdir()] == [
        path.name for path in (copy / "assets.extra").glob("[!.]*")
    ]


def test_a_damaged_version_gets_no_audit(copy):
    (copy / "saved_model.pb").write_bytes(b"other")
    card = json.loads((copy / "assets.extra" / "model_card.json").read_text())
    with pytest.raises(InputError, match="damaged"):
        add_audit(copy, {"verdict": "pass"})
    assert json.loads((copy / "assets.extra" / "model_card.json").read_text()) == card


def test_no_model_has_no_hash(tmp_path):
    with pytest.raises(InputError, match=r"no saved_model\.pb"):
        model_hash(tmp_path)
