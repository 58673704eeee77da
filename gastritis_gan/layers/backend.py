"""Who computes a layer: plain operations, or those for training on a CPU."""

from __future__ import annotations

from typing import Any, Protocol

import keras

from gastritis_gan.layers import convolution
from gastritis_gan.layers.convolution import Activation


class Backend(Protocol):
    """What `layers.convolution` and `layers.cpu.convolution` have in common."""

    def conv2d(
        self, images: Any, kernel: Any, bias: Any, *, activation: Activation
    ) -> Any:
        """See `layers.convolution.conv2d`."""

    def downsample_conv2d(
        self, images: Any, kernel: Any, bias: Any, *, activation: Activation
    ) -> Any:
        """See `layers.convolution.downsample_conv2d`."""

    def upsample_conv2d(
        self, images: Any, kernel: Any, bias: Any, *, activation: Activation
    ) -> Any:
        """See `layers.convolution.upsample_conv2d`."""

    def bias_act(self, images: Any, bias: Any, *, activation: Activation) -> Any:
        """See `layers.convolution.bias_act`."""


def choose_backend(dtype: str, *, training: bool) -> Backend:
    """Returns the functions that compute a layer; the results are the same.

    Args:
        dtype: The layer's compute dtype.
        training: Whether gradients will be asked for.
    """
    if not training or not trains_on_cpu(dtype):
        return convolution
    from gastritis_gan.layers.cpu import cpu_convolution

    return cpu_convolution


def trains_on_cpu(dtype: str) -> bool:
    """Returns whether training computes by `layers.cpu`: in float32, without a GPU."""
    if dtype != "float32" or keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf  # Keras may have another backend, and no TensorFlow

    return not tf.config.get_visible_devices("GPU")
