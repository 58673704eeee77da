import keras
import numpy as np
import pytest
import tensorflow as tf

from gastritis_gan.serving.graph_lint import describe_graph, find_faults

NUM_WEIGHTS = 4 * 3 + 3


def with_assert(x):
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(x > 0), [x])]):
        return tf.identity(x)


def with_python(x):
    return tf.ensure_shape(tf.numpy_function(np.abs, [x], tf.float32), [None, 3])


def with_stateful_noise(x):
    return x + tf.random.normal(tf.shape(x), seed=0)  # deterministic ops need one


@tf.function(jit_compile=True)
def with_xla(x):
    return x * 2


def with_text(x):
    return tf.strings.as_string(x)


def save(folder, change=tf.identity, *, batch_size=None, names=None, track=False):
    """Writes a dense layer with three signatures that end in `change`."""
    layer = keras.layers.Dense(3, name="dense")
    layer.build((None, 4))
    archive = keras.export.ExportArchive()
    if track:
        archive.track(layer)
    spec = tf.TensorSpec([batch_size, 4], tf.float32, name="latents")
    for name in names or ("serving_default", "generate", "generate_png"):
        archive.add_endpoint(
            name, lambda x: {"images": change(layer(x))}, input_signature=[spec]
        )
    archive.write_out(str(folder), verbose=False)


def test_a_sound_model_passes(tmp_path):
    save(tmp_path)
    assert find_faults(tmp_path, num_parameters=NUM_WEIGHTS) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (with_assert, "operation Assert occurs"),
        (with_python, "PyFunc occurs"),
        (with_stateful_noise, "operation RandomStandardNormal occurs"),
        (with_xla, "needs XLA"),
        (with_text, "must end in '_bytes'"),
        (lambda x: tf.cast(x, tf.float16), "is float16, which a server's JSON"),
        (tf.reduce_mean, "has no free batch size"),
    ],
)
def test_faults_of_the_graph_are_named(tmp_path, change, fault):
    save(tmp_path, change)
    faults = find_faults(tmp_path, num_parameters=NUM_WEIGHTS)
    assert any(fault in found for found in faults), faults


def test_a_fixed_batch_size_is_a_fault(tmp_path):
    save(tmp_path, batch_size=2)
    faults = find_faults(tmp_path, num_parameters=NUM_WEIGHTS)
    assert any(
        "latents has no free batch size but the shape [2, 4]" in found
        for found in faults
    )


def test_a_missing_signature_is_a_fault(tmp_path):
    save(tmp_path, names=["serving_default", "generate"])
    (fault,) = find_faults(tmp_path, num_parameters=NUM_WEIGHTS)
    assert fault.startswith("the signatures are ['generate', 'serving_default']")


def test_weights_stored_twice_are_a_fault(tmp_path):
    save(tmp_path, track=True)  # as `model.export()` does, keras issue 23553
    faults = find_faults(tmp_path, num_parameters=NUM_WEIGHTS)
    assert "30 weights are stored for a generator of 15" in faults


class Counter(tf.Module):
    """A module whose signature counts its calls."""

    def __init__(self):
        super().__init__()
        self.calls = tf.Variable(0.0)

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def __call__(self, x):
        return {"y": self._count(x)}

    @tf.function
    def _count(self, x):
        self.calls.assign_add(1.0)
        return x + self.calls


def test_a_signature_that_changes_a_variable_is_found(tmp_path):
    module = Counter()
    tf.saved_model.save(module, str(tmp_path), {"serving_default": module.__call__})
    faults = find_faults(tmp_path, num_parameters=1)
    assert any("AssignAddVariableOp changes a weight" in fault for fault in faults)


def test_loading_may_assign(exported):
    graph = describe_graph(exported)
    assert "AssignVariableOp" in graph["operations"]  # it restores the weights
    assert graph["num_variables"] == 14
