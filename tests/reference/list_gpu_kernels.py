"""Writes gpu_kernels.txt: `python tests/reference/list_gpu_kernels.py > FILE`.

Runs where the CUDA build of TensorFlow is installed (`pip install tensorflow`, in an
environment of its own: not `tensorflow-cpu`); it needs no GPU.
"""

from __future__ import annotations

import collections
import os
from collections.abc import Mapping
from typing import TypeAlias

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf
from tensorflow.python.framework import kernels

_TYPES = (
    "bfloat16",
    "float16",
    "float32",
    "float64",
    "int32",
    "int64",
    "uint32",
    "uint64",
    "bool",
)
_HANDLES = ("resource", "variant")
_DEVICES = ("GPU", "DEFAULT")  # a kernel for every device holds on a GPU too

Types: TypeAlias = Mapping[str, frozenset[str]]  # of attributes that are types


def gpu_kernels() -> dict[str, list[Types]]:
    """Returns the types of each operation's kernels, alternatives in a list."""
    alternatives: dict[str, list[Types]] = collections.defaultdict(list)
    for kernel in kernels.get_all_registered_kernels().kernel:
        if kernel.device_type not in _DEVICES or kernel.label:
            continue
        types = {
            constraint.name: frozenset(
                tf.as_dtype(number).name
                for number in constraint.allowed_values.list.type
            ).intersection((*_TYPES, *_HANDLES))
            for constraint in kernel.constraint
            if constraint.allowed_values.list.type
        }
        if all(types.values()) and types not in alternatives[kernel.op]:
            alternatives[kernel.op].append(types)
    return {op: _merged(rows) for op, rows in sorted(alternatives.items()) if rows}


def _merged(rows: list[Types]) -> list[Types]:
    """Returns fewer rows that allow the same: two may differ in one attribute alone."""
    rows = list(rows)
    merged = True
    while merged:
        merged = False
        for left in rows:
            for right in rows:
                if left is right or left.keys() != right.keys():
                    continue
                different = [name for name in left if left[name] != right[name]]
                if len(different) > 1:
                    continue
                rows = [row for row in rows if row is not left and row is not right]
                union = {name: left[name] | right[name] for name in different}
                rows.append({**left, **union})
                merged = True
                break
            if merged:
                break
    return rows


def main() -> None:
    """Prints one line an operation."""
    if not tf.test.is_built_with_cuda():
        raise SystemExit("this is the CPU build of TensorFlow; install `tensorflow`.")
    cuda = tf.sysconfig.get_build_info()["cuda_version"]
    print(f"# tensorflow {tf.__version__}, built for CUDA {cuda}")  # noqa: T201
    for op, rows in gpu_kernels().items():
        if op.startswith("_"):  # made by TensorFlow itself when it rewrites a graph
            continue
        texts = [
            ";".join(f"{name}={','.join(sorted(row[name]))}" for name in sorted(row))
            for row in rows
        ]
        print(" ".join([op, *sorted(texts)]).rstrip())  # noqa: T201


if __name__ == "__main__":
    main()
