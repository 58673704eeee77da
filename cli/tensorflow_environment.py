"""TensorFlow as the commands want it: fast kernels, and no lines of its own."""

from __future__ import annotations

import importlib.machinery
import os
import sys
from collections.abc import Sequence
from types import ModuleType

_NAME = "tensorflow"


def set_up_tensorflow() -> None:
    """Decides how TensorFlow will behave when a command imports it."""
    # Its lines would bury the progress bar; its failures are exceptions.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # It leaves the faster kernels off on many CPUs (docs/performance.md).
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    if _NAME not in sys.modules and _QuietFinder not in sys.meta_path:
        sys.meta_path.insert(0, _QuietFinder)


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
