"""What the networks compute in where an experiment leaves it to the machine."""

from __future__ import annotations

from pathlib import Path

from gastritis_gan.training.training_settings import Precision

_PROCESSOR = Path("/proc/cpuinfo")
_MATRIX_UNITS = "amx_bf16"  # Intel's, since Sapphire Rapids (2023)


def fastest_precision() -> Precision:
    """Returns bfloat16 on a processor with matrix units for it, without a GPU.

    Elsewhere float32: other processors compute bfloat16 more slowly, and on a GPU
    nothing was measured.
    """
    try:
        flags = _PROCESSOR.read_text(encoding="utf-8").split()
    except (OSError, UnicodeError):  # not Linux, or hidden
        return "float32"
    if _MATRIX_UNITS not in flags:
        return "float32"
    import tensorflow as tf

    has_gpu = bool(tf.config.get_visible_devices("GPU"))
    return "float32" if has_gpu else "mixed_bfloat16"
