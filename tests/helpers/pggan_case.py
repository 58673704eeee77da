"""Numbers of the original PGGAN implementation, in this project's names and layouts.

`read_reference` reads the large file beside the repository, `read_golden` the small one
in `tests/reference`. Both give a mapping with these keys; images are
`(n, height, width, channels)`:

    CASE/generator/LAYER/kernel ...        weights, by our names
    CASE/discriminator/LAYER/kernel ...
    CASE/latents, CASE/images              inputs; the images have the final resolution
    CASE/STAGE/images                      output of the generator, in pixels of STAGE
    CASE/STAGE/scores, CASE/STAGE/input_gradients
    CASE/STAGE/loss/...                    one WGAN-GP step
    ops/NAME/...                           single operations

CASE is `r<final resolution>_c<channels>`, with `_nofuse` for the paper's order of leaky
ReLU and downscaling. STAGE is `<resolution>_<alpha>`; alpha 1 is the stable network.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np

GOLDEN_FILE = Path(__file__).parents[1] / "reference/pggan_golden.npz"
CASES = (
    "r4_c1", "r8_c1", "r16_c1", "r32_c1", "r8_c3",
    "r8_c1_nofuse", "r16_c1_nofuse", "r32_c1_nofuse",
)  # fmt: skip
LATENT_DIM, FMAP_BASE, FMAP_MAX = 24, 128, 16
_LOSS_ARRAYS = (
    "real_scores", "fake_scores", "mixed_scores", "mixed_norms", "D_loss_mean",
    "G_loss_mean",
)  # fmt: skip
_LOSS_WEIGHTS = {
    "D_grad": "discriminator_gradients",
    "G_grad": "generator_gradients",
    "Gs/start": "ema_before",
    "D_after": "discriminator_after",
    "G_after": "generator_after",
    "Gs_after": "ema_after",
}


@dataclasses.dataclass(frozen=True)
class Stage:
    """One resolution and fade of one case."""

    case: str
    resolution: int
    alpha: float

    def __str__(self) -> str:
        return self.key

    @property
    def key(self) -> str:
        return f"{self.case}/{self.resolution}_{self.alpha:g}"

    @property
    def final_resolution(self) -> int:
        return int(re.match(r"r(\d+)", self.case)[1])

    @property
    def arguments(self) -> dict:
        """Arguments that both networks take."""
        return {
            "resolution": self.resolution,
            "fmap_base": FMAP_BASE,
            "fmap_max": FMAP_MAX,
            "num_channels": int(re.search(r"_c(\d)", self.case)[1]),
            "transition": self.alpha < 1,
        }

    @property
    def fused_scale(self) -> bool:
        """Whether the discriminator averages before it activates."""
        return not self.case.endswith("nofuse")

    @property
    def alpha_or_none(self) -> float | None:
        return self.alpha if self.alpha < 1 else None


def stages_of(case: str) -> list[Stage]:
    """Returns stages of a case; the reference has alpha of 0.5 and 0.75 as well."""
    final_resolution = Stage(case, 0, 1).final_resolution
    stages = [Stage(case, 4, 1)]
    resolution = 8
    while resolution <= final_resolution:
        stages += [Stage(case, resolution, alpha) for alpha in (0.25, 1)]
        resolution *= 2
    return stages


def subtree(arrays: dict, prefix: str) -> dict:
    """Returns the arrays under `prefix/`, without the prefix."""
    prefix += "/"
    return {
        k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)
    }


def read_golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN_FILE, allow_pickle=False) as archive:
        return dict(archive)


def read_reference(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as archive:
        raw = dict(archive)
    converted = {}
    for key, array in raw.items():
        head, _, name = key.partition("/")
        if head == "ops":
            converted[key] = _nhwc(array) if array.ndim == 4 else array
        elif head == "logistic":
            converted[key] = array
        elif head.startswith("r"):
            resolution = int(re.match(r"r(\d+)", head)[1])
            for our_name, our_array in _convert(name, array, resolution):
                converted[f"{head}/{our_name}"] = our_array
    for name in ("conv3x3", "conv1x1_gain1", "conv_downscale"):
        converted[f"ops/{name}/w"] = raw[f"ops/{name}/w"]
    converted["ops/upscale_conv/w"] = _flipped_kernel(raw["ops/upscale_conv/w"])
    return converted


def _convert(name: str, array: np.ndarray, resolution: int):
    """Yields our names and arrays of one array of a case of this final resolution."""
    simple = {"in/z": "latents", "in/images": "images"}
    if name in simple:
        yield simple[name], _nhwc(array) if array.ndim == 4 else array
    elif match := re.fullmatch(r"([GD])/w/(.+)", name):
        network = {"G": "generator", "D": "discriminator"}[match[1]]
        weight, our_array = _convert_weight(match[2], array, resolution)
        yield f"{network}/{weight}", our_array
    elif match := re.fullmatch(r"([GD])/(out|gradx)/lod(.+)", name):
        stage_resolution, alpha = _stage(float(match[3]), resolution)
        stride = resolution // stage_resolution
        stage = f"{stage_resolution}_{alpha:g}"
        if match[1] + match[2] == "Gout":  # repeated up to the final resolution
            yield f"{stage}/images", _nhwc(array)[:, ::stride, ::stride]
        elif match[2] == "out":
            yield f"{stage}/scores", array
        else:
            yield f"{stage}/input_gradients", _nhwc(array)
    elif match := re.fullmatch(r"loss/lod([^/]+)/(.+)", name):
        stage_resolution, alpha = _stage(float(match[1]), resolution)
        for our_name, our_array in _convert_loss(match[2], array, resolution):
            yield f"{stage_resolution}_{alpha:g}/loss/{our_name}", our_array


def _convert_loss(name: str, array: np.ndarray, resolution: int):
    if name in _LOSS_ARRAYS:
        yield name, array
    elif name == "z":
        yield "latents", array
    elif name in ("reals", "mix"):
        yield name, _nhwc(array)
    for prefix, our_prefix in _LOSS_WEIGHTS.items():
        if name.startswith(f"{prefix}/"):
            their_name = name.removeprefix(f"{prefix}/")
            weight, our_array = _convert_weight(their_name, array, resolution)
            yield f"{our_prefix}/{weight}", our_array


def _stage(lod: float, final_resolution: int) -> tuple[int, float]:
    """Returns resolution and alpha of the reference's level of detail."""
    return final_resolution >> int(lod), 1 - lod % 1


def _convert_weight(name: str, array: np.ndarray, resolution: int):
    *parts, layer, kind = name.split("/")
    kind = {"weight": "kernel", "bias": "bias"}[kind]
    if match := re.fullmatch(r"(To|From)RGB_lod(\d+)", layer):
        size = resolution >> int(match[2])
        return f"{match[1].lower()}_rgb_{size}x{size}/{kind}", array
    if kind == "kernel":
        if layer == "Conv0_up":
            array = _flipped_kernel(array)
        elif layer == "Dense":  # output c * 16 + y * 4 + x -> (y * 4 + x) * C + c
            array = array.reshape(len(array), -1, 4, 4).transpose(0, 2, 3, 1)
            array = array.reshape(len(array), -1)
        elif layer == "Dense0":  # the same order of the inputs
            units = array.shape[1]
            array = array.reshape(-1, 4, 4, units).transpose(1, 2, 0, 3)
            array = array.reshape(-1, units)
    layer = layer.removesuffix("_up").removesuffix("_down").lower()
    return f"{parts[0]}_{layer}/{kind}", array


def _flipped_kernel(array: np.ndarray) -> np.ndarray:
    """[kh, kw, out, in], mirrored -> [kh, kw, in, out]."""
    return array[::-1, ::-1].transpose(0, 1, 3, 2)


def _nhwc(array: np.ndarray) -> np.ndarray:
    return array.transpose(0, 2, 3, 1)
