"""Loads a Keras weights file into a network, each array in memory once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

_ALIGNMENT = 64  # bytes; what TensorFlow itself allocates
_KERAS_3_NAMES = {  # in a `.weights.h5`; the second of a kind is `conv2d_1`
    keras.layers.BatchNormalization: "batch_normalization",
    keras.layers.Conv2D: "conv2d",
    keras.layers.Dense: "dense",
}


def load_weights(network: keras.Model, path: Path) -> None:
    """Loads the weights of a network of convolutions, dense layers and batch norms.

    Keras' own loader makes up to four copies of an array: with the 411 MB of VGG-16's
    first fully connected layer it needs more than 2 GB.

    Args:
        network: Its layers are, in order, the first ones of the file.
        path: `.h5` as keras.applications publishes it, or `.weights.h5`.

    Raises:
        OSError: The file is no HDF5 or is truncated.
        KeyError: An array is missing.
        ValueError: An array has another shape than the network's.
    """
    layers = [layer for layer in network.layers if layer.weights]
    with h5py.File(path) as file:
        stored = _keras_3_arrays(file, layers) if "layers" in file else _arrays(file)
        pairs: list[tuple[Any, h5py.Dataset]] = []
        for layer in layers:
            variables = [*layer.trainable_weights, *layer.non_trainable_weights]
            arrays = next(stored, [])
            expected, found = (
                [tuple(one.shape) for one in several] for several in (variables, arrays)
            )
            if expected != found:
                raise ValueError(
                    f"layer {layer.name} has weights of {expected}, the file {found}"
                )
            pairs += zip(variables, arrays, strict=True)
        for variable, array in pairs:
            memory = _aligned(tuple(array.shape), np.empty)
            array.read_direct(memory)
            variable.assign(_as_tensor(memory))


def blank(shape: tuple[int, ...], dtype: str = "float32") -> tf.Tensor:
    """Initializes a variable with zeros that take no memory until they are replaced."""
    return _as_tensor(_aligned(shape, np.zeros))


def _arrays(file: h5py.File) -> Iterator[list[h5py.Dataset]]:
    """Yields the arrays of each layer that has any, in the form before Keras 3."""
    group = file.get("model_weights", file)  # of a file with the architecture, too
    for layer in group.attrs["layer_names"]:
        names = group[layer].attrs["weight_names"]
        if len(names):
            yield [group[layer][name] for name in names]


def _keras_3_arrays(
    file: h5py.File, layers: list[keras.Layer]
) -> Iterator[list[h5py.Dataset]]:
    counts: dict[str, int] = {}
    for layer in layers:
        name = _KERAS_3_NAMES[type(layer)]
        number = counts.get(name, 0)
        counts[name] = number + 1
        group = file[
            f"layers/{name}_{number}/vars" if number else f"layers/{name}/vars"
        ]
        yield [group[str(index)] for index in range(len(group))]


def _aligned(shape: tuple[int, ...], make: Callable[..., Any]) -> NDArray[np.float32]:
    num_bytes = 4 * math.prod(shape)
    memory = make(num_bytes + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    array: NDArray[np.float32] = memory[start : start + num_bytes].view(np.float32)
    return array.reshape(shape)


def _as_tensor(array: NDArray[np.float32]) -> tf.Tensor:
    """Returns a tensor in the memory of the array, where TensorFlow would copy it."""
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
