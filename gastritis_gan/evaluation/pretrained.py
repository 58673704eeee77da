"""Frozen ImageNet networks of keras.applications as feature extractors."""

from __future__ import annotations

import dataclasses
import hashlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from gastritis_gan.errors import InputError
from gastritis_gan.evaluation.weights import download, is_keras_file

_BATCH_SIZE = 4  # images; bounds the memory, not the result
_HASHED_ROWS = 1_024  # at once: 17 MB of VGG-16's largest array
_KNOWN_ARRAYS = {  # SHA-256 of ImageNet weights in layer order, in whatever file
    "vgg16_block5": "d9a27cc1fc7f975ef8cff49180e794ccd7c4bc868ebb49740803b3bbaa8dbefd",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Architecture:
    build: Callable[..., Any]
    preprocess: Callable[[Any], Any]
    dim: int
    input_size: int  # pixels; the default of keras.applications
    min_input_size: int  # smaller patches get less than `input_size`, down to this
    layer: str | None = None  # None: a global average pool of the convolutions


# The paper's "flatten layer" of ResNet-50 is the global average pool: Keras' ResNet-50
# of 2019 pooled its last 7 x 7 maps with a 7 x 7 window and flattened the 1 x 1 result.
_ARCHITECTURES = {
    "vgg16_block5": _Architecture(
        build=keras.applications.VGG16,
        preprocess=keras.applications.vgg16.preprocess_input,
        dim=512,
        input_size=224,
        min_input_size=64,
    ),
    "vgg16_fc2": _Architecture(
        build=keras.applications.VGG16,
        preprocess=keras.applications.vgg16.preprocess_input,
        dim=4096,
        input_size=224,
        min_input_size=224,
        layer="fc2",
    ),
    "inception_v3_pool": _Architecture(
        build=keras.applications.InceptionV3,
        preprocess=keras.applications.inception_v3.preprocess_input,
        dim=2048,
        input_size=299,
        min_input_size=299,
    ),
    "resnet50_pool": _Architecture(
        build=keras.applications.ResNet50,
        preprocess=keras.applications.resnet50.preprocess_input,
        dim=2048,
        input_size=224,
        min_input_size=224,
    ),
}


class PretrainedNetwork:
    """A layer of a network trained on ImageNet.

    Grey patches are scaled from [-1, 1] to [0, 255], resized bilinearly (with
    antialiasing when that shrinks them), repeated to three channels and preprocessed as
    keras.applications does for the network.

    Args:
        name: `vgg16_fc2`, `inception_v3_pool`, `resnet50_pool` or `vgg16_block5`.
        resolution: Size of the patches in pixels.
        weights_file: ImageNet weights as `.h5` or `.weights.h5`; None lets Keras
            download them, which checks their hash.
        random_seed: Draws the weights at random instead, for tests, benchmarks and
            forecasts of time; no result has them.

    Raises:
        InputError: The weights cannot be had: no internet, no such file, a damaged
            file, or another network's.
    """

    def __init__(
        self,
        name: str,
        *,
        resolution: int,
        weights_file: Path | None = None,
        random_seed: int | None = None,
    ) -> None:
        architecture = _ARCHITECTURES[name]
        self.name = name
        self.dim = architecture.dim
        self.input_size = min(
            architecture.input_size, max(architecture.min_input_size, 2 * resolution)
        )
        self.weights_file = weights_file
        self.random_seed = random_seed
        self._preprocess = architecture.preprocess
        self._network = self._build(architecture)
        self._features = tf.function(
            self._compute,
            input_signature=[tf.TensorSpec((None, resolution, resolution, 1))],
        )

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns `(n, dim)` features of `(n, r, r, 1)` images in [-1, 1]."""
        features = [
            self._features(images[start : start + _BATCH_SIZE]).numpy()
            for start in range(0, len(images), _BATCH_SIZE)
        ]
        return np.concatenate(features or [np.empty((0, self.dim), np.float32)])

    def describe(self) -> dict[str, Any]:
        """Returns the network, its input size in pixels and its weights' hash."""
        digest = hashlib.sha256()
        for weight in self._network.weights:
            for start in range(0, weight.shape[0], _HASHED_ROWS):
                rows = weight.value[start : start + _HASHED_ROWS]
                digest.update(np.ascontiguousarray(rows).data)
        return {
            "name": self.name,
            "dim": self.dim,
            "input_size": self.input_size,
            "weights": self._origin(digest.hexdigest()),
            "weights_sha256": digest.hexdigest(),  # of the arrays, however they came
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
        }

    def _origin(self, arrays_sha256: str) -> str:
        if self.random_seed is not None:
            return "random"
        if (
            self.weights_file is None  # Keras has checked its download
            or arrays_sha256 == _KNOWN_ARRAYS.get(self.name)
            or is_keras_file(self.name, self.weights_file)
        ):
            return "ImageNet"
        return "not verified"

    def _compute(self, images: tf.Tensor) -> tf.Tensor:
        grey = (images + 1) * 127.5
        grey = tf.image.resize(grey, (self.input_size, self.input_size), antialias=True)
        rgb = tf.repeat(grey, 3, axis=-1)  # [N, input_size, input_size, 3]
        return self._network(self._preprocess(rgb), training=False)

    def _build(self, architecture: _Architecture) -> Any:
        path = self.weights_file
        if self.random_seed is not None:
            keras.utils.set_random_seed(self.random_seed)
        elif path is None:
            path = download(self.name)
        network = architecture.build(
            weights=None,
            include_top=architecture.layer is not None,
            pooling="avg" if architecture.layer is None else None,
            input_shape=(self.input_size, self.input_size, 3),
        )
        if path is not None:
            self._load(network, path)
        if architecture.layer is not None:
            output = network.get_layer(architecture.layer).output
            network = keras.Model(network.input, output)
        return network

    def _load(self, network: Any, path: Path) -> None:
        if not path.is_file():
            raise InputError(
                f"{path} does not exist; --weights {self.name}=FILE must name ImageNet "
                f"weights of {self.name}."
            )
        try:
            with warnings.catch_warnings():
                # Keras only warns of layers that the file lacks and leaves at random.
                warnings.simplefilter("error", UserWarning)
                network.load_weights(str(path))
        except (OSError, ValueError, KeyError, UserWarning) as error:
            raise InputError(
                f"{path}: these are not the weights of {self.name}, or the file is "
                f"damaged ({_first_line(error)}); give another with "
                f"--weights {self.name}=FILE."
            ) from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(" .")
