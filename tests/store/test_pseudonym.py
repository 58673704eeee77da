from __future__ import annotations

import hashlib
import hmac
import stat

import pytest

from gastritis_gan.errors import InputError
from gastritis_gan.store.pseudonym import keep_key, load_or_make_key, pseudonym

KEY = bytes(range(32))


def test_a_pseudonym_is_a_keyed_hash_of_domain_and_name():
    expected = hmac.new(KEY, b"patient\x00M\xc3\xbcller", hashlib.sha256).hexdigest()
    assert pseudonym(KEY, "patient", "Müller") == expected[:24]


def test_pseudonyms_differ_by_key_domain_and_name():
    names = {
        pseudonym(KEY, "patient", "a"),
        pseudonym(KEY, "image", "a"),
        pseudonym(KEY, "patient", "b"),
        pseudonym(KEY[::-1], "patient", "a"),
    }
    assert len(names) == 4


def test_the_key_is_kept_for_its_owner_only_and_never_replaced(tmp_path):
    path = tmp_path / "store.key"
    key = load_or_make_key(path)
    assert not path.exists()
    keep_key(path, key)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    keep_key(path, KEY)
    assert load_or_make_key(path) == key
    assert len(key) == 32
    assert [file.name for file in tmp_path.iterdir()] == ["store.key"]


def test_a_damaged_key_is_refused(tmp_path):
    path = tmp_path / "store.key"
    path.write_bytes(b"short")
    with pytest.raises(InputError, match="holds 5 bytes"):
        load_or_make_key(path)


def test_the_key_is_for_its_owner_alone(tmp_path):
    (tmp_path / "stores").mkdir(mode=0o755)
    beside, apart = tmp_path / "stores" / "store.key", tmp_path / "keys" / "store.key"
    for path in (beside, apart):
        keep_key(path, KEY)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(beside.parent.stat().st_mode) == 0o755
    assert stat.S_IMODE(apart.parent.stat().st_mode) == 0o700


def test_where_a_group_works_together_it_reads_the_key(tmp_path):
    tmp_path.chmod(0o2770)
    keep_key(tmp_path / "store.key", KEY)
    assert stat.S_IMODE((tmp_path / "store.key").stat().st_mode) == 0o660
