import pytest
import yaml

from gastritis_gan.config import load_config
from gastritis_gan.errors import InputError
from gastritis_gan.store.fits import check_store_fits
from gastritis_gan.store.store import Store

STORED = {
    "cohort": {"positive": "gastritis", "negative": "non_gastritis", "bits": 8},
    "patches": {"patch_size": 48, "stride": 24},
    "split": {
        "train_positive_patients": 3,
        "train_negative_patients": 2,
        "validation_positive_patients": 1,
    },
    "schedule": {"final_resolution": 32},
    "objective": {"lc_resolution": 32},
}


@pytest.fixture(scope="module")
def store_path(tmp_path_factory):
    """Four positive and four negative phantoms, prepared with `STORED`."""
    from click.testing import CliRunner

    from gastritis_gan.cli.main import main

    folder = tmp_path_factory.mktemp("experiment")
    (folder / "config.yaml").write_text(yaml.safe_dump(STORED))
    for command in (
        f"phantom --out {folder}/cohort --patients 8 --image-size 256 --seed 0",
        f"prepare {folder}/cohort --config {folder}/config.yaml --out {folder}/store",
    ):
        result = CliRunner().invoke(main, command.split())
        assert result.exit_code == 0, result.output
    return folder / "store"


def open_with(store_path, tmp_path, section="split", **changes):
    document = {**STORED, section: {**STORED[section], **changes}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(document))
    path = tmp_path / "config.yaml"
    config, store = load_config(path), Store.open(store_path)
    check_store_fits(
        store,
        cohort=config.cohort,
        patches=config.patches,
        split=config.split,
        config_name=str(path),
    )
    return config, store


def test_the_config_that_prepared_the_store_opens_it(store_path, tmp_path):
    config, store = open_with(store_path, tmp_path)
    assert config.cohort.positive == store.positive


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("cohort", "positive", "dense"),
        ("cohort", "bits", 16),
        ("patches", "stride", 12),
        ("split", "train_positive_patients", 2),
        ("split", "train_negative_patients", 3),
        ("split", "validation_positive_patients", 0),
        ("split", "validation_negative_patients", 1),
    ],
)
def test_another_config_is_refused(store_path, tmp_path, section, key, value):
    with pytest.raises(InputError, match=f"`{section}.{key}` is {value}, but"):
        open_with(store_path, tmp_path, section, **{key: value})
