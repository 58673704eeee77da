"""Finds in a SavedModel what would fail, drift or weigh double in a server."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

from gastritis_gan.serving.allow_list import (
    INIT_SIGNATURE,
    find_forbidden,
    read_saved_model,
)
from gastritis_gan.tensorflow_setup import path_without_patterns

SIGNATURE_NAMES = ("serving_default", "generate", "generate_png")

_JSON_DTYPES = ("float32", "float64", "int32", "int64", "uint8", "string", "bool")
_FORBIDDEN_OPS = {
    "Assert": "one bad request would fail the whole batch",
    "PyFunc": "a server has no Python",
    "PyFuncStateless": "a server has no Python",
    "EagerPyFunc": "a server has no Python",
    "RngReadAndSkip": "it keeps random state in the server",
}
# As in RandomStandardNormal and StatefulUniform; stateless ones start with "Stateless".
_FORBIDDEN_PREFIXES = ("Random", "Stateful", "TruncatedNormal", "Multinomial")
_STATEFUL_CALL = "StatefulPartitionedCall"  # calls a function, draws nothing
_ASSIGN_PREFIX = "Assign"  # as in AssignAddVariableOp; loading has its own
_XLA_ATTRIBUTE = "_XlaMustCompile"


def find_faults(version_folder: Path, *, num_parameters: int) -> list[str]:
    """Lists what is wrong with a SavedModel; an empty list is a pass.

    Args:
        version_folder: Folder with `saved_model.pb`.
        num_parameters: Number of weights of the generator, each of which must be stored
            once.
    """
    saved_model = read_saved_model(version_folder)
    tags = [sorted(meta.meta_info_def.tags) for meta in saved_model.meta_graphs]
    if tags != [["serve"]]:
        return [f"the tag sets are {tags}; there must be one, 'serve'"]
    graph = saved_model.meta_graphs[0].graph_def
    return [
        *_faults_of_signatures(read_signatures(version_folder)),
        *sorted(set(_faults_of_graph(graph))),
        *_faults_of_reachable_operations(saved_model.meta_graphs[0]),
        *_faults_of_weights(version_folder, graph, num_parameters),
        *sorted(set(find_forbidden(saved_model))),
    ]


def read_signatures(version_folder: Path) -> dict[str, Any]:
    """Returns `{signature: {"inputs"|"outputs": {name: {"dtype", "shape"}}}}`.

    A size of -1 in a shape is free.
    """
    definitions = read_saved_model(version_folder).meta_graphs[0].signature_def
    return {
        name: {
            "inputs": _tensors(definition.inputs),
            "outputs": _tensors(definition.outputs),
        }
        for name, definition in sorted(definitions.items())
        if name != INIT_SIGNATURE
    }


def describe_graph(version_folder: Path) -> dict[str, Any]:
    """Returns the counts and kinds of what the lint looks at; JSON-able."""
    graph = read_saved_model(version_folder).meta_graphs[0].graph_def
    nodes = list(_nodes(graph))
    return {
        "num_operations": len(nodes),
        "num_variables": sum(node.op == "VarHandleOp" for node in nodes),
        "operations": sorted({node.op for node in nodes}),
    }


def _tensors(infos: Any) -> dict[str, Any]:
    return {
        name: {
            "dtype": tf.as_dtype(info.dtype).name,
            "shape": [dim.size for dim in info.tensor_shape.dim],
        }
        for name, info in sorted(infos.items())
    }


def _faults_of_signatures(signatures: dict[str, Any]) -> Iterator[str]:
    if sorted(signatures) != sorted(SIGNATURE_NAMES):
        yield f"the signatures are {sorted(signatures)}, not {sorted(SIGNATURE_NAMES)}"
    for signature, sides in signatures.items():
        for name, tensor in {**sides["inputs"], **sides["outputs"]}.items():
            where = f"{signature}: {name}"
            if tensor["shape"][:1] != [-1]:
                yield f"{where} has no free batch size but the shape {tensor['shape']}"
            if tensor["dtype"] not in _JSON_DTYPES:
                yield f"{where} is {tensor['dtype']}, which a server's JSON cannot hold"
        for name, tensor in sides["outputs"].items():
            if tensor["dtype"] == "string" and not name.endswith("_bytes"):
                yield f"{signature}: the string output {name} must end in '_bytes'"


def _faults_of_graph(graph: Any) -> Iterator[str]:
    for function in graph.library.function:
        if function.attr[_XLA_ATTRIBUTE].b:  # False where there is none
            yield f"the function {function.signature.name} needs XLA, off in servers"
    for node in _nodes(graph):
        if node.attr[_XLA_ATTRIBUTE].b:
            yield f"the operation {node.op} needs XLA, off in servers"
        if node.op in _FORBIDDEN_OPS:
            yield f"the operation {node.op} occurs: {_FORBIDDEN_OPS[node.op]}"
        elif node.op.startswith(_FORBIDDEN_PREFIXES) and node.op != _STATEFUL_CALL:
            yield f"the operation {node.op} occurs: seeds would not fix the images"


def _faults_of_reachable_operations(meta_graph: Any) -> Iterator[str]:
    """A signature that writes a variable would answer otherwise from call to call."""
    for name, definition in sorted(meta_graph.signature_def.items()):
        if name == INIT_SIGNATURE:
            continue
        outputs = [info.name for info in definition.outputs.values()]
        for operation in sorted(_reachable_operations(meta_graph.graph_def, outputs)):
            if operation.startswith(_ASSIGN_PREFIX):
                yield f"{name}: the operation {operation} changes a weight at each call"


def _reachable_operations(graph: Any, outputs: list[str]) -> set[str]:
    """Returns the kinds of operations that computing `outputs` may run.

    Of a function that is called, every operation counts.
    """
    nodes = {node.name: node for node in graph.node}
    reached: dict[str, Any] = {}
    waiting = [_node_name(output) for output in outputs]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached[name] = nodes[name]
            waiting.extend(_node_name(source) for source in nodes[name].input)
    bodies = {function.signature.name: function for function in graph.library.function}
    executed = list(reached.values())
    for node in executed:  # grows by the body of each function when first called
        for name in {node.op, *_named_functions(node)} & bodies.keys():
            executed.extend(bodies.pop(name).node_def)
    return {node.op for node in executed}


def _node_name(tensor: str) -> str:
    return tensor.removeprefix("^").partition(":")[0]


def _named_functions(node: Any) -> Iterator[str]:
    for attribute in node.attr.values():
        yield attribute.func.name
        yield from (function.name for function in attribute.list.func)


def _nodes(graph: Any) -> Iterator[Any]:
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def


def _faults_of_weights(
    version_folder: Path, graph: Any, num_parameters: int
) -> Iterator[str]:
    with path_without_patterns(version_folder) as path:
        variables = tf.train.list_variables(f"{path}/variables/variables")
    shapes = [s for name, s in variables if name != "_CHECKPOINTABLE_OBJECT_GRAPH"]
    num_stored = sum(math.prod(shape) for shape in shapes)
    if num_stored != num_parameters:
        yield f"{num_stored} weights are stored for a generator of {num_parameters}"
    num_variables = sum(node.op == "VarHandleOp" for node in _nodes(graph))
    if num_variables != len(shapes):
        yield f"the graph has {num_variables} variables for {len(shapes)} stored arrays"
