"""Turns a hospital's radiographs into a synthetic data set: the library's door.

    import gastritis_gan as gg

    config = gg.load_config("configs/phantom.yaml")
    store = gg.prepare("cohorts/phantom", config, "stores/phantom")
    run = gg.fit(config, store, model="lc_pggan", target="positive", out="runs/lc")
    model = run.export("exported", name="lc")
    images = model.generate(seeds=range(16))  # uint8 (16, r, r, 1)

Importing the package loads nothing else: a name is loaded when it is used, and
TensorFlow by the first call that needs it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from gastritis_gan.version import __version__ as __version__

if TYPE_CHECKING:
    from gastritis_gan.api import audit as audit
    from gastritis_gan.api import fit as fit
    from gastritis_gan.api import forecast as forecast
    from gastritis_gan.api import gan_train as gan_train
    from gastritis_gan.api import image_metrics as image_metrics
    from gastritis_gan.api import open_run as open_run
    from gastritis_gan.api import open_store as open_store
    from gastritis_gan.api import prepare as prepare
    from gastritis_gan.cohort.draft import draft_cohort as draft_cohort
    from gastritis_gan.config import ExperimentConfig as ExperimentConfig
    from gastritis_gan.config import load_config as load_config
    from gastritis_gan.errors import InputError as InputError
    from gastritis_gan.evaluation.compare import compare as compare
    from gastritis_gan.experiment_draft import draft_experiment as draft_experiment
    from gastritis_gan.machine import examine_machine as examine_machine
    from gastritis_gan.phantom.phantom_cohort import make_phantom as make_phantom
    from gastritis_gan.releases.release import release as release
    from gastritis_gan.reports.reading_study import (
        analyse_reading_study as analyse_reading_study,
    )
    from gastritis_gan.reports.reading_study import (
        make_reading_study as make_reading_study,
    )
    from gastritis_gan.reports.report import report as report
    from gastritis_gan.serving.exported_model import open_model as open_model
    from gastritis_gan.serving.sample_folder import sample as sample
    from gastritis_gan.serving.walk import walk as walk
    from gastritis_gan.store.inspect import inspect_store as inspect_store
    from gastritis_gan.store.trace import trace_patient as trace_patient
    from gastritis_gan.training.run import list_runs as list_runs
    from gastritis_gan.workflow.chain import forecast_chain as forecast_chain
    from gastritis_gan.workflow.chain import reproduce as reproduce

_MODULES = {
    "ExperimentConfig": "config",
    "InputError": "errors",
    "analyse_reading_study": "reports.reading_study",
    "audit": "api",
    "compare": "evaluation.compare",
    "draft_cohort": "cohort.draft",
    "draft_experiment": "experiment_draft",
    "examine_machine": "machine",
    "fit": "api",
    "forecast": "api",
    "forecast_chain": "workflow.chain",
    "gan_train": "api",
    "image_metrics": "api",
    "inspect_store": "store.inspect",
    "list_runs": "training.run",
    "load_config": "config",
    "make_phantom": "phantom.phantom_cohort",
    "make_reading_study": "reports.reading_study",
    "open_model": "serving.exported_model",
    "open_run": "api",
    "open_store": "api",
    "prepare": "api",
    "release": "releases.release",
    "report": "reports.report",
    "reproduce": "workflow.chain",
    "sample": "serving.sample_folder",
    "trace_patient": "store.trace",
    "walk": "serving.walk",
}
__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
