"""Turns a hospital's radiographs into a synthetic data set: the library's door.

    import gastritis_gan as gg

    config = gg.load_config("configs/phantom.yaml")
    store = gg.prepare("cohorts/phantom", config, "stores/phantom")
    run = gg.fit(config, store, model="lc_pggan", target="positive", out="runs/positive")
    model = run.export("exported", name="positive")
    images = model.generate(range(16))  # uint8 (16, r, r, 1)

Every name is described where it is defined, in `gastritis_gan.api`. Importing the
package loads nothing else; TensorFlow is loaded by the first call that needs it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from gastritis_gan.api import *  # noqa: F403
    from gastritis_gan.api import __all__ as _names

__all__ = [  # noqa: F822  (loaded on demand)
    "ExperimentConfig",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("gastritis_gan.api"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
