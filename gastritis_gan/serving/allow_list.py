"""A stranger's model is data: what its graph may do, checked before it is loaded.

A SavedModel is a program. TensorFlow runs it with the rights of whoever loads it, and
its operations can read and write files and call Python. Here nothing is loaded but
arithmetic: the operations that the graphs of `gastritis-gan export` consist of, in the
shape in which it writes them (docs/exported-models.md).
"""

from __future__ import annotations

import contextlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from gastritis_gan.errors import InputError
from gastritis_gan.serving.model_folder import (
    GRAPH_FILE,
    WEIGHTS_PREFIX,
    private_copy,
)

INIT_SIGNATURE = "__saved_model_init_op"  # TensorFlow's own; no client calls it

_CALLS = {  # the operations that call functions, with the attributes that name them
    "StatefulPartitionedCall": ("f",),
    "StatelessWhile": ("cond", "body"),
}
_ARITHMETIC = frozenset({
    "AddV2", "AvgPool", "BiasAdd", "BitwiseOr", "Cast", "Const", "Conv2D",
    "Conv2DBackpropInput", "EncodePng", "Erf", "Identity", "IsNan", "LeakyRelu",
    "LeftShift", "Less", "LogicalAnd", "MatMul", "Maximum", "Mean", "Minimum", "Mul",
    "NoOp", "Pack", "ReadVariableOp", "RealDiv", "Relu", "Reshape", "Round", "Rsqrt",
    "SelectV2", "Shape", "Square", "StatelessRandomNormalV2",
    "StatelessRandomUniformFullIntV2", "StridedSlice", "StringJoin", "Sub", "Substr",
    "Tanh", "TensorListFromTensor", "TensorListGetItem", "TensorListReserve",
    "TensorListSetItem", "TensorListStack", "Transpose",
})  # fmt: skip
_OUTSIDE_FUNCTIONS = frozenset(
    {"Const", "NoOp", "Placeholder", "ReadVariableOp", "VarHandleOp"}
    | {"StatefulPartitionedCall"}
)
_RESTORING = frozenset({"AssignVariableOp", "Const", "Identity", "NoOp", "RestoreV2"})
_SAVING = frozenset({  # TensorFlow writes it into every export; nothing here calls it
    "Const", "DisableCopyOnRead", "Identity", "MergeV2Checkpoints", "NoOp", "Pack",
    "ReadVariableOp", "SaveV2", "Select", "ShardedFilename", "StaticRegexFullMatch",
    "StringJoin",
})  # fmt: skip
_OBJECTS = frozenset({"bare_concrete_function", "function", "user_object", "variable"})
_USER_OBJECTS = ("", "_generic_user_object", "signature_map", "trackable_list_wrapper")
_DEVICE = re.compile(r"(/device:[CG]PU:([0-9]+|\*))?")

# The largest of our graphs has 2,000 operations, 54 objects, constants of 4 numbers up
# to 8,192 and strides of 2.
_MOST_OPERATIONS = 100_000  # with every call's function counted again
_MOST_OBJECTS = 10_000
_DEEPEST_CALLS = 16
_MOST_NUMBERS = 64
_MOST_TEXTS = 10_000
_MOST_TEXT_BYTES = 1 << 20  # of one constant; the names of the weights are the largest
_MOST_CHUNK_BYTES = 4096  # of the chunk that marks a PNG file
_LARGEST_INTEGER = 1 << 16
_LARGEST_STEP = 64
_LARGEST_SHAPE = 1 << 26  # numbers that one constant shape may ask for
_SHAPED = {  # operations that take a shape, with the position of that input
    "Conv2DBackpropInput": 0,
    "StatelessRandomNormalV2": 0,
    "StatelessRandomUniformFullIntV2": 0,
    "TensorListReserve": 1,
}
_STEPS = ("ksize", "strides")
_TEXT = tf.string.as_datatype_enum
_INTEGERS = (tf.int8, tf.int16, tf.int32, tf.int64, tf.uint8, tf.uint16, tf.uint32)


@contextlib.contextmanager
def loadable_copy(version_folder: Path, card: Mapping[str, Any]) -> Iterator[Path]:
    """Yields a private copy of a version whose graph may be loaded.

    What is hashed, checked and loaded is this copy, so nothing can be exchanged in
    between. TensorFlow keeps none of its files open once it has loaded them.

    Args:
        version_folder: Folder of the version.
        card: Its card, as `read_model_card` returns it.

    Raises:
        InputError: A file is not what the card says, the graph has what no export of
            gastritis-gan has, or the block ended with an error: TensorFlow cannot
            load or run the graph.
    """
    with private_copy(version_folder, card["files"]) as copy:
        try:
            faults = sorted(set(_faults(copy, card)))
        except (IndexError, KeyError, TypeError, ValueError):
            faults = ["its graph is damaged"]
        if faults:
            more = f"; and {len(faults) - 1} more" if len(faults) > 1 else ""
            raise InputError(
                f"{version_folder} was not loaded: {faults[0]}{more}. Only what "
                "`gastritis-gan export` writes is loaded; get the model again from "
                "whoever exported it."
            )
        try:
            yield copy
        except InputError:
            raise
        except Exception as error:  # whatever TensorFlow makes of a damaged graph
            text = " ".join(str(error).split())
            raise InputError(
                f"{version_folder} cannot be loaded by TensorFlow {tf.__version__}; it "
                f"was exported with {card.get('tensorflow')} "
                f"({type(error).__name__}: {text[:300]})."
            ) from error


def read_saved_model(version_folder: Path) -> Any:
    """Returns the `SavedModel` message of a version; nothing of it is run.

    Raises:
        InputError: It cannot be read.
    """
    path = version_folder / GRAPH_FILE
    try:
        return saved_model_pb2.SavedModel.FromString(path.read_bytes())
    except (DecodeError, RecursionError):
        raise InputError(f"{path} is damaged: it is not a SavedModel.") from None


def find_forbidden(saved_model: Any) -> Iterator[str]:
    """Yields a clause on each thing that no export of gastritis-gan has.

    Args:
        saved_model: `SavedModel` message.
    """
    if [sorted(meta.meta_info_def.tags) for meta in saved_model.meta_graphs] != [
        ["serve"]
    ]:
        yield "it is not one graph with the tag 'serve'"
        return
    (meta,) = saved_model.meta_graphs
    yield from _faults_of_parts(meta)
    yield from _faults_of_objects(meta.object_graph_def)
    yield from _Graph(meta).faults()


def _faults(copy: Path, card: Mapping[str, Any]) -> Iterator[str]:
    saved_model = read_saved_model(copy)
    yield from find_forbidden(saved_model)
    for meta in saved_model.meta_graphs[:1]:
        yield from _faults_of_sizes(meta.signature_def, card)
    yield from _faults_of_stored_weights(copy)


def _faults_of_sizes(signatures: Any, card: Mapping[str, Any]) -> Iterator[str]:
    size, latent_dim = card["resolution"], card["latent_dim"]
    images = [-1, size, size, 1]
    for signature, side, name, expected in (
        ("serving_default", "inputs", "latents", [-1, latent_dim]),
        ("serving_default", "outputs", "images", images),
        ("generate", "inputs", "seeds", [-1]),
        ("generate", "inputs", "truncation", [-1]),
        ("generate", "outputs", "images", images),
    ):
        found = getattr(signatures[signature], side).get(name)
        sizes = found and [dim.size for dim in found.tensor_shape.dim]
        if sizes != expected:
            yield f"its signature {signature} has {sizes} for {name}, not {expected}"


def _faults_of_stored_weights(copy: Path) -> Iterator[str]:
    """The index may not claim more than the files next to it hold."""
    prefix = copy / WEIGHTS_PREFIX
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        shapes = reader.get_variable_to_shape_map()
        dtypes = reader.get_variable_to_dtype_map()
    except (tf.errors.OpError, ValueError, RuntimeError):
        yield "the index of its weights is damaged"
        return
    claimed = sum(
        math.prod(shape) * max(dtypes[name].size or 1, 1)
        for name, shape in shapes.items()
    )
    held = sum(path.stat().st_size for path in prefix.parent.iterdir())
    if claimed > held or any(size < 0 for shape in shapes.values() for size in shape):
        yield f"its weights are said to take {claimed} bytes, and there are {held}"


def _faults_of_parts(meta: Any) -> Iterator[str]:
    library = meta.graph_def.library
    if meta.asset_file_def:
        yield "it has assets"
    if library.gradient or library.registered_gradients:
        yield "it has gradient functions of its own"
    if set(meta.collection_def) - {"saved_model_main_op"}:
        yield "it has collections of objects"
    if any(signature.defaults for signature in meta.signature_def.values()):
        yield "a signature has default values"


def _faults_of_objects(objects: Any) -> Iterator[str]:
    if len(objects.nodes) > _MOST_OBJECTS:
        yield f"it has {len(objects.nodes)} objects; {_MOST_OBJECTS} is the limit"
    if not objects.nodes:
        yield "it has no objects"
    for node in objects.nodes:
        named = [
            *node.function.concrete_functions,
            node.bare_concrete_function.concrete_function_name,
        ]
        if set(named) - {"", *objects.concrete_functions}:
            yield "a function is missing"
        kind = node.WhichOneof("kind")
        if kind not in _OBJECTS or node.user_object.identifier not in _USER_OBJECTS:
            yield f"it has an object of the kind {node.user_object.identifier or kind}"
        if (
            node.registered_name
            or node.registered_saver
            or node.saveable_objects
            or node.HasField("serialized_user_proto")
        ):
            yield "it has an object that is read or saved by code of its own"


class _Graph:
    """The operations of a SavedModel: a main graph, and functions that it calls."""

    def __init__(self, meta: Any) -> None:
        self._meta = meta
        self._main = meta.graph_def.node
        self._functions = {f.signature.name: f for f in meta.graph_def.library.function}
        saver = meta.saver_def
        self._saver_nodes = {
            _node_name(saver.save_tensor_name): _SAVING,
            _node_name(saver.restore_op_name): _RESTORING,
        }
        self._saver_functions = {
            node.attr["f"].func.name: self._saver_nodes[node.name]
            for node in self._main
            if node.name in self._saver_nodes
        }
        self._inlined: dict[str, tuple[float, int]] = {}

    def faults(self) -> Iterator[str]:
        named = Counter(f.signature.name for f in self._meta.graph_def.library.function)
        if set(named) & (_ARITHMETIC | _OUTSIDE_FUNCTIONS | _RESTORING | _SAVING):
            yield "a function has the name of an operation"
        if max(named.values(), default=0) > 1:
            yield "two functions have one name"
        yield from self._faults_of_main_graph()
        yield from self._faults_of_saver()
        for name, function in self._functions.items():
            allowed = self._saver_functions.get(name, _ARITHMETIC | _CALLS.keys())
            yield from self._faults_of_nodes(function.node_def, allowed)
            if name not in self._saver_functions:
                yield from _faults_of_texts(function.node_def, function.ret.values())
            yield from self._faults_of_attributes(function.attr)
            for argument in function.arg_attr.values():
                yield from self._faults_of_attributes(argument.attr)
        sizes = [self._size_of_node(node, 0) for node in self._main]
        sizes += map(self._size, self._functions)
        if (
            sum(number for number, _ in sizes) > _MOST_OPERATIONS
            or max((height for _, height in sizes), default=0) > _DEEPEST_CALLS
        ):
            yield "its functions call themselves, or too many others"

    def _faults_of_main_graph(self) -> Iterator[str]:
        yield from self._faults_of_nodes(self._main, _OUTSIDE_FUNCTIONS)
        for node in self._main:
            if self._saver_nodes.keys() & set(map(_node_name, node.input)):
                yield "an operation follows on saving or restoring"
        ends = [
            _node_name(info.name)
            for signature in self._meta.signature_def.values()
            for info in signature.outputs.values()
        ]
        for collection in self._meta.collection_def.values():
            ends += map(_node_name, collection.node_list.value)
        if self._saver_nodes.keys() & set(ends):
            yield "a signature saves or restores"
        # the saver's text is the graph of objects, which it stores beside the weights
        others = [n for n in self._main if n.name not in self._saver_nodes]
        yield from _faults_of_texts(others, ends)

    def _faults_of_saver(self) -> Iterator[str]:
        """Weights are restored from the file that the loader names, and no other."""
        callers = [self._main, *(f.node_def for f in self._functions.values())]
        names = Counter(
            name
            for nodes in callers
            for node in nodes
            for attribute in node.attr.values()
            for name in _function_names(attribute)
        )
        concrete = self._meta.object_graph_def.concrete_functions
        used = self._saver_functions.keys() & concrete.keys()
        if used or any(names[name] != 1 for name in self._saver_functions):
            yield "a function saves or restores"
        if concrete.keys() - self._functions.keys():
            yield "a function is missing"
        saver = self._meta.saver_def
        by_name = {node.name: node for node in self._main}
        for name, operations in self._saver_nodes.items():
            node = by_name.get(name)
            function = node and self._functions.get(node.attr["f"].func.name)
            if not (node and function and node.input):
                yield "it cannot be restored"
                continue
            first = function.signature.input_arg[0].name
            is_wrong = operations is _RESTORING and any(
                node.op == "RestoreV2" and node.input[:1] != [first]
                for node in function.node_def
            )
            placeholder = by_name.get(node.input[0])
            if (
                is_wrong
                or placeholder is None
                or placeholder.op != "Placeholder"
                or node.input[0] != _node_name(saver.filename_tensor_name)
            ):
                yield "its weights would be read from another file"

    def _faults_of_nodes(
        self, nodes: Iterable[Any], allowed: frozenset[str]
    ) -> Iterator[str]:
        names = Counter(node.name for node in nodes)
        if max(names.values(), default=0) > 1:
            yield "two operations have one name"
        by_name = {node.name: node for node in nodes}
        for node in nodes:
            if node.op not in allowed:
                yield f"its graph has the operation {_shown(node.op)}"
            if not _DEVICE.fullmatch(node.device):
                yield f"its graph asks for the device {_shown(node.device)}"
            for key in _CALLS.get(node.op, ()):
                called = node.attr[key].func
                if called.name not in self._functions or called.attr:
                    yield "a function is missing"
            yield from self._faults_of_attributes(
                {k: v for k, v in node.attr.items() if k not in _CALLS.get(node.op, ())}
            )
            if node.op == "StatelessWhile" and not self._ends(node, by_name):
                yield "a loop may have no end"
            if node.op in _SHAPED and not _is_small_shape(
                node.input[_SHAPED[node.op] :][:1], by_name
            ):
                yield "a shape may be too large"

    def _faults_of_attributes(self, attributes: Mapping[str, Any]) -> Iterator[str]:
        for key, value in attributes.items():
            texts = {value.s, *value.list.s}
            if any(_function_names(value)) or any(
                text.decode("utf-8", "replace") in self._functions for text in texts
            ):
                yield f"the attribute {_shown(key)} names a function"
            if key in _STEPS and max(map(abs, value.list.i), default=0) > _LARGEST_STEP:
                yield f"the attribute {_shown(key)} is above {_LARGEST_STEP}"
            tensors = [*value.list.tensor]
            if value.HasField("tensor"):
                tensors.append(value.tensor)
            if not all(map(_is_small, tensors)):
                yield "a constant is too large"

    def _ends(self, loop: Any, by_name: Mapping[str, Any]) -> bool:
        """Returns whether a loop counts up to a number that is the size of a batch.

        That is: for some `i` and `n`, the loop runs only while its variable i is less
        than variable n, each turn adds 1 to the one and leaves the other, and they
        start with a constant and with an element of a shape.
        """
        condition = self._functions.get(loop.attr["cond"].func.name)
        body = self._functions.get(loop.attr["body"].func.name)
        if condition is None or body is None:
            return False
        return any(
            _adds_one(body, counter)
            and _keeps(body, limit)
            and _origin(loop.input[counter], by_name).op == "Const"
            and _origin(loop.input[limit], by_name).op == "Shape"
            for counter, limit in _compared(condition)
            if max(counter, limit) < len(loop.input)
        )

    def _size_of_node(self, node: Any, depth: int) -> tuple[float, int]:
        called = [
            self._size(node.attr[key].func.name, depth + 1)
            for key in _CALLS.get(node.op, ())
        ]
        return 1 + sum(n for n, _ in called), max((h for _, h in called), default=0)

    def _size(self, name: str, depth: int = 0) -> tuple[float, int]:
        """Returns how many operations a call runs, and how deep calls are nested.

        Both are infinite, or beyond the limit, for a function that calls itself.
        """
        if name not in self._functions:
            return 0, 0
        if depth > _DEEPEST_CALLS:
            return math.inf, depth
        if name not in self._inlined:
            self._inlined[name] = math.inf, 0  # seen again: it calls itself
            sizes = [
                self._size_of_node(node, depth)
                for node in self._functions[name].node_def
            ]
            self._inlined[name] = (
                sum(number for number, _ in sizes),
                1 + max((height for _, height in sizes), default=0),
            )
        return self._inlined[name]


def _compared(condition: Any) -> Iterator[tuple[int, int]]:
    """Yields the positions of two arguments of which the first must be less."""
    by_name = {node.name: node for node in condition.node_def}
    positions = {a.name: i for i, a in enumerate(condition.signature.input_arg)}
    waiting = list(condition.ret.values())[:1]
    seen: set[str] = set()
    while waiting:
        node = _origin(waiting.pop(), by_name)
        if node.name in seen:
            continue
        seen.add(node.name)
        if node.op == "LogicalAnd":
            waiting += node.input
        elif node.op == "Less" and all(name in positions for name in node.input[:2]):
            yield positions[node.input[0]], positions[node.input[1]]


def _adds_one(body: Any, position: int) -> bool:
    by_name = {node.name: node for node in body.node_def}
    node = _origin(_returned(body, position), by_name)
    if node.op != "AddV2" or node.input[0] != body.signature.input_arg[position].name:
        return False
    one = _origin(node.input[1], by_name)
    return one.op == "Const" and bool(
        np.array_equal(tf.make_ndarray(one.attr["value"].tensor), 1)
    )


def _keeps(body: Any, position: int) -> bool:
    by_name = {node.name: node for node in body.node_def}
    name = _returned(body, position)
    for _ in by_name:
        node = by_name.get(_node_name(name))
        if node is None or node.op != "Identity":
            break
        name = node.input[0]
    return bool(name == body.signature.input_arg[position].name)


def _returned(function: Any, position: int) -> str:
    outputs = function.signature.output_arg
    return function.ret[outputs[position].name] if position < len(outputs) else ""


def _origin(tensor: str, by_name: Mapping[str, Any]) -> Any:
    """Returns the operation that makes a tensor, before any Identity and slice."""
    node = tf.compat.v1.NodeDef()
    for _ in by_name:
        node = by_name.get(_node_name(tensor), tf.compat.v1.NodeDef())
        if node.op not in ("Identity", "StridedSlice") or not node.input:
            break
        tensor = node.input[0]
    return node


def _is_small_shape(tensors: Iterable[str], by_name: Mapping[str, Any]) -> bool:
    """Whether a shape is made of constants with a small product and of other shapes."""
    product = 1
    waiting = list(tensors)
    for _ in range(_MOST_NUMBERS):
        if not waiting:
            break
        node = _origin(waiting.pop(), by_name)
        if node.op == "Pack":
            waiting += node.input
        elif node.op == "Const" and _is_small(node.attr["value"].tensor):
            values = tf.make_ndarray(node.attr["value"].tensor)
            product *= math.prod(
                max(abs(value), 1) for value in values.ravel().tolist()
            )
        elif node.op != "Shape":
            return False
    return not waiting and product <= _LARGEST_SHAPE


def _faults_of_texts(nodes: Iterable[Any], returned: Iterable[str]) -> Iterator[str]:
    """Texts mark PNG files and do nothing else: what multiplies them has no limit."""
    by_name = {node.name: node for node in nodes}
    used = [*map(_node_name, returned)]
    for node in by_name.values():
        inputs = [*map(_node_name, node.input)]
        if node.op == "StringJoin" and _inserts_chunk(node, by_name):
            del inputs[1]
        elif node.op == "StringJoin":
            yield "texts are joined that are not a PNG file and its mark"
        used += inputs
    texts = {
        node.name
        for node in by_name.values()
        if node.op == "Const" and node.attr["dtype"].type == _TEXT
    }
    if texts & set(used):
        yield "texts are in the graph that do not mark a PNG file"


def _inserts_chunk(join: Any, by_name: Mapping[str, Any]) -> bool:
    """Whether a PNG file's head, a short constant and the file's rest are joined.

    That is what `signatures.py` writes. The result is not much longer than an encoded
    image, and cannot be joined again.
    """
    nothing = tf.compat.v1.NodeDef()
    parts = [by_name.get(_node_name(name), nothing) for name in join.input]
    if [part.op for part in parts] != ["Substr", "Const", "Substr"]:
        return False
    head, chunk, rest = parts
    text = chunk.attr["value"].tensor
    pngs = [_origin(part.input[0], by_name) for part in (head, rest)]
    return (
        not join.attr["separator"].s
        and not text.tensor_shape.dim
        and sum(map(len, text.string_val)) <= _MOST_CHUNK_BYTES
        and pngs[0].op == "EncodePng"
        and pngs[0].name == pngs[1].name
    )


def _is_small(tensor: Any) -> bool:
    sizes = [dim.size for dim in tensor.tensor_shape.dim]
    is_text = tensor.dtype == _TEXT
    number = math.prod(sizes)
    if min(sizes, default=0) < 0 or number > (
        _MOST_TEXTS if is_text else _MOST_NUMBERS
    ):
        return False
    if is_text:  # a last text that is missing repeats the one before
        longest = max(map(len, tensor.string_val), default=0)
        return number * longest <= _MOST_TEXT_BYTES and not tensor.tensor_content
    if tensor.dtype not in [dtype.as_datatype_enum for dtype in _INTEGERS]:
        return True
    try:
        values = tf.make_ndarray(tensor)
    except (ValueError, TypeError):
        return False
    return all(abs(value) <= _LARGEST_INTEGER for value in values.ravel().tolist())


def _function_names(attribute: Any) -> Iterator[str]:
    if attribute.HasField("func"):
        yield attribute.func.name
    yield from (function.name for function in attribute.list.func)


def _node_name(tensor: str) -> str:
    return tensor.removeprefix("^").partition(":")[0]


def _shown(text: str) -> str:
    return ascii(text[:80])[1:-1]
