import hashlib
import json

import pytest

from gastritis_gan.errors import InputError
from gastritis_gan.privacy.verdict import (
    AuditedModel,
    read_verdict,
    write_audit,
)

CONTENT = {
    "verdict": "pass",
    "reasons": ["No copy among 10 samples."],
    "split_hash": "ab" * 32,
    "models": [{"name": "lc", "version": 2, "model_hash": "cd" * 32}],
    "generators": [],
}


def test_what_was_written_is_read(tmp_path):
    write_audit(tmp_path, CONTENT)
    verdict = read_verdict(tmp_path)
    assert verdict.verdict == "pass"
    assert verdict.split_hash == "ab" * 32
    assert verdict.reasons == ("No copy among 10 samples.",)
    assert verdict.models == (AuditedModel(name="lc", version=2, model_hash="cd" * 32),)
    content = (tmp_path / "audit.json").read_bytes()
    assert verdict.sha256 == hashlib.sha256(content).hexdigest()


def test_a_folder_without_audit_is_refused(tmp_path):
    with pytest.raises(InputError, match="not a finished audit"):
        read_verdict(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "does not describe a gastritis-gan audit"),
        ({"format_version": 9}, "format version 9"),
        ({"verdict": "perhaps"}, "damaged.*`verdict` must be one of pass"),
        ({"models": [{"name": "../x", "version": 1, "model_hash": ""}]}, "damaged"),
        ({"reasons": "text"}, "damaged.*`reasons` must be a list"),
        ({"models": [{"name": "lc"}]}, "damaged"),
        ({"split_hash": None, "models": None}, "damaged"),
    ],
)
def test_a_damaged_audit_is_refused(tmp_path, change, message):
    write_audit(tmp_path, CONTENT)
    path = tmp_path / "audit.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=message):
        read_verdict(tmp_path)
