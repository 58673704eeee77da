"""`--set section.key=value`, of every command that reads an experiment file."""

from __future__ import annotations

import json

import pytest
import yaml
from click.testing import CliRunner

from gastritis_gan.cli.main import main
from gastritis_gan.config import config_to_dict, load_config
from gastritis_gan.errors import InputError

COMMANDS = ["prepare", "fit", "gan-train", "image-metrics", "audit"]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("schedule: {final_resolution: 32}\nnetworks: {fmap_max: 64}\n")
    return path


@pytest.mark.parametrize(
    ("changes", "written"),
    [
        (["schedule.final_resolution=64"], {"schedule": {"final_resolution": 64}}),
        (
            ["schedule.final_resolution=64", "schedule.final_resolution=16"],
            {"schedule": {"final_resolution": 16}},
        ),
        (
            ["evaluation.extractors=[texture]", "audit.max_copy_rate=1e-2"],
            {
                "evaluation": {"extractors": ["texture"]},
                "audit": {"max_copy_rate": 0.01},
            },
        ),
        (
            ["optimizer.learning_rate={4: 0.1, 8: 0.2, 16: 0.1, 32: 0.1}"],
            {"optimizer": {"learning_rate": {4: 0.1, 8: 0.2, 16: 0.1, 32: 0.1}}},
        ),
        (["cohort.positive='a=b'"], None),
        (["cohort.positive=yes"], {"cohort": {"positive": "yes"}}),
        (["split.train_positive_patients=null"], {}),
    ],
)
def test_it_is_as_if_the_file_had_the_value(file, tmp_path, changes, written):
    if written is None:
        with pytest.raises(InputError, match="must name a class"):
            load_config(file, changes)
        return
    document = {"schedule": {"final_resolution": 32}, "networks": {"fmap_max": 64}}
    for section, keys in written.items():
        document.setdefault(section, {}).update(keys)
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump(document))
    assert load_config(file, changes) == load_config(other)


def test_one_number_of_a_mapping(file):
    file.write_text("schedule: {batch_size: {4: 8, 8: 8}, final_resolution: 8}\n")
    config = load_config(file, ["schedule.batch_size.8=16"])
    assert config.schedule.batch_size == {4: 8, 8: 16}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("schedule.final_resolution", "write section.key=value"),
        (".a=3", "write section.key=value"),
        ("schedule..a=3", "write section.key=value"),
        ("networks.latent_dim=[1", "--set networks.latent_dim=[1: is not valid YAML"),
        (
            "networks.latent_dims=64",
            "with --set networks.latent_dims=64: unknown key `networks.latent_dims`. "
            "Did you mean `latent_dim`?",
        ),
        ("network.latent_dim=64", "unknown key `network`. Did you mean `networks`?"),
        ("networks.latent_dim=6.5", "`networks.latent_dim` must be an integer"),
        ("schedule=3", "`schedule` must be a mapping of keys. Received: 3."),
        (
            "networks.fmap_max.4=3",
            "`4` cannot be set, because the file has 64 there and not a mapping.",
        ),
    ],
)
def test_refusals(file, change, message):
    for command, *options in (
        (
            "fit",
            "--store",
            "no",
            "--model",
            "pggan",
            "--target",
            "positive",
            "--run",
            "r",
        ),
        ("prepare", "no", "--out", "store"),
    ):
        result = CliRunner().invoke(
            main, [command, *options, "--config", str(file), "--set", change]
        )
        assert result.exit_code == 2
        assert message in " ".join(result.output.split())


def test_a_mistake_of_the_file_is_the_files(file):
    file.write_text("schedule: {final_resolution: 31}\n")
    with pytest.raises(InputError) as caught:
        load_config(file, ["networks.latent_dim=64"])
    assert str(caught.value).startswith(f"{file}: `schedule.final_resolution` must")
    config = load_config(file, ["schedule.final_resolution=32"])
    assert config.schedule.final_resolution == 32


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_with_an_experiment_has_it(command):
    assert (
        "--set SECTION.KEY=VALUE"
        in CliRunner().invoke(main, [command, "--help"]).output
    )


def test_a_store_remembers_what_was_set(make_cohort, tmp_path):
    """And another value is another store."""
    cohort = make_cohort()
    file = tmp_path / "config.yaml"
    file.write_text("cohort: {positive: dense, negative: fatty}\n")
    changes = ["patches.patch_size=16", "patches.stride=16"]
    changes += ["split.train_positive_patients=2", "split.train_negative_patients=2"]
    changes += ["schedule.final_resolution=16"]
    sets = [word for change in changes for word in ("--set", change)]
    out = tmp_path / "store"
    words = ["prepare", str(cohort), "--config", str(file), "--out", str(out), *sets]
    result = CliRunner().invoke(main, [*words, "--workers", "1"])
    assert result.exit_code == 0, result.output
    document = json.loads((out / "store.json").read_text("utf-8"))
    config = config_to_dict(load_config(file, changes))
    assert json.dumps(config["patches"])[1:-1] in json.dumps(document)
    result = CliRunner().invoke(main, [*words, "--set", "patches.stride=8"])
    assert result.exit_code == 2
    assert "was begun with another" in " ".join(result.output.split())
