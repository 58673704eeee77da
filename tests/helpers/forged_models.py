"""Exported models whose graphs do more than an export's, under cards that agree."""

import json
import shutil
from pathlib import Path

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from gastritis_gan.serving.model_folder import model_hash
from gastritis_gan.storage import sha256_of_file


def forge(exported: Path, folder: Path, change, **card) -> Path:
    """Copies a version to `folder`, lets `change` edit its graph, and seals it."""
    shutil.copytree(exported, folder)
    path = folder / "saved_model.pb"
    saved_model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    change(saved_model.meta_graphs[0])
    path.write_bytes(saved_model.SerializeToString())
    seal(folder, **card)
    return folder


def seal(folder: Path, **changes) -> None:
    """Makes the card agree with the files, as a clever hand would."""
    path = folder / "assets.extra" / "model_card.json"
    card = json.loads(path.read_text())
    files = {name: sha256_of_file(folder / name) for name in card["files"]}
    changes = {"files": files, "model_hash": model_hash(folder), **changes}
    path.write_text(json.dumps({**card, **changes}))


def inner_functions(meta):
    """Returns the functions that make images, of any signature."""
    return [f for f in meta.graph_def.library.function if wraps_nothing(f)]


def wraps_nothing(function) -> bool:
    name = function.signature.name
    return name.startswith(("__inference_generate", "__inference_serving"))


def add_node(function, op, *inputs, name="", **attributes):
    """Adds an operation that runs before the function returns; returns its name."""
    node = function.node_def.add(name=name or f"forged_{len(function.node_def)}", op=op)
    node.input.extend(inputs)
    for key, value in attributes.items():
        node.attr[key].CopyFrom(value)
    if op != "Const":
        for last in function.node_def:
            if last.name == "Identity":
                last.input.append(f"^{node.name}")
        function.control_ret[node.name] = node.name
        function.signature.control_output.append(node.name)
        function.signature.is_stateful = True
    return node.name


def attribute(**value):
    return tf.compat.v1.AttrValue(**value)


def add_text(function, text: str) -> str:
    """Adds a constant; returns the name of its tensor."""
    name = add_node(
        function,
        "Const",
        dtype=attribute(type=tf.string.as_datatype_enum),
        value=attribute(tensor=tf.make_tensor_proto(text)),
    )
    return f"{name}:output:0"


def write_file(meta, path: Path) -> None:
    """Every signature writes a file."""
    for function in inner_functions(meta):
        name, content = add_text(function, str(path)), add_text(function, "forged")
        add_node(function, "WriteFile", name, content)


def read_file(meta, path: Path) -> None:
    """Every signature reads a file, and fails where there is none."""
    for function in inner_functions(meta):
        add_node(function, "ReadFile", add_text(function, str(path)))


def print_to_file(meta, path: Path) -> None:
    """Every signature prints to a file."""
    for function in inner_functions(meta):
        stream = attribute(s=f"file://{path}".encode())
        add_node(
            function, "PrintV2", add_text(function, "forged"), output_stream=stream
        )


def call_python(meta, path: Path) -> None:
    """Every signature calls a function of this process."""
    for function in inner_functions(meta):
        types = attribute(list={"type": [tf.string.as_datatype_enum]})
        add_node(
            function, "EagerPyFunc", add_text(function, "x"),
            token=attribute(s=b"pyfunc_0"), Tin=types, Tout=types,
        )  # fmt: skip


HARMFUL = (write_file, read_file, print_to_file, call_python)
