"""Wide 3 x 3 convolutions with a fraction of the multiplications, to train on a CPU.

Winograd's minimal filtering: every 4 x 4 inputs, with those around, are a tile that
gives its outputs by a few products a pair of channels. For 4 x 4 outputs they are 36,
where the plain sum needs 144; for 2 x 2 means of four outputs 25, where the sum at
means of inputs needs 36. Tiles, kernel and products are small linear transforms of
inputs, kernel and outputs; between them lies one batch of matrix products. Every
transform has its transpose as gradient, so gradients of any order, those of the kernel
included, are such products again.

XLA compiles each transform to one pass over memory, in which bias and leaky ReLU cost
nothing; the products are oneDNN's. The rounding errors are some five times those of the
plain sum.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from gastritis_gan.layers.convolution import LEAKY_RELU_SLOPE, Activation
from gastritis_gan.layers.cpu.filtering import HALVING, SAME, Filtering, Matrix

_Function = Callable[..., Any]
_Shape = tuple[Any, ...]  # of images; the batch may be None

# With fewer channels the transforms cost more than they save, or their compilation more
# than a short stage.
FEWEST_CHANNELS = 64


def is_faster(image_shape: tf.TensorShape, kernel_shape: tf.TensorShape) -> bool:
    """Returns whether this module convolves such images with such a kernel faster.

    Where a convolution halves, the images are the larger ones, before or after it.
    """
    return (
        tuple(kernel_shape[:2]) == (3, 3)
        and min(kernel_shape[2:]) >= FEWEST_CHANNELS
        and all(
            size is not None and size % SAME.block == 0 for size in image_shape[1:3]
        )
    )


def conv2d(images: Any, kernel: Any, bias: Any, *, activation: Activation) -> tf.Tensor:
    """Convolves, pads with zeros, adds the bias and activates.

    Args:
        images: float32 `(batch, height, width, inputs)`; height and width are known and
            multiples of 4.
        kernel: float32 `(3, 3, inputs, outputs)`.
        bias: float32 `(outputs,)`.
        activation: `"leaky_relu"` or None.
    """
    return _convolve(images, kernel, bias, SAME, activation=activation)


def downsample_conv2d(
    images: Any, kernel: Any, bias: Any, *, activation: Activation
) -> tf.Tensor:
    """Convolves, takes means of 2 x 2 pixels, then does as `conv2d`.

    Args:
        images: float32 `(batch, height, width, inputs)`; height and width are known and
            multiples of 4.
        kernel: As of `conv2d`.
        bias: As of `conv2d`.
        activation: As of `conv2d`.

    Returns:
        `(batch, height / 2, width / 2, outputs)`.
    """
    return _convolve(images, kernel, bias, HALVING, activation=activation)


def transposed_downsample_conv2d(images: Any, kernel: Any) -> tf.Tensor:
    """The transpose of `downsample_conv2d`, without a bias.

    Args:
        images: float32 `(batch, height, width, outputs)`.
        kernel: float32 `(3, 3, inputs, outputs)`.

    Returns:
        `(batch, 2 * height, 2 * width, inputs)`.
    """
    batch, height, width, _ = images.shape
    shape = (batch, 2 * height, 2 * width, kernel.shape[2])
    spread = _outputs_gradient(images, None, tuple(images.shape), HALVING)
    products = tf.matmul(spread, _transform_kernel(kernel, HALVING), transpose_b=True)
    return _add_tiles(products, shape, HALVING)


def _convolve(
    images: Any, kernel: Any, bias: Any, filtering: Filtering, *, activation: Activation
) -> tf.Tensor:
    tiles = _tiles(images, tuple(images.shape), filtering)
    products = tf.matmul(tiles, _transform_kernel(kernel, filtering))
    batch, *sizes, _ = images.shape
    sizes = [size // filtering.block * filtering.num_outputs for size in sizes]
    shape = (batch, *sizes, kernel.shape[-1])
    return _outputs(products, bias, shape, filtering, activation=activation)


def _transform_kernel(kernel: tf.Tensor, filtering: Filtering) -> tf.Tensor:
    """Returns `(products, inputs, outputs)`."""
    matrix = np.kron(filtering.of_kernel, filtering.of_kernel)
    matrix = matrix.astype(np.float32)
    flat = tf.reshape(kernel, (matrix.shape[1], -1))
    return tf.reshape(tf.matmul(matrix, flat), (-1, *kernel.shape[2:]))


def _tiles(images: tf.Tensor, shape: _Shape, filtering: Filtering) -> tf.Tensor:
    """Returns the transformed tiles `(products, batch * tiles, channels)` of images."""

    @tf.custom_gradient
    def function(images: tf.Tensor) -> tuple[tf.Tensor, _Function]:
        return _compute_tiles(images, filtering), functools.partial(
            _add_tiles, shape=shape, filtering=filtering
        )

    return function(tf.ensure_shape(images, shape))  # gradients forget theirs


def _add_tiles(tiles: tf.Tensor, shape: _Shape, filtering: Filtering) -> tf.Tensor:
    """The transpose of `_tiles`."""

    @tf.custom_gradient
    def function(tiles: tf.Tensor) -> tuple[tf.Tensor, _Function]:
        return _compute_added_tiles(tiles, shape, filtering), functools.partial(
            _tiles, shape=shape, filtering=filtering
        )

    return function(tiles)


def _outputs(
    products: tf.Tensor,
    bias: tf.Tensor,
    shape: _Shape,
    filtering: Filtering,
    *,
    activation: Activation,
) -> tf.Tensor:
    """Returns the outputs of their transformed products."""

    @tf.custom_gradient
    def function(products: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, _Function]:
        outputs = _compute_outputs(
            products, bias, shape, filtering, activation=activation
        )

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            signs = outputs if activation else None
            found = _outputs_gradient(upstream, signs, shape, filtering)
            # A column of ones along rows and columns: its transpose sums up a tile.
            return found, tf.reduce_sum(found[filtering.num_products + 1], axis=0)

        return outputs, gradient

    return function(products, bias)


def _outputs_gradient(
    upstream: tf.Tensor, signs: tf.Tensor | None, shape: _Shape, filtering: Filtering
) -> tf.Tensor:
    """The transpose of `_outputs`, without the bias.

    Args:
        upstream: Of the outputs.
        signs: The outputs of the leaky ReLU, if there is one; they decide its slopes
            and count as constant, for it is not curved.
        shape: Of the outputs.
        filtering: How they were computed.
    """

    @tf.custom_gradient
    def function(upstream: tf.Tensor) -> tuple[tf.Tensor, _Function]:
        return _compute_outputs_gradient(upstream, signs, filtering), functools.partial(
            _outputs_again, signs=signs, shape=shape, filtering=filtering
        )

    return function(tf.ensure_shape(upstream, shape))


def _outputs_again(
    products: tf.Tensor, signs: tf.Tensor | None, shape: _Shape, filtering: Filtering
) -> tf.Tensor:
    """The transpose of `_outputs_gradient`."""

    @tf.custom_gradient
    def function(products: tf.Tensor) -> tuple[tf.Tensor, _Function]:
        return _compute_outputs_again(
            products, signs, shape, filtering
        ), functools.partial(
            _outputs_gradient, signs=signs, shape=shape, filtering=filtering
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
def _compute_tiles(images: tf.Tensor, filtering: Filtering) -> tf.Tensor:
    matrix = filtering.of_inputs
    by_row = tf.unstack(_split_blocks(images, filtering.block))  # of [b, N, h, w, C]
    rows = _combine(matrix, _with_neighbours(by_row, axis=2))
    by_column = tf.unstack(tf.stack(rows), axis=1)  # of [p, N, h, w, C]
    columns = _combine(matrix, _with_neighbours(by_column, axis=3))
    return _join_tiles(tf.stack(columns, axis=1))


@_compiled
def _compute_added_tiles(
    tiles: tf.Tensor, shape: _Shape, filtering: Filtering
) -> tf.Tensor:
    matrix = _transposed(filtering.of_inputs)
    blocks = [size // filtering.block for size in shape[1:3]]
    by_column = tf.unstack(_split_tiles(tiles, blocks, filtering), axis=1)
    columns = _add_overlaps(_combine(matrix, by_column), axis=3)
    by_row = tf.unstack(tf.stack(columns, axis=1))  # of [b, N, h, w, C]
    rows = _add_overlaps(_combine(matrix, by_row), axis=2)
    return _join_blocks(tf.stack(rows))


@_compiled
def _compute_outputs(
    products: tf.Tensor,
    bias: tf.Tensor,
    shape: _Shape,
    filtering: Filtering,
    *,
    activation: Activation,
) -> tf.Tensor:
    outputs = _transform_products(products, shape, filtering) + bias
    return tf.nn.leaky_relu(outputs, LEAKY_RELU_SLOPE) if activation else outputs


@_compiled
def _compute_outputs_again(
    products: tf.Tensor, signs: tf.Tensor | None, shape: _Shape, filtering: Filtering
) -> tf.Tensor:
    return _times_slopes(_transform_products(products, shape, filtering), signs)


@_compiled
def _compute_outputs_gradient(
    upstream: tf.Tensor, signs: tf.Tensor | None, filtering: Filtering
) -> tf.Tensor:
    matrix = _transposed(filtering.to_outputs)
    blocks = _split_blocks(_times_slopes(upstream, signs), filtering.num_outputs)
    rows = tf.stack(_combine(matrix, tf.unstack(blocks)))  # [p, o, N, h, w, C]
    columns = _combine(matrix, tf.unstack(rows, axis=1))
    return _join_tiles(tf.stack(columns, axis=1))


def _transform_products(
    products: tf.Tensor, shape: _Shape, filtering: Filtering
) -> tf.Tensor:
    blocks = [size // filtering.num_outputs for size in shape[1:3]]
    by_row = tf.unstack(_split_tiles(products, blocks, filtering))
    rows = tf.stack(_combine(filtering.to_outputs, by_row))  # [o, p, N, h, w, C]
    columns = _combine(filtering.to_outputs, tf.unstack(rows, axis=1))
    return _join_blocks(tf.stack(columns, axis=1))


def _times_slopes(upstream: tf.Tensor, signs: tf.Tensor | None) -> tf.Tensor:
    if signs is None:
        return upstream
    return tf.where(signs > 0, upstream, LEAKY_RELU_SLOPE * upstream)


def _transposed(matrix: Matrix) -> Matrix:
    return tuple(zip(*matrix, strict=True))


def _combine(matrix: Matrix, parts: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Returns the product of a matrix and a column of tensors; zeros cost nothing."""
    return [
        functools.reduce(
            operator.add,
            (number * part for number, part in zip(row, parts, strict=True) if number),
        )
        for row in matrix
    ]


def _with_neighbours(parts: Sequence[tf.Tensor], axis: int) -> list[tf.Tensor]:
    """Returns the rows (columns) of tiles, given those of the blocks they lie around.

    Args:
        parts: Of the blocks.
        axis: Along which blocks follow each other.

    Returns:
        Two more, of the tiles.
    """
    before = _of_neighbour(parts[-1], axis, previous=True)
    after = _of_neighbour(parts[0], axis, previous=False)
    return [before, *parts, after]


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


def _split_blocks(images: tf.Tensor, size: int) -> tf.Tensor:
    """Returns `(size, size, batch, blocks, blocks, channels)`: rows, columns, where."""
    _, height, width, channels = images.shape
    blocks = tf.reshape(
        images, (-1, height // size, size, width // size, size, channels)
    )
    return tf.transpose(blocks, (2, 4, 0, 1, 3, 5))


def _join_blocks(blocks: tf.Tensor) -> tf.Tensor:
    size = blocks.shape[0]
    height, width = (size * count for count in blocks.shape[3:5])
    images = tf.transpose(blocks, (2, 3, 0, 4, 1, 5))
    return tf.reshape(images, (-1, height, width, blocks.shape[-1]))


def _split_tiles(
    tiles: tf.Tensor, blocks: Sequence[int], filtering: Filtering
) -> tf.Tensor:
    """Returns `(products, products, batch, blocks, blocks, channels)`."""
    size = filtering.num_products
    return tf.reshape(tiles, (size, size, -1, *blocks, tiles.shape[-1]))


def _join_tiles(tiles: tf.Tensor) -> tf.Tensor:
    return tf.reshape(tiles, (tiles.shape[0] ** 2, -1, tiles.shape[-1]))
