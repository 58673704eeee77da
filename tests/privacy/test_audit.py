"""The audit of a real export on a store, from the command line and the library."""

from __future__ import annotations

import base64
import json
import re
import shutil
import stat

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from gastritis_gan.cli.main import main
from gastritis_gan.config import load_config
from gastritis_gan.errors import InputError
from gastritis_gan.privacy.audit import audit
from gastritis_gan.privacy.audit_settings import AuditSettings
from gastritis_gan.privacy.latent_search import open_gradient
from gastritis_gan.privacy.matching import PixelMatcher
from gastritis_gan.privacy.verdict import read_verdict
from gastritis_gan.serving.exported_model import ExportedModel, find_models
from gastritis_gan.store.pseudonym import read_key
from gastritis_gan.store.store import Store
from gastritis_gan.training.run import Run
from tests.helpers.audits import change_card
from tests.helpers.small_store import draw_image

CONFIG = """
cohort: {positive: ill, negative: well}
patches: {patch_size: 32, stride: 16}
split: {train_positive_patients: 4, train_negative_patients: 1}
schedule: {initial_resolution: 8, final_resolution: 16, batch_size: 4}
audit: {samples_per_generator: 100, planted_copies: 20, latent_steps: 3}
"""
NUM_PATIENTS = 10  # the last two are well


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    from gastritis_gan.models.pggan import ProgressiveGenerator
    from gastritis_gan.serving.export import export_generator

    path = tmp_path_factory.mktemp("workplace")
    (path / "config.yaml").write_text(CONFIG)
    rng = np.random.default_rng(0)
    Image.fromarray(np.full((96, 96), 255, np.uint8)).save(path / "outline.png")
    lines = ["image,patient,label,outline"]
    for patient in range(NUM_PATIENTS):
        label = "ill" if patient < NUM_PATIENTS - 2 else "well"
        for number in range(2):
            name = f"Ada{patient}-{number}.png"
            Image.fromarray(draw_image(rng)).save(path / name)
            lines.append(f"{name},Ada{patient},{label},outline.png")
    (path / "cohort.csv").write_text("\n".join(lines) + "\n")
    result = invoke(
        "prepare", path, "--config", path / "config.yaml", "--out", path / "store",
        "--workers", 1,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    split_hash = store(path).split_hash
    generator = ProgressiveGenerator(
        16, latent_dim=8, fmap_base=64, fmap_max=16, seed=0
    )
    export_generator(
        generator,
        exported_dir=path / "exported",
        name="ill",
        metadata={
            "model": "pggan",
            "target": "positive",
            "class_name": "ill",
            "split_hash": split_hash,
            "resolution": 16,
            "latent_dim": 8,
            "num_images": 1,
            "seed": 0,
            "config": {},
        },
    )
    return path


def store(workplace):
    return Store.open(workplace / "store")


def run_audit(workplace, out, *arguments, generators="exported"):
    return invoke(
        "audit", "--config", workplace / "config.yaml", "--store", workplace / "store",
        "--generators", workplace / generators, "--out", out, *arguments,
    )  # fmt: skip


@pytest.fixture(scope="module")
def unfinished(workplace, tmp_path_factory):
    """A folder with a copy of the models and an audit whose page was never written."""
    folder = tmp_path_factory.mktemp("unfinished")
    models = shutil.copytree(workplace / "exported", folder / "exported")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("gastritis_gan.privacy.audit.write_report", fail)
        result = run_audit(workplace, folder / "out", generators=models)
    assert result.exit_code != 0
    assert not (folder / "out").exists()
    return folder


def fail(*_, **__):
    raise OSError("disk full")


@pytest.fixture(scope="module")
def audited(workplace, unfinished):
    """The folder of the audit that another call of the command has ended."""
    folder = workplace / "audits" / "first"
    shutil.copytree(unfinished / "out.partial", f"{folder}.partial")
    result = run_audit(workplace, folder, "--by", "Ada L. (DPO)")
    assert result.exit_code == 4, result.output
    return folder, result.output


def test_verdict_is_undecided_with_four_patients_and_states_what_is_needed(audited):
    folder, output = audited
    verdict = read_verdict(folder)
    assert verdict.verdict == "undecided"
    assert "Verdict: UNDECIDED" in output
    assert max(map(len, output.splitlines())) <= 100
    assert "patients of each group would be needed" in " ".join(verdict.reasons)


def test_paper_is_white_where_the_screen_is_dark(audited, browser):
    browser.open(audited[0] / "report.html")
    paint = "return getComputedStyle(document.body).backgroundColor"
    browser.show("dark")
    assert browser.run(paint) == "rgb(24, 24, 24)"
    browser.show("dark", medium="print")
    assert browser.run(paint) == "rgb(255, 255, 255)"
    browser.show()
    assert browser.errors() == []
    assert browser.broken_images() == []


def test_card_and_audit_name_each_other(workplace, audited):
    folder, _ = audited
    verdict = read_verdict(folder)
    card_file = workplace / "exported/ill/1/assets.extra/model_card.json"
    card = json.loads(card_file.read_text())
    (recorded,) = card["audits"]
    assert recorded["sha256"] == verdict.sha256
    assert recorded["verdict"] == "undecided"
    assert recorded["date"] == verdict.date
    (model,) = verdict.models
    assert (model.num_seeds, model.earlier_audits) == (100, ())
    assert card["model_hash"] == model.model_hash
    assert card["split_hash"] == verdict.split_hash


def test_metrics_hold_keys_only(workplace, audited):
    folder, output = audited
    document = json.loads((folder / "audit.json").read_text())
    (generator,) = document["generators"]
    groups = [entry["group"] for entry in generator["per_patient"]]
    assert groups == ["training"] * 4 + ["held_out"] * 4
    assert generator["linkage"]["held_out"]["num_patients"] == 4
    assert document["settings"]["seed"] == 0
    assert document["run_seconds"] > 0
    text = output + (folder / "audit.json").read_text()
    page = (folder / "report.html").read_text()
    text += re.sub(r"base64,[^\"]+", "", page)  # pictures hold any three letters
    assert "Ada" not in text.replace("Ada L. (DPO)", "")
    assert str(workplace) not in (folder / "audit.json").read_text()


def test_page_is_self_contained_and_warns(audited):
    folder, _ = audited
    page = " ".join((folder / "report.html").read_text().split())
    assert "stays inside the hospital" in page
    assert page.count("data:image/png;base64,") == 3  # the closest pair, two groups
    assert page.count("data:image/svg+xml;base64,") == 8  # five spaces, three attacks
    assert not re.search(r"(?i)https?://|<script|<link|url\(", page)
    for plot in re.findall(r"data:image/svg\+xml;base64,([^\"]+)", page):
        assert b"<script" not in base64.b64decode(plot)
    pictures = sorted(p.name for p in (folder / "closest_pairs").iterdir())
    assert pictures == ["ill-1-held-out.png", "ill-1-training.png"]
    with Image.open(folder / "closest_pairs" / pictures[0]) as picture:
        caption = 21  # a line: it shows patients
        assert picture.size == (4 * 96 + 3 * 2, caption + 2 * 96 + 2)  # four pairs


def test_the_first_page_is_to_decide_from(audited):
    folder, _ = audited
    page = " ".join((folder / "report.html").read_text().split())
    first, details = page.split('<div class="details">')
    assert '<h1>Privacy audit: <span class="undecided">undecided</span></h1>' in first
    for stated in (
        "This page shows patients. It stays inside the hospital",
        "No leak was found, but at least one test could not have found one",
        "100 samples of each model, from seed 0 on, were compared",
        "latents of the exported generator",
        "samples_per_generator 100, not 10,000",
        "20 images of 10 patients, classes ill and well",
        read_verdict(folder).date[:10],
        "gastritis-gan ",
        "earlier audits of them: none",
        "Ada L. (DPO)",
        "Date, signature",
    ):
        assert stated in first, stated
    assert "AUC" not in first
    assert details.index("<b>AUC</b>: the") < details.index("The AUC is")


def test_the_store_s_key_seals_it_and_all_is_private(workplace, audited):
    folder, _ = audited
    key = read_key(workplace / "store.key")
    assert read_verdict(folder, key=key).seal == "checked"
    for path in (folder, *folder.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    card = workplace / "exported/ill/1/assets.extra/model_card.json"
    assert stat.S_IMODE(card.stat().st_mode) == 0o644  # a server reads it


def test_a_card_of_another_class_is_refused(workplace, tmp_path):
    shutil.copytree(workplace / "exported", tmp_path / "exported")
    change_card(tmp_path / "exported/ill/1", class_name="well")
    result = run_audit(workplace, tmp_path / "out", generators=tmp_path / "exported")
    assert result.exit_code == 2
    assert "states the class 'well'" in result.output


def test_nothing_is_overwritten(workplace, audited):
    folder, _ = audited
    result = run_audit(workplace, folder)
    assert result.exit_code == 2
    assert "exists already" in result.output


def test_models_of_another_split_are_refused(workplace, tmp_path):
    shutil.copytree(workplace / "exported", tmp_path / "exported")
    card = tmp_path / "exported/ill/1/assets.extra/model_card.json"
    content = json.loads(card.read_text()) | {"split_hash": "0" * 64}
    card.write_text(json.dumps(content))
    result = run_audit(workplace, tmp_path / "out", generators=tmp_path / "exported")
    assert result.exit_code == 2
    assert "no exported model of this store's split" in result.output
    assert not (tmp_path / "out").exists()


def test_a_model_of_another_split_is_refused_by_the_library(workplace, tmp_path):
    model = ExportedModel.open(workplace / "exported" / "ill")
    model.card["split_hash"] = "0" * 64
    with pytest.raises(InputError, match="trained on another split than this store's"):
        audit(store(workplace), [model], AuditSettings(), out=tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_an_unfinished_audit_of_something_else_is_refused(workplace, tmp_path):
    work = tmp_path / "out.partial"
    work.mkdir()
    (work / "plan.json").write_text('{"settings": {}, "split_hash": "", "models": []}')
    result = run_audit(workplace, tmp_path / "out")
    assert result.exit_code == 2
    assert "unfinished audit with other settings" in result.output


def test_the_library_resumes_what_the_command_began(
    workplace, unfinished, tmp_path, monkeypatch
):
    models = shutil.copytree(unfinished / "exported", tmp_path / "exported")
    shutil.copytree(unfinished / "out.partial", tmp_path / "out.partial")
    kept = list((tmp_path / "out.partial").rglob("*.np?"))
    # samples; 16 images and 4 of the other class in pixels; 16 and the samples in
    # texture; 2 x 16 latents
    assert len(kept) == 1 + 20 + 17 + 2

    def open_half(path):
        return fail, open_gradient(path)[1]

    monkeypatch.setattr(ExportedModel, "generate", fail)
    monkeypatch.setattr(PixelMatcher, "match", fail)
    monkeypatch.setattr("gastritis_gan.privacy.feature_space.level", fail)
    monkeypatch.setattr("gastritis_gan.privacy.audit.open_gradient", open_half)
    found, _ = find_models([models], split_hash=store(workplace).split_hash)
    result = audit(
        store(workplace),
        found,
        load_config(workplace / "config.yaml").audit,
        out=str(tmp_path / "out"),
    )
    assert result.verdict == "undecided"
    assert repr(result) == f"<AuditResult undecided: ill 1, in {tmp_path / 'out'}>"
    assert result.report.is_file()
    assert result.metrics.is_file()
    assert found[0].card["audits"][-1]["sha256"] == result.sha256
    assert result.seal == "absent"  # no key was given
    assert not (tmp_path / "out.partial").exists()


@pytest.mark.slow
def test_metrics_do_not_depend_on_the_secret_key(workplace, audited, tmp_path):
    result = invoke(
        "prepare", workplace, "--config", workplace / "config.yaml", "--out",
        tmp_path / "store", "--workers", 1,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    models = shutil.copytree(workplace / "exported", tmp_path / "exported")
    result = invoke(
        "audit", "--config", workplace / "config.yaml", "--store", tmp_path / "store",
        "--generators", models, "--out", tmp_path / "out",
    )  # fmt: skip
    assert result.exit_code == 4, result.output

    def metrics(folder):
        document = json.loads((folder / "audit.json").read_text())
        for key in ("run_seconds", "date", "by", "seal", "report_sha256", "models"):
            del document[key]
        names = {}
        for entry in document["generators"][0]["per_patient"]:
            names[entry["patient"]] = f"patient {len(names)}"
        return names, replace_names(document, names)

    names, expected = metrics(audited[0])
    other_names, actual = metrics(tmp_path / "out")
    assert not set(names) & set(other_names)
    assert actual == expected


def replace_names(value, names):
    """Numbers the patients and leaves the images' keys out."""
    if isinstance(value, dict):
        return {k: replace_names(v, names) for k, v in value.items() if k != "image"}
    if isinstance(value, list):
        return [replace_names(v, names) for v in value]
    return names.get(value, value) if isinstance(value, str) else value


def test_impossible_thresholds_are_refused(workplace, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.replace("planted", "max_copy_rate: 0, planted"))
    result = invoke(
        "audit", "--config", config, "--store", workplace / "store", "--generators",
        workplace / "exported", "--out", tmp_path / "out",
    )  # fmt: skip
    assert result.exit_code == 2
    assert "`audit.max_copy_rate` must be between 0 and 1" in result.output


@pytest.fixture(scope="module")
def trained(workplace):
    """A folder with a run, and what was exported from it."""
    path = workplace / "trained"
    path.mkdir()
    networks = "networks: {latent_dim: 8, fmap_base: 64, fmap_max: 8}"
    config = path / "config.yaml"
    config.write_text(
        CONFIG.replace(
            "batch_size: 4", "batch_size: 4, transition_images: 8, stable_images: 8"
        )
        + f"{networks}\n"
    )
    for command in (
        ("fit", "--config", config, "--store", workplace / "store", "--model",
         "pggan", "--target", "positive", "--run", path / "run"),
        ("export", path / "run", "--name", "ill", "--exported-dir", path / "exported"),
    ):  # fmt: skip
        result = invoke(*command)
        assert result.exit_code == 0, result.output
    return path


@pytest.mark.slow
def test_the_discriminator_of_a_run_is_reported_and_decides_nothing(
    workplace, trained, tmp_path
):
    run = Run.open(trained / "run")
    discriminate = run.discriminator()
    patches = np.random.default_rng(0).normal(size=(10, 16, 16, 1)).astype(np.float32)
    scores = discriminate(patches)
    assert run.metadata["target"] == "positive"
    assert scores.shape == (10,)
    np.testing.assert_allclose(discriminate(patches[:4]), scores[:4], atol=1e-5)

    result = run_audit(
        workplace, tmp_path / "out", "--run", trained / "run",
        generators=trained / "exported",
    )  # fmt: skip
    assert result.exit_code == 4, result.output
    document = json.loads((tmp_path / "out" / "audit.json").read_text())
    attack = document["generators"][0]["attacks"][-1]
    assert attack["name"] == "discriminator (not released)"
    assert attack["decides"] is False
    assert not any("discriminator" in reason for reason in document["reasons"])


@pytest.mark.slow
def test_the_run_of_another_generator_is_refused(workplace, trained, tmp_path):
    """`exported/ill` has the same model, class and seed, and saw one image."""
    result = run_audit(workplace, tmp_path / "out", "--run", trained / "run")
    assert result.exit_code == 2
    assert "none of these generators was exported from" in result.output
    assert not (tmp_path / "out.partial").exists()
