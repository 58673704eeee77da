"""`networks.precision: auto`: what the processor is good at, decided once for a run."""

import pytest
import yaml

from gastritis_gan.config import config_from_dict, config_to_dict
from gastritis_gan.training import precision
from gastritis_gan.training.fit import fit
from tests.helpers.tiny_run import DOCUMENT, FakeStore

WITH_MATRIX_UNITS = "flags\t\t: fpu sse2 avx512f amx_bf16 amx_tile\n"
WITHOUT = "flags\t\t: fpu sse2 avx512f amx_bf16x\n"
CONFIG = config_from_dict(
    {**DOCUMENT, "networks": {**DOCUMENT["networks"], "precision": "auto"}}
)


@pytest.fixture
def processor(tmp_path, monkeypatch):
    """Stands for what Linux says of the processor."""
    path = tmp_path / "cpuinfo"
    monkeypatch.setattr(precision, "_PROCESSOR", path)
    return path


def train(out, **options):
    return fit(
        CONFIG.training_sections,
        FakeStore(),
        model="dcgan",
        target="positive",
        out=out,
        document=config_to_dict(CONFIG),
        **options,
    )


@pytest.mark.parametrize(
    ("flags", "expected"),
    [(WITH_MATRIX_UNITS, "mixed_bfloat16"), (WITHOUT, "float32"), (None, "float32")],
)
def test_it_is_bfloat16_where_the_processor_multiplies_it(processor, flags, expected):
    if flags:
        processor.write_text(flags)
    assert precision.fastest_precision() == expected


def test_a_run_keeps_what_it_began_with(processor, tmp_path):
    processor.write_text(WITH_MATRIX_UNITS)
    train(tmp_path / "run")
    kept = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert kept["networks"]["precision"] == "mixed_bfloat16"
    processor.write_text(WITHOUT)
    again = train(tmp_path / "run", resume=True)
    assert again.sections.networks.precision == "mixed_bfloat16"
    other = train(tmp_path / "other")
    assert other.sections.networks.precision == "float32"
