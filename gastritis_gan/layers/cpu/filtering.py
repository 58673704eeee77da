"""Winograd's minimal filtering along one axis, as three small matrices.

`F(m, r)` computes m outputs of a filter of r taps from m + r - 1 inputs by as many
products: outputs = to_outputs @ ((of_inputs @ inputs) * (of_kernel @ kernel)). In two
dimensions rows are transformed, then columns.

References: [Lavin and Gray, 2016](https://arxiv.org/abs/1509.09308);
[Barabasz et al., 2020](https://arxiv.org/abs/1803.10986) on the points.
"""

from __future__ import annotations

import dataclasses

Matrix = tuple[tuple[float, ...], ...]


@dataclasses.dataclass(frozen=True)
class Filtering:
    """A filter of three taps along one axis, cut into tiles.

    A tile begins one input before its block and ends one after it; its outputs belong
    to it alone.

    Attributes:
        of_inputs: `(products, block + 2)`.
        of_kernel: `(products, 3)`.
        to_outputs: `(outputs, products)`; the second column has ones only.
    """

    of_inputs: Matrix
    of_kernel: Matrix
    to_outputs: Matrix

    @property
    def block(self) -> int:
        """Inputs from the begin of a tile to that of the next one."""
        return len(self.of_inputs[0]) - 2

    @property
    def num_products(self) -> int:
        """Products of a tile."""
        return len(self.of_inputs)

    @property
    def num_outputs(self) -> int:
        """Outputs of a tile."""
        return len(self.to_outputs)


# F(4, 3), at the points 0, 1, -1, 1/2, -2 and infinity: the rounding errors are half of
# those with 2 instead of 1/2.
SAME = Filtering(
    of_inputs=(
        (1, -1.5, -2, 1.5, 1, 0),
        (0, -1, 0.5, 2.5, 1, 0),
        (0, 1, -2.5, 0.5, 1, 0),
        (0, -2, -1, 2, 1, 0),
        (0, 0.5, -1, -0.5, 1, 0),
        (0, 1, -1.5, -2, 1.5, 1),
    ),
    of_kernel=(
        (1, 0, 0),
        (1 / 3, 1 / 3, 1 / 3),
        (-1 / 3, 1 / 3, -1 / 3),
        (-16 / 15, -8 / 15, -4 / 15),
        (1 / 15, -2 / 15, 4 / 15),
        (0, 0, 1),
    ),
    to_outputs=(
        (1, 1, 1, 1, 1, 0),
        (0, 1, -1, 0.5, -2, 0),
        (0, 1, 1, 0.25, 4, 0),
        (0, 1, -1, 0.125, -8, 1),
    ),
)

# The mean of every two outputs is one output at the sums a, b, c, d, e of two inputs,
# with half the kernel. Its outer taps meet a, c and e: F(2, 2) at the points 0, 1 and
# infinity. Its middle tap meets b and d, one product each.
HALVING = Filtering(
    of_inputs=(
        (1, 1, -1, -1, 0, 0),  # a - c
        (0, 0, 1, 1, 0, 0),  # c
        (0, 0, -1, -1, 1, 1),  # e - c
        (0, 1, 1, 0, 0, 0),  # b
        (0, 0, 0, 1, 1, 0),  # d
    ),
    of_kernel=(
        (1 / 2, 0, 0),
        (1 / 2, 0, 1 / 2),
        (0, 0, 1 / 2),
        (0, 1 / 2, 0),
        (0, 1 / 2, 0),
    ),
    to_outputs=(
        (1, 1, 0, 1, 0),
        (0, 1, 1, 0, 1),
    ),
)
