"""A stranger's graph is refused before anything of it runs."""

import shutil
import struct

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from tensorflow.core.protobuf import saved_model_pb2

from gastritis_gan.cli.main import main
from gastritis_gan.errors import InputError
from gastritis_gan.serving import allow_list
from gastritis_gan.serving.exported_model import ExportedModel
from gastritis_gan.serving.local_server import ModelVersion
from gastritis_gan.serving.verify import TfSession, verify_version
from tests.helpers.forged_models import (
    HARMFUL,
    add_node,
    add_text,
    attribute,
    forge,
    inner_functions,
    print_to_file,
    seal,
    write_file,
)


def read_meta(folder):
    content = (folder / "saved_model.pb").read_bytes()
    return saved_model_pb2.SavedModel.FromString(content).meta_graphs[0]


def load(folder):
    return ExportedModel.open(folder).load()


@pytest.mark.parametrize("harm", [write_file, print_to_file])
def test_forged_graphs_would_do_it(exported, tmp_path, harm):
    """Else the tests below prove nothing."""
    folder = forge(exported, tmp_path / "1", lambda m: harm(m, tmp_path / "file"))
    session = TfSession(folder)
    inputs = {"seeds": np.zeros(1, np.int64), "truncation": np.ones(1, np.float32)}
    session.run("generate", inputs)
    session.close()
    assert (tmp_path / "file").is_file()


COMMANDS = {
    "sample": "sample {model} --count 1 --out {out}",
    "release": "release {model} --count small=1 --accept-risk toy --out {out}",
    "verify": "verify {model}",
}


@pytest.mark.parametrize("harm", HARMFUL)
@pytest.mark.parametrize("command", COMMANDS)
def test_commands_refuse(exported, tmp_path, command, harm):
    folder = forge(exported, tmp_path / "1", lambda m: harm(m, tmp_path / "file"))
    before = sorted(tmp_path.rglob("*"))
    line = COMMANDS[command].format(model=folder, out=tmp_path / "out")
    result = CliRunner().invoke(main, line.split())
    assert result.exit_code == 2, result.output
    (error,) = [line for line in result.stderr.splitlines() if "Error" in line]
    assert "its graph has the operation" in error
    assert "Traceback" not in result.output
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("harm", HARMFUL)
def test_the_local_server_and_the_gradient_refuse(exported, tmp_path, harm):
    folder = forge(exported, tmp_path / "1", lambda m: harm(m, tmp_path / "file"))
    version = ModelVersion("small", 1, folder)
    version.load()
    assert version.state == "END"
    assert "its graph has the operation" in version.error
    with pytest.raises(InputError, match="its graph has the operation"):
        load(folder)
    assert not (tmp_path / "file").exists()


def call_the_saver(meta):
    saver = meta.saver_def.save_tensor_name.split(":")[0]
    (node,) = [n for n in meta.graph_def.node if n.name == saver]
    for signature in meta.signature_def.values():
        for output in signature.outputs.values():
            output.name = f"{node.name}:0"


def call_the_saver_in_a_function(meta):
    saver = meta.saver_def.save_tensor_name.split(":")[0]
    (node,) = [n for n in meta.graph_def.node if n.name == saver]
    function = inner_functions(meta)[0]
    add_node(function, "StatefulPartitionedCall", **node.attr)


def name_the_saver_as_a_signature(meta):
    saver = meta.saver_def.save_tensor_name.split(":")[0]
    (node,) = [n for n in meta.graph_def.node if n.name == saver]
    for one in meta.object_graph_def.nodes:
        if one.HasField("bare_concrete_function"):
            name = node.attr["f"].func.name
            one.bare_concrete_function.concrete_function_name = name


def name_a_function_as_an_operation(meta):
    function = meta.graph_def.library.function.add()
    function.CopyFrom(inner_functions(meta)[0])
    function.signature.name = "Relu"


def define_a_function_twice(meta):
    meta.graph_def.library.function.append(inner_functions(meta)[0])


def hide_a_function_in_an_attribute(meta):
    name = inner_functions(meta)[0].signature.name.encode()
    inner_functions(meta)[0].attr["forward_function_name"].s = name


def hide_a_function_in_a_node(meta):
    function = inner_functions(meta)[0]
    name = function.signature.name.encode()
    function.node_def[0].attr["_gradient_op_type"].s = name


def restore_another_file(meta):
    for function in meta.graph_def.library.function:
        for node in function.node_def:
            if node.op == "RestoreV2":
                node.input[0] = add_text(function, "/etc/passwd")


def call_itself(meta):
    function = inner_functions(meta)[0]
    called = attribute(func={"name": function.signature.name})
    add_node(function, "StatefulPartitionedCall", f=called)


def call_a_billion(meta):
    """Each of 40 functions calls the one before twice."""
    library = meta.graph_def.library
    name = inner_functions(meta)[0].signature.name
    for number in range(40):
        function = library.function.add()
        function.signature.name = f"laugh_{number}"
        for _ in range(2):
            called = attribute(func={"name": name})
            add_node(function, "StatefulPartitionedCall", f=called)
        name = function.signature.name


def loops(meta):
    """Yields every loop with its condition and its body."""
    by_name = {f.signature.name: f for f in meta.graph_def.library.function}
    for function in by_name.values():
        for node in function.node_def:
            if node.op == "StatelessWhile":
                yield (
                    function,
                    node,
                    by_name[node.attr["cond"].func.name],
                    by_name[node.attr["body"].func.name],
                )


def never_count(meta):
    for *_, body in loops(meta):
        for output in body.signature.output_arg:
            argument = body.signature.input_arg[len(body.ret) - 1].name
            body.ret[output.name] = argument


def compare_with_itself(meta):
    for _, _, condition, _ in loops(meta):
        for node in condition.node_def:
            if node.op == "Less":
                node.input[1] = node.input[0]


def count_to_a_constant(meta):
    for function, node, *_ in loops(meta):
        value = attribute(tensor=tf.make_tensor_proto(65_536))
        dtype = attribute(type=tf.int32.as_datatype_enum)
        limit = f"{add_node(function, 'Const', dtype=dtype, value=value)}:output:0"
        node.input[1] = node.input[4] = limit


def claim_a_huge_constant(meta):
    for node in inner_functions(meta)[0].node_def:
        if node.op == "Const":
            shape = node.attr["value"].tensor.tensor_shape
            del shape.dim[:]
            shape.dim.add(size=1 << 40)


def ask_for_a_huge_shape(meta):
    for function in meta.graph_def.library.function:
        for node in function.node_def:
            if node.op == "Const" and node.name.endswith(
                "stateless_random_normal/shape"
            ):
                huge = tf.make_tensor_proto(np.full(4, 60_000, np.int32))
                node.attr["value"].tensor.CopyFrom(huge)


def compute_a_shape(meta):
    for function in meta.graph_def.library.function:
        for node in function.node_def:
            if node.op == "StatelessRandomNormalV2":
                node.input[0] = node.input[1]


def add_an_asset(meta):
    meta.asset_file_def.add(filename="../../../etc/passwd").tensor_info.name = "x:0"


def add_an_object(meta):
    node = meta.object_graph_def.nodes.add()
    node.user_object.identifier = "tf_table"


def restore_by_a_class(meta):
    meta.object_graph_def.nodes[0].registered_name = "package.Class"


def change_the_main_graph(meta):
    meta.graph_def.node.add(name="x", op="WriteFile")


def run_another_init_op(meta):
    for name in ("table_initializer", "asset_filepaths"):
        meta.collection_def[name].node_list.value.append("NoOp")


def ask_for_another_machine(meta):
    meta.graph_def.node[0].device = "/job:worker/task:1"


def have_two_tags(meta):
    meta.meta_info_def.tags.append("train")


def drop_the_saver(meta):
    meta.ClearField("saver_def")


def change_the_size(meta):
    sizes = meta.signature_def["generate"].outputs["images"].tensor_shape
    sizes.dim[1].size = 1 << 20


def marking(meta):
    """Returns the function that marks PNG files, and the operation that does it."""
    for function in meta.graph_def.library.function:
        operations = {node.op: node for node in function.node_def}
        if {"EncodePng", "StringJoin"} <= operations.keys():
            return function, operations["StringJoin"]
    pytest.fail("no function marks PNG files")


def join_what_was_joined(meta):
    function, join = marking(meta)
    for node in list(function.node_def):
        if node.op == "Substr":
            again = function.node_def.add()
            again.CopyFrom(node)
            again.name += "_again"
            again.input[0] = f"{join.name}:output:0"
    again = function.node_def.add()
    again.CopyFrom(join)
    again.name += "_again"
    for place in (0, 2):
        name, _, tensor = join.input[place].partition(":")
        again.input[place] = f"{name}_again:{tensor}"


def join_a_file_with_itself(meta):
    _, join = marking(meta)
    join.input.extend([join.input[2]] * 61)
    join.attr["N"].i = 64


def join_with_a_separator(meta):
    marking(meta)[1].attr["separator"].s = b"x" * 1000


def join_a_text_that_is_not_a_picture(meta):
    function, join = marking(meta)
    for node in function.node_def:
        if node.op == "Substr":
            node.input[0] = join.input[1]


def mark_at_length(meta):
    function, join = marking(meta)
    for node in function.node_def:
        if node.name == join.input[1].partition(":")[0]:
            node.attr["value"].tensor.string_val[0] = b"x" * 5000


def mark_with_many_texts(meta):
    function, join = marking(meta)
    for node in function.node_def:
        if node.name == join.input[1].partition(":")[0]:
            node.attr["value"].tensor.tensor_shape.dim.add(size=1000)


def copy_the_mark(meta):
    function, join = marking(meta)
    add_node(
        function, "Pack", *[join.input[1]] * 64,
        N=attribute(i=64), T=attribute(type=tf.string.as_datatype_enum),
        axis=attribute(i=0),
    )  # fmt: skip


def return_a_text(meta):
    function, join = marking(meta)
    (output,) = function.ret
    function.ret[output] = join.input[1]


def repeat_a_long_text(meta):
    """A tensor of 10,000 texts that holds one has it 10,000 times."""
    for function in meta.graph_def.library.function:
        for node in function.node_def:
            if node.op == "Const" and node.attr["value"].tensor.string_val:
                tensor = node.attr["value"].tensor
                del tensor.string_val[:], tensor.tensor_shape.dim[:]
                tensor.string_val.append(b"x" * 1000)
                tensor.tensor_shape.dim.add(size=10_000)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (join_what_was_joined, "texts are joined that are not a PNG"),
        (join_a_file_with_itself, "texts are joined that are not a PNG"),
        (join_with_a_separator, "texts are joined that are not a PNG"),
        (join_a_text_that_is_not_a_picture, "texts are joined that are not a PNG"),
        (mark_at_length, "texts are joined that are not a PNG"),
        (mark_with_many_texts, "texts are joined that are not a PNG"),
        (copy_the_mark, "texts are in the graph that do not mark"),
        (return_a_text, "texts are in the graph that do not mark"),
        (repeat_a_long_text, "a constant is too large"),
        (call_the_saver, "a signature saves"),
        (call_the_saver_in_a_function, "a function saves"),
        (name_the_saver_as_a_signature, "a function is missing"),
        (name_a_function_as_an_operation, "name of an operation"),
        (define_a_function_twice, "two functions have one name"),
        (hide_a_function_in_an_attribute, "forward_function_name names a function"),
        (hide_a_function_in_a_node, "_gradient_op_type names a function"),
        (restore_another_file, "read from another file"),
        (call_itself, "call themselves"),
        (call_a_billion, "or too many others"),
        (never_count, "may have no end"),
        (compare_with_itself, "may have no end"),
        (count_to_a_constant, "may have no end"),
        (claim_a_huge_constant, "constant is too large"),
        (ask_for_a_huge_shape, "shape may be too large"),
        (compute_a_shape, "shape may be too large"),
        (add_an_asset, "has assets"),
        (add_an_object, "of the kind tf_table"),
        (restore_by_a_class, "by code of its own"),
        (change_the_main_graph, "the operation WriteFile"),
        (run_another_init_op, "collections"),
        (ask_for_another_machine, "/job:worker/task:1"),
        (have_two_tags, "tag 'serve'"),
        (drop_the_saver, "cannot be restored"),
        (change_the_size, "for images, not"),
    ],
)
def test_what_no_export_has_is_refused(exported, tmp_path, monkeypatch, change, words):
    folder = forge(exported, tmp_path / "1", change)
    loaded = []
    monkeypatch.setattr(tf.saved_model, "load", loaded.append)

    with pytest.raises(InputError, match="was not loaded") as refusal:
        load(folder)

    faults = list(allow_list._faults(folder, ExportedModel.open(folder).card))
    assert any(words in fault for fault in faults), faults
    assert "\n" not in str(refusal.value)
    assert loaded == []


def test_a_chunked_graph_is_not_what_is_loaded(exported, tmp_path):
    """TensorFlow would prefer `saved_model.cpb` to the file that was checked."""
    folder = shutil.copytree(exported, tmp_path / "1")
    (folder / "saved_model.cpb").write_bytes(b"forged")
    assert load(folder).signatures
    with pytest.raises(
        InputError, match=r"'saved_model\.cpb' is not in the model card"
    ):
        verify_version(folder)


def test_a_file_that_is_exchanged_after_its_check_is_not_loaded(
    exported, tmp_path, monkeypatch
):
    """A symbolic link that turns between the check and the load."""
    forged = forge(exported, tmp_path / "f", lambda m: write_file(m, tmp_path / "file"))
    folder = shutil.copytree(exported, tmp_path / "1")
    graph = folder / "saved_model.pb"
    model = ExportedModel.open(folder)
    check = allow_list.find_forbidden

    def turn(saved_model):
        graph.unlink()
        graph.symlink_to(forged / "saved_model.pb")
        return check(saved_model)

    monkeypatch.setattr(allow_list, "find_forbidden", turn)
    model.generate([0])
    assert not (tmp_path / "file").exists()
    model.close()
    with pytest.raises(InputError, match=r"saved_model\.pb is missing or differs"):
        model.generate([0])


def test_weights_may_not_be_larger_than_their_file(exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "1")
    writer = tf.raw_ops.SaveV2
    writer(
        prefix=str(folder / "variables" / "variables"),
        tensor_names=["a", "b"],
        shape_and_slices=["", ""],
        tensors=[tf.zeros(1000), tf.zeros(1000)],
    )
    data = next((folder / "variables").glob("variables.data*"))
    data.write_bytes(data.read_bytes()[:100])
    seal(folder)
    with pytest.raises(InputError, match=r"are said to take 8000 bytes"):
        load(folder)


@pytest.mark.parametrize("content", [b"", b"\x0a\xff\xff\xff\xff\x0f", b"\x12" * 9999])
def test_no_graph_at_all(exported, tmp_path, content):
    folder = shutil.copytree(exported, tmp_path / "1")
    (folder / "saved_model.pb").write_bytes(content)
    seal(folder)
    with pytest.raises(InputError):
        load(folder)


def test_nested_messages_are_refused(exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "1")
    content = b""
    for _ in range(500):  # AttrValue.func.attr["x"], and so on
        entry = b"\x0a\x01x\x12" + _varint(len(content)) + content
        inner = b"\x12" + _varint(len(entry)) + entry
        content = b"\x52" + _varint(len(inner)) + inner
    (folder / "saved_model.pb").write_bytes(content)
    seal(folder)
    with pytest.raises(InputError):
        load(folder)


def _varint(number):
    content = b""
    while number > 127:
        content += struct.pack("B", number & 127 | 128)
        number >>= 7
    return content + struct.pack("B", number)


def test_a_model_that_cannot_run_is_a_sentence(exported, tmp_path):
    def break_it(meta):
        for function in inner_functions(meta):
            for node in function.node_def:
                if node.op == "Round":
                    node.op = "IsNan"

    folder = forge(exported, tmp_path / "1", break_it)
    with pytest.raises(InputError, match=r"cannot be (run|loaded)"):
        ExportedModel.open(folder).generate([0])
