"""TensorFlow as this library wants it: fast kernels, and no lines of its own.

Every sub-package that imports TensorFlow calls `set_up_tensorflow` before, in its
`__init__`, so that a notebook and the command line compute the same bits.
"""

from __future__ import annotations

import importlib.machinery
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

_NAME = "tensorflow"
_ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


def set_up_tensorflow() -> None:
    """Decides how TensorFlow will behave; a TensorFlow that is imported stays as it is.

    Variables of the environment that the user has set keep their values.
    """
    if _NAME in sys.modules or is_set_up():
        return
    # Its lines would bury the progress bar; its failures are exceptions.
    os.environ.setdefault(_LOG_LEVEL, "3")
    # It leaves the faster kernels off on many CPUs (docs/performance.md).
    os.environ.setdefault(_ONEDNN, "1")
    sys.meta_path.insert(0, _QuietFinder)


def is_set_up() -> bool:
    """Whether `set_up_tensorflow` came before the import of TensorFlow."""
    return _QuietFinder in sys.meta_path


def tensorflow_settings() -> dict[str, Any]:
    """Returns what decides on TensorFlow's arithmetic in this process.

    Returns:
        `tensorflow`, its version, and `onednn`, whether these kernels are on.
    """
    import tensorflow as tf
    from tensorflow.python.util import _pywrap_util_port

    return {
        "tensorflow": tf.__version__,
        "onednn": bool(_pywrap_util_port.IsMklEnabled()),
    }


class _QuietFinder:
    """Finds TensorFlow alone, for a loader that puts its standard error aside.

    TensorFlow announces oneDNN there before it knows its log level.
    """

    @staticmethod
    def find_spec(
        fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != _NAME:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.origin is not None:
            spec.loader = _QuietLoader(fullname, spec.origin)
        return spec


class _QuietLoader(importlib.machinery.SourceFileLoader):
    """Shows what went to standard error only if the import fails."""

    def exec_module(self, module: ModuleType) -> None:
        import tempfile

        sys.stderr.flush()
        with tempfile.TemporaryFile() as aside:
            standard_error = os.dup(2)
            os.dup2(aside.fileno(), 2)
            try:
                super().exec_module(module)
            except BaseException:
                aside.seek(0)
                os.write(standard_error, aside.read())
                raise
            finally:
                os.dup2(standard_error, 2)
                os.close(standard_error)
