import hashlib
import hmac
import json
import shutil

import pytest

from gastritis_gan.errors import InputError
from gastritis_gan.privacy.verdict import read_verdict, write_audit
from tests.helpers.audits import REASON, document

KEY = bytes(range(32))
CARD = {
    "name": "lc",
    "version": 2,
    "model_hash": "cd" * 32,
    "split_hash": "ab" * 32,
}


def write(folder, *, key=None, **changes):
    (folder / "report.html").write_text("the page")
    write_audit(folder, document([CARD], **changes), key=key)
    return folder / "audit.json"


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_what_was_written_is_read(tmp_path):
    path = write(tmp_path)
    verdict = read_verdict(tmp_path)
    assert verdict.verdict == "pass"
    assert verdict.split_hash == "ab" * 32
    assert verdict.reasons == (
        f"lc, version 2, memorisation: {REASON}",
        "lc, version 2, close matches: few",
        "lc, version 2, membership, latents: weak",
    )
    (model,) = verdict.models
    assert (model.name, model.version, model.num_seeds) == ("lc", 2, 10_000)
    assert verdict.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert verdict.deviations == ()


def test_a_terminal_gets_a_line_a_model_and_a_conclusion(tmp_path):
    """The worst test of a kind counts; one kind was tested of one model only."""
    card = {**CARD, "name": "another"}
    content = document([CARD, card], "undecided", reason="few patients.")
    weak = {"test": "membership, pixels", "verdict": "undecided", "reason": "few."}
    far = {"test": "memorisation of the other class", "verdict": "pass", "reason": "-"}
    content["generators"][0]["decisions"] += [weak, far]
    content["reasons"].insert(1, "lc, version 2, membership, pixels: few.")
    (tmp_path / "report.html").write_text("the page")
    write_audit(tmp_path, content, key=None)
    table, _, conclusion = read_verdict(tmp_path).digest.partition("\n\n")
    assert table.splitlines() == [
        "model      memorisation  close matches  membership  the other class",
        "lc/2       undecided     pass           undecided   pass",
        "another/2  undecided     pass           pass",
    ]
    assert conclusion.split("\n", 2) == [
        "Verdict: UNDECIDED. No leak was found, but at least one test could not have "
        "found one: this is not a",
        "pass.",
        "Reason 1 of 3: lc, version 2, memorisation: few patients.",
    ]


def test_a_pass_needs_no_reason(tmp_path):
    write(tmp_path)
    assert "Verdict: PASS. No sign that" in read_verdict(tmp_path).digest
    assert "Reason" not in read_verdict(tmp_path).digest


def test_deviations_from_the_defaults_are_named(tmp_path):
    settings = {"samples_per_generator": 100, "extractors": [], "seed": 0}
    write(tmp_path, settings=settings)
    assert read_verdict(tmp_path).deviations == (
        "samples_per_generator 100, not 10,000",
        "extractors none, not texture",
    )


def test_the_seal_is_an_hmac_of_the_rest(tmp_path):
    path = write(tmp_path, key=KEY)
    content = json.loads(path.read_text())
    seal = content.pop("seal")
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    assert seal == hmac.new(KEY, f"audit\0{text}".encode(), "sha256").hexdigest()
    assert read_verdict(tmp_path, key=KEY).seal == "checked"
    assert read_verdict(tmp_path).seal == "not checked"
    with pytest.raises(InputError, match="does not have the seal of this key"):
        read_verdict(tmp_path, key=KEY[::-1])


def test_without_a_key_there_is_no_seal(tmp_path):
    write(tmp_path)
    assert read_verdict(tmp_path).seal == "absent"
    with pytest.raises(InputError, match="or without one"):
        read_verdict(tmp_path, key=KEY)


def test_any_edit_breaks_the_seal(tmp_path):
    """Also those that leave the document whole."""
    (tmp_path / "whole").mkdir()
    write(tmp_path / "whole", key=KEY)
    for number, change in enumerate(
        (
            lambda c: c.update(date="2026-12-01T08:00:00+00:00"),
            lambda c: (
                c["models"][0].update(num_seeds=10**6)
                or c["generators"][0].update(samples=10**6)
            ),
            lambda c: c["settings"].update(min_power=0.8),
            lambda c: c.update(seal="ä"),
            lambda c: c.update(seal=None),
            lambda c: c.pop("seal"),
            lambda c: c.update(extra=1),
        )
    ):
        folder = shutil.copytree(tmp_path / "whole", tmp_path / str(number))
        edit(folder / "audit.json", change)
        read_verdict(folder)
        with pytest.raises(InputError, match="seal of this key"):
            read_verdict(folder, key=KEY)


def test_a_folder_without_audit_is_refused(tmp_path):
    with pytest.raises(InputError, match="not a finished audit"):
        read_verdict(tmp_path)


def test_another_page_is_refused(tmp_path):
    write(tmp_path)
    (tmp_path / "report.html").write_text("another page")
    with pytest.raises(InputError, match="not the page that the audit wrote"):
        read_verdict(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "does not describe a gastritis-gan audit"),
        ({"format_version": 1}, "format version 1"),
        ({"verdict": "perhaps"}, "damaged.*`verdict` must be one of pass"),
        ({"verdict": "fail"}, "states 'fail', and its decisions give 'pass'"),
        ({"models": [{"name": "../x", "version": 1, "model_hash": ""}]}, "damaged"),
        ({"models": []}, "its models are not its generators"),
        ({"generators": []}, "damaged"),
        ({"reasons": "text"}, "damaged.*`reasons` must be a list"),
        ({"reasons": ["all is well"]}, "damaged"),
        ({"models": [{"name": "lc"}]}, "damaged"),
        ({"split_hash": None, "models": None}, "damaged"),
        ({"settings": {"min_power": 2}}, "damaged.*`settings.min_power` must be"),
        ({"settings": {"power": 1}}, "damaged.*unknown key"),
        ({"settings": {"samples_per_generator": 20_000}}, "fewer samples than its"),
    ],
)
def test_a_damaged_audit_is_refused(tmp_path, change, message):
    edit(write(tmp_path), lambda content: content.update(change))
    with pytest.raises(InputError, match=message):
        read_verdict(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda g: g["decisions"][0].update(verdict="fail"),
            "states 'pass' of lc, and its decisions differ",
        ),
        (lambda g: g["decisions"].clear(), "damaged"),
        (lambda g: g["decisions"].pop(0), "no decision on the memorisation of lc"),
        (lambda g: g["decisions"].pop(1), "no decision on the close matches of lc"),
        (lambda g: g["decisions"].pop(2), "no decision on the membership, latents"),
        (
            lambda g: g.update(other_class={"power": 1}),
            "memorisation of the other class",
        ),
        (lambda g: g.pop("memorisation"), "passed without being tested"),
        (lambda g: g.update(attacks=[]), "passed without being tested"),
        (lambda g: g.update(samples=9), "its models are not its generators"),
    ],
)
def test_a_verdict_follows_from_its_decisions(tmp_path, change, message):
    edit(write(tmp_path), lambda content: change(content["generators"][0]))
    with pytest.raises(InputError, match=message):
        read_verdict(tmp_path)
