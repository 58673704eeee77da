"""Writes pggan_golden.npz: `python -m tests.reference.make_golden REFERENCE.npz`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from tests.helpers.pggan_case import GOLDEN_FILE, read_reference

_WHOLE = (
    "r8_c1/discriminator/",
    "r8_c1/images",
    "r8_c1/8_0.5/scores",
    "r8_c1/8_0.5/input_gradients",
    "r8_c1_nofuse/generator/",
    "r8_c1_nofuse/discriminator/",
    "r8_c1_nofuse/latents",
    "r8_c1_nofuse/images",
    "r8_c1_nofuse/4_1/",
    "r8_c1_nofuse/8_0.5/images",
    "r8_c1_nofuse/8_0.5/scores",
    "r8_c1_nofuse/8_0.5/input_gradients",
    "r8_c1_nofuse/8_1/",
    "ops/",
    "logistic/",
)
_LOSS = "r8_c1_nofuse/8_0.5/loss/"
_LAYERS_WITH_GRADIENTS = (
    "8x8_conv0", "4x4_dense1", "to_rgb_8x8", "to_rgb_4x4", "from_rgb_8x8",
    "from_rgb_4x4",
)  # fmt: skip
_LAYERS_AFTER_STEP = ("4x4_dense1", "to_rgb_8x8", "from_rgb_4x4")


def _is_small_part(key: str) -> bool:
    if not key.startswith(_LOSS):
        return key.startswith(_WHOLE)
    kind, *layer_and_weight = key.removeprefix(_LOSS).split("/")
    if not layer_and_weight:
        return True
    is_gradient = kind.endswith("gradients")
    layers = _LAYERS_WITH_GRADIENTS if is_gradient else _LAYERS_AFTER_STEP
    return layer_and_weight[0] in layers


if __name__ == "__main__":
    arrays = read_reference(Path(sys.argv[1]))
    small = {key: array for key, array in arrays.items() if _is_small_part(key)}
    np.savez_compressed(GOLDEN_FILE, **small)
