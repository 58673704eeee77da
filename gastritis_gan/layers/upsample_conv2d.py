"""Upsampling and convolution in one operation."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from gastritis_gan.layers.equalized_conv2d import EqualizedConv2D
from gastritis_gan.layers.resampling import check_kernel_size

_PIXELS_PER_MEAN = 4


@keras.saving.register_keras_serializable(package="gastritis_gan")
class UpsampleConv2D(EqualizedConv2D):
    """Repeats every pixel 2 x 2 times, then applies an `EqualizedConv2D`, at once.

    The transpose of what `DownsampleConv2D` does: a transposed convolution of stride 2,
    then sums over 2 x 2 neighbours, with a quarter of the multiplications. Arguments
    and weights are those of `EqualizedConv2D`; `kernel_size` must be 3.

    Input shape: `(batch, height, width, channels)`.
    Output shape: `(batch, 2 * height, 2 * width, filters)`.
    """

    def __init__(self, filters: int, kernel_size: int, **kwargs: Any) -> None:
        super().__init__(filters, kernel_size, **kwargs)
        check_kernel_size(kernel_size)

    def _outputs(self, functions: Any, inputs: Any, kernel: Any, bias: Any) -> Any:
        # A transposed convolution mirrors its kernel and wants [h, w, out, in].
        mirrored = _PIXELS_PER_MEAN * ops.transpose(kernel[::-1, ::-1], (0, 1, 3, 2))
        outputs = functions.convolve_halving_transposed(inputs, mirrored)
        return functions.add_bias(outputs, bias, rectified=self._is_rectified)
