"""TensorFlow and Keras as this library wants them, whatever their settings are.

TensorFlow gets fast kernels, and no lines of its own; Keras gets TensorFlow, float32
and channels last, though `~/.keras/keras.json` or the environment may say otherwise.

Every sub-package that imports TensorFlow calls `set_up_tensorflow` before, in its
`__init__`, so that a notebook and the command line compute the same bits.
"""

from __future__ import annotations

import contextlib
import importlib.machinery
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from gastritis_gan.errors import InputError

_NAME = "tensorflow"
_KERAS = "keras"
_BACKEND = "KERAS_BACKEND"
_LIMITS = ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH")  # would end a stage early
_EPSILON = 1e-7  # Keras' own
_ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


def set_up_tensorflow() -> None:
    """Decides how TensorFlow and Keras will behave when they are imported.

    A TensorFlow that is imported stays as it is. Variables of the environment that the
    user has set keep their values, but for those of Keras that would change what is
    computed.

    Raises:
        InputError: Keras is imported already, and cannot be used as it is.
    """
    if _KERAS in sys.modules:
        _refuse_other_keras()
    if is_set_up():
        return
    os.environ[_BACKEND] = "tensorflow"
    for name in _LIMITS:
        os.environ.pop(name, None)
    if _NAME in sys.modules:
        sys.meta_path.insert(0, _KerasFinder)
        return
    # Its lines would bury the progress bar; its failures are exceptions.
    os.environ.setdefault(_LOG_LEVEL, "3")
    # It leaves the faster kernels off on many CPUs (docs/performance.md).
    os.environ.setdefault(_ONEDNN, "1")
    sys.meta_path[:0] = [_QuietFinder, _KerasFinder]


def is_set_up() -> bool:
    """Whether `set_up_tensorflow` came before the import of TensorFlow."""
    return _QuietFinder in sys.meta_path


@contextlib.contextmanager
def path_without_patterns(folder: Path) -> Iterator[str]:
    """Yields a path of a folder that TensorFlow does not take for a pattern.

    It looks for a model's weights by pattern, so that it finds none below a folder with
    brackets in its name.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        same = f"/proc/self/fd/{descriptor}"
        is_pattern = any(letter in str(folder) for letter in "*?[]{}\\")
        yield same if is_pattern and Path(same).exists() else str(folder)
    finally:
        os.close(descriptor)


def _refuse_other_keras() -> None:
    config = getattr(sys.modules[_KERAS], "config", None)
    if config is None:  # it is being imported just now
        return
    for setting, wanted in (
        ("backend", "tensorflow"),
        ("floatx", "float32"),
        ("image_data_format", "channels_last"),
    ):
        found = getattr(config, setting)()
        if found != wanted:
            raise InputError(
                f"Keras is imported already, with the {setting} {found}, and "
                f"gastritis_gan needs {wanted}; import gastritis_gan before keras, or "
                "set it."
            )


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
        return _spec(_QuietLoader, fullname, path, target)


class _KerasFinder:
    """Finds Keras alone, for a loader that takes its settings back."""

    @staticmethod
    def find_spec(
        fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != _KERAS:
            return None
        return _spec(_KerasLoader, fullname, path, target)


def _spec(
    loader: type[importlib.machinery.SourceFileLoader],
    name: str,
    path: Sequence[str] | None,
    target: ModuleType | None,
) -> importlib.machinery.ModuleSpec | None:
    spec = importlib.machinery.PathFinder.find_spec(name, path, target)
    if spec is not None and spec.origin is not None:
        spec.loader = loader(name, spec.origin)
    return spec


class _KerasLoader(importlib.machinery.SourceFileLoader):
    """Sets what a `keras.json` meant for other programs may have changed."""

    def exec_module(self, module: ModuleType) -> None:
        try:
            super().exec_module(module)
        except (AttributeError, OSError, TypeError, ValueError) as error:
            raise InputError(
                f"Keras cannot be imported with the settings in its keras.json "
                f"({error}). Remove that file, or set KERAS_HOME to another folder."
            ) from error
        module.config.set_floatx("float32")
        module.config.set_epsilon(_EPSILON)
        module.config.set_image_data_format("channels_last")


class _QuietLoader(importlib.machinery.SourceFileLoader):
    """Shows what went to standard error only if the import fails."""

    def exec_module(self, module: ModuleType) -> None:
        import tempfile

        sys.stderr.flush()
        try:
            aside = tempfile.TemporaryFile()  # noqa: SIM115 - `with` stands below
        except OSError:  # nowhere to put it: a machine without a writable folder
            super().exec_module(module)
            return
        with aside:
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
