"""3 x 3 convolutions with a quarter of the multiplications, for training on a CPU.

Winograd's minimal filtering F(4 x 4, 3 x 3): every 4 x 4 outputs come from a tile of
6 x 6 inputs by 36 products a pair of channels, where the plain sum needs 144. Tiles,
kernel and products are small linear transforms of inputs, kernel and outputs; between
them lies one batch of 36 matrix products. Every transform has its transpose as
gradient, so gradients of any order, those of the kernel included, are such products
again.

XLA compiles each transform to one pass over memory, in which bias and leaky ReLU cost
nothing; the products are oneDNN's. The transforms are those of the points 0, 1, -1,
1/2, -2 and infinity: their rounding errors, some five times those of the plain sum, are
half of those with 2 instead of 1/2.

References: [Lavin and Gray, 2016](https://arxiv.org/abs/1509.09308);
[Barabasz et al., 2020](https://arxiv.org/abs/1803.10986) on the points.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from gastritis_gan.layers.convolution import LEAKY_RELU_SLOPE

_Function = Callable[..., Any]
_Matrix = Sequence[Sequence[float]]
_Shape = tuple[Any, ...]  # of images; the batch may be None

_OUTPUTS, _TILE = 4, 6  # rows and columns
# The transforms of a row; a tile is transformed along its rows and its columns.
_OF_INPUTS: _Matrix = (
    (1, -1.5, -2, 1.5, 1, 0),
    (0, -1, 0.5, 2.5, 1, 0),
    (0, 1, -2.5, 0.5, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 0.5, -1, -0.5, 1, 0),
    (0, 1, -1.5, -2, 1.5, 1),
)
_OF_KERNEL: _Matrix = (
    (1, 0, 0),
    (1 / 3, 1 / 3, 1 / 3),
    (-1 / 3, 1 / 3, -1 / 3),
    (-16 / 15, -8 / 15, -4 / 15),
    (1 / 15, -2 / 15, 4 / 15),
    (0, 0, 1),
)
_TO_OUTPUTS: _Matrix = (
    (1, 1, 1, 1, 1, 0),
    (0, 1, -1, 0.5, -2, 0),
    (0, 1, 1, 0.25, 4, 0),
    (0, 1, -1, 0.125, -8, 1),
)
# The column of `_TO_OUTPUTS` of ones, along rows and columns: its transpose is the sum
# of a tile's outputs.
_SUM = 1 * _TILE + 1

# With fewer channels the transforms cost more than they save, or their compilation more
# than a short stage.
_FEWEST_CHANNELS = 64


def is_faster(image_shape: tf.TensorShape, kernel_shape: tf.TensorShape) -> bool:
    """Returns whether this module convolves such images with such a kernel faster."""
    return (
        tuple(kernel_shape[:2]) == (3, 3)
        and min(kernel_shape[2:]) >= _FEWEST_CHANNELS
        and all(size is not None and size % _OUTPUTS == 0 for size in image_shape[1:3])
    )


def convolve(images: Any, kernel: Any, bias: Any, *, rectified: bool) -> tf.Tensor:
    """Convolves, pads with zeros, adds the bias and applies the leaky ReLU if asked.

    Args:
        images: float32 `(batch, height, width, inputs)`; height and width are known and
            multiples of 4.
        kernel: float32 `(3, 3, inputs, outputs)`.
        bias: float32 `(outputs,)`.
        rectified: Whether to apply the leaky ReLU.
    """
    products = tf.matmul(_tiles(images, tuple(images.shape)), _transform_kernel(kernel))
    shape = (*images.shape[:3], kernel.shape[-1])
    return _outputs(products, bias, shape, rectified=rectified)


def _transform_kernel(kernel: tf.Tensor) -> tf.Tensor:
    """Returns `(36, inputs, outputs)`."""
    matrix = np.kron(_OF_KERNEL, _OF_KERNEL).astype(np.float32)  # [36, 9]
    flat = tf.reshape(kernel, (matrix.shape[1], -1))
    return tf.reshape(tf.matmul(matrix, flat), (-1, *kernel.shape[2:]))


def _tiles(images: tf.Tensor, shape: _Shape) -> tf.Tensor:
    """Returns the transformed tiles `(36, batch * tiles, channels)` of images."""

    @tf.custom_gradient
    def function(images: tf.Tensor) -> tuple[tf.Tensor, _Function]:
        return _compute_tiles(images), functools.partial(_add_tiles, shape=shape)

    return function(tf.ensure_shape(images, shape))  # gradients forget theirs


def _add_tiles(tiles: tf.Tensor, shape: _Shape) -> tf.Tensor:
    """The transpose of `_tiles`."""

    @tf.custom_gradient
    def function(tiles: tf.Tensor) -> tuple[tf.Tensor, _Function]:
        return _compute_added_tiles(tiles, shape), functools.partial(
            _tiles, shape=shape
        )

    return function(tiles)


def _outputs(
    products: tf.Tensor, bias: tf.Tensor, shape: _Shape, *, rectified: bool
) -> tf.Tensor:
    """Returns the outputs of their transformed products."""

    @tf.custom_gradient
    def function(products: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, _Function]:
        outputs = _compute_outputs(products, bias, shape, rectified=rectified)

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            signs = outputs if rectified else None
            found = _outputs_gradient(upstream, signs, shape)
            return found, tf.reduce_sum(found[_SUM], axis=0)

        return outputs, gradient

    return function(products, bias)


def _outputs_gradient(
    upstream: tf.Tensor, signs: tf.Tensor | None, shape: _Shape
) -> tf.Tensor:
    """The transpose of `_outputs`, without the bias.

    Args:
        upstream: Of the outputs.
        signs: The outputs of the leaky ReLU, if there is one; they tell its slopes and
            count as constant, for it is not curved.
        shape: Of the outputs.
    """

    @tf.custom_gradient
    def function(upstream: tf.Tensor) -> tuple[tf.Tensor, _Function]:
        return _compute_outputs_gradient(upstream, signs), functools.partial(
            _outputs_again, signs=signs, shape=shape
        )

    return function(tf.ensure_shape(upstream, shape))


def _outputs_again(
    products: tf.Tensor, signs: tf.Tensor | None, shape: _Shape
) -> tf.Tensor:
    """The transpose of `_outputs_gradient`."""

    @tf.custom_gradient
    def function(products: tf.Tensor) -> tuple[tf.Tensor, _Function]:
        return _compute_outputs_again(products, signs, shape), functools.partial(
            _outputs_gradient, signs=signs, shape=shape
        )

    return function(products)


def _compiled(function: _Function) -> _Function:
    """Compiles a function of tensors by XLA; its gradient is written elsewhere.

    A tape that saw its inputs would have it compiled again, with every intermediate
    result kept.
    """
    compiled = tf.function(function, jit_compile=True, autograph=False)

    @functools.wraps(function)
    def call(*inputs: Any, **options: Any) -> tf.Tensor:
        hidden = (tf.stop_gradient(x) if tf.is_tensor(x) else x for x in inputs)
        return compiled(*hidden, **options)

    return call


@_compiled
def _compute_tiles(images: tf.Tensor) -> tf.Tensor:
    # A tile begins one pixel before its block and ends one after it: with one row of
    # zeros before all, it is a block and the first two rows of the next one.
    padded = tf.pad(images, ((0, 0), (1, 3), (1, 3), (0, 0)))
    next_block = _TILE - _OUTPUTS
    by_row = tf.unstack(_split_blocks(padded))  # 4 of [4, N, h + 1, w + 1, C]
    rows = [row[:, :, :-1] for row in by_row]
    rows += [row[:, :, 1:] for row in by_row[:next_block]]
    transformed = tf.stack(_combine(_OF_INPUTS, rows))  # [6, 4, N, h, w + 1, C]
    by_column = tf.unstack(transformed, axis=1)
    columns = [column[:, :, :, :-1] for column in by_column]
    columns += [column[:, :, :, 1:] for column in by_column[:next_block]]
    return _join_tiles(tf.stack(_combine(_OF_INPUTS, columns), axis=1))


@_compiled
def _compute_added_tiles(tiles: tf.Tensor, shape: _Shape) -> tf.Tensor:
    by_column = tf.unstack(_split_tiles(tiles, shape), axis=1)
    columns = _add_overlaps(_combine(_transposed(_OF_INPUTS), by_column), axis=3)
    by_row = tf.unstack(tf.stack(columns, axis=1))  # 6 of [4, N, h, w, C]
    rows = _add_overlaps(_combine(_transposed(_OF_INPUTS), by_row), axis=2)
    return _join_blocks(tf.stack(rows))


@_compiled
def _compute_outputs(
    products: tf.Tensor, bias: tf.Tensor, shape: _Shape, *, rectified: bool
) -> tf.Tensor:
    outputs = _transform_products(products, shape) + bias
    return tf.nn.leaky_relu(outputs, LEAKY_RELU_SLOPE) if rectified else outputs


@_compiled
def _compute_outputs_again(
    products: tf.Tensor, signs: tf.Tensor | None, shape: _Shape
) -> tf.Tensor:
    return _times_slopes(_transform_products(products, shape), signs)


@_compiled
def _compute_outputs_gradient(
    upstream: tf.Tensor, signs: tf.Tensor | None
) -> tf.Tensor:
    by_row = tf.unstack(_split_blocks(_times_slopes(upstream, signs)))
    rows = tf.stack(_combine(_transposed(_TO_OUTPUTS), by_row))  # [6, 4, N, h, w, C]
    columns = _combine(_transposed(_TO_OUTPUTS), tf.unstack(rows, axis=1))
    return _join_tiles(tf.stack(columns, axis=1))


def _transform_products(products: tf.Tensor, shape: _Shape) -> tf.Tensor:
    by_row = tf.unstack(_split_tiles(products, shape))
    rows = tf.stack(_combine(_TO_OUTPUTS, by_row))  # [4, 6, N, h, w, C]
    columns = _combine(_TO_OUTPUTS, tf.unstack(rows, axis=1))
    return _join_blocks(tf.stack(columns, axis=1))


def _times_slopes(upstream: tf.Tensor, signs: tf.Tensor | None) -> tf.Tensor:
    if signs is None:
        return upstream
    return tf.where(signs > 0, upstream, LEAKY_RELU_SLOPE * upstream)


def _transposed(matrix: _Matrix) -> _Matrix:
    return list(zip(*matrix, strict=True))


def _combine(matrix: _Matrix, parts: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Returns the product of a matrix and a column of tensors; zeros cost nothing."""
    return [
        functools.reduce(
            operator.add,
            (number * part for number, part in zip(row, parts, strict=True) if number),
        )
        for row in matrix
    ]


def _add_overlaps(parts: Sequence[tf.Tensor], axis: int) -> list[tf.Tensor]:
    """Adds the first and the last row (column) of tiles to the blocks they lie in.

    Args:
        parts: Six, of the tiles.
        axis: Along which tiles follow each other.

    Returns:
        Four, of the blocks.
    """
    first, *own, last = parts
    own[0] += _of_neighbour(last, axis, previous=True)
    own[-1] += _of_neighbour(first, axis, previous=False)
    return own


def _of_neighbour(part: tf.Tensor, axis: int, *, previous: bool) -> tf.Tensor:
    """Gives every tile the neighbour's along an axis, or zeros where there is none."""
    kept, padding = [slice(None)] * part.shape.rank, [(0, 0)] * part.shape.rank
    kept[axis] = slice(None, -1) if previous else slice(1, None)
    padding[axis] = (1, 0) if previous else (0, 1)
    return tf.pad(part[tuple(kept)], padding)


def _split_blocks(images: tf.Tensor) -> tf.Tensor:
    """Returns `(4, 4, batch, blocks, blocks, channels)`: rows, columns, where from."""
    _, height, width, channels = images.shape
    blocks = tf.reshape(
        images,
        (-1, height // _OUTPUTS, _OUTPUTS, width // _OUTPUTS, _OUTPUTS, channels),
    )
    return tf.transpose(blocks, (2, 4, 0, 1, 3, 5))


def _join_blocks(blocks: tf.Tensor) -> tf.Tensor:
    height, width = (_OUTPUTS * count for count in blocks.shape[3:5])
    images = tf.transpose(blocks, (2, 3, 0, 4, 1, 5))
    return tf.reshape(images, (-1, height, width, blocks.shape[-1]))


def _split_tiles(tiles: tf.Tensor, shape: _Shape) -> tf.Tensor:
    """Returns `(6, 6, batch, blocks, blocks, channels)`."""
    _, height, width, _ = shape
    blocks = (height // _OUTPUTS, width // _OUTPUTS)
    return tf.reshape(tiles, (_TILE, _TILE, -1, *blocks, tiles.shape[-1]))


def _join_tiles(tiles: tf.Tensor) -> tf.Tensor:
    return tf.reshape(tiles, (_TILE**2, -1, tiles.shape[-1]))
