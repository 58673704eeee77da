import hashlib
import json
import os
import shutil

import pytest

from gastritis_gan.errors import InputError
from gastritis_gan.serving.model_folder import (
    add_audit,
    card_hash,
    model_hash,
    read_model_card,
)


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


AUDITS = [
    {"verdict": verdict, "sha256": digit * 64, "date": "2026-11-30T08:00:00+00:00"}
    for verdict, digit in (("fail", "0"), ("pass", "1"))
]


def test_a_card_keeps_all_its_audits(copy):
    before = read_model_card(copy)
    identity, whole = model_hash(copy), card_hash(before)
    for audit in AUDITS:
        add_audit(copy, audit, audited=before)
    assert read_model_card(copy) == {**before, "audits": AUDITS}
    assert card_hash(read_model_card(copy)) == whole
    assert model_hash(copy) == identity
    assert [path.name for path in (copy / "assets.extra").iterdir()] == [
        path.name for path in (copy / "assets.extra").glob("[!.]*")
    ]


def test_a_damaged_version_gets_no_audit(copy):
    (copy / "saved_model.pb").write_bytes(b"other")
    card = json.loads((copy / "assets.extra" / "model_card.json").read_text())
    with pytest.raises(InputError, match="damaged"):
        add_audit(copy, AUDITS[0], audited=card)
    assert json.loads((copy / "assets.extra" / "model_card.json").read_text()) == card


def test_a_version_that_was_exchanged_gets_no_audit(copy):
    before = read_model_card(copy)
    change_card(copy, class_name="other")
    with pytest.raises(InputError, match="exchanged while it was audited"):
        add_audit(copy, AUDITS[0], audited=before)
    assert "audits" not in read_model_card(copy)


def test_no_model_has_no_hash(tmp_path):
    with pytest.raises(InputError, match=r"no saved_model\.pb"):
        model_hash(tmp_path)


def change_card(folder, **changes):
    path = folder / "assets.extra" / "model_card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


BAD_NAMES = ["../x", "/x", "a/b", "a\\b", "con", "NUL.txt", "a.", ".a", "", "a\nb",
             "a\x00b", "\x1b[31m", "a" * 101, 3, None, ["a"]]  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_is_no_file_name_is_refused(copy, name):
    change_card(copy, name=name)
    with pytest.raises(InputError, match="damaged: `name` must be") as refusal:
        read_model_card(copy)
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version", -1),
        ("version", 1 << 63),
        ("version", True),
        ("version", "../1"),
        ("class_name", "\x1b[31m"),
        ("class_name", "a" * 101),
        ("resolution", 1e3),
        ("resolution", 1 << 40),
        ("latent_dim", 0),
        ("latent_dim", 1 << 40),
        ("target", "../positive"),
        ("model", "../pggan"),
        ("seed", "3"),
        ("num_parameters", 0),
        ("audits", {}),
        ("audits", [{"verdict": "good", "sha256": "0" * 64, "date": "2026-11-30"}]),
        ("audits", [{"verdict": "pass", "sha256": "0", "date": "2026-11-30"}]),
        ("files", {}),
    ],
)
def test_a_value_that_no_export_writes_is_refused(copy, key, value):
    change_card(copy, **{key: value})
    with pytest.raises(InputError, match=f"damaged: `{key}` must be"):
        read_model_card(copy)


def test_the_keys_of_a_trained_model_are_needed(copy):
    path = copy / "assets.extra" / "model_card.json"
    card = json.loads(path.read_text())
    del card["target"]
    path.write_text(json.dumps(card))
    with pytest.raises(InputError, match="`target` must be positive or negative"):
        read_model_card(copy)


@pytest.mark.parametrize(
    "name",
    ["../secret", "/etc/passwd", "variables/../../secret", "assets/vocabulary",
     "saved_model.cpb", "variables/x", "assets.extra/../../x", "a\x00b"],
)  # fmt: skip
def test_a_file_that_no_export_writes_is_not_even_read(copy, name):
    files = json.loads((copy / "assets.extra" / "model_card.json").read_text())["files"]
    change_card(copy, files={**files, name: "0" * 64})
    with pytest.raises(InputError, match="damaged: `files` must be the files that"):
        read_model_card(copy)


def test_a_pipe_is_not_waited_for(copy):
    (copy / "fingerprint.pb").unlink()
    os.mkfifo(copy / "fingerprint.pb")
    with pytest.raises(InputError, match=r"fingerprint\.pb is missing or differs"):
        read_model_card(copy)


def test_a_huge_file_is_not_read(copy):
    os.truncate(copy / "saved_model.pb", 1 << 40)  # takes no room on the disk
    with pytest.raises(InputError, match=r"saved_model\.pb has 1,099,511,627,776 byt"):
        read_model_card(copy)
