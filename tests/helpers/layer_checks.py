"""What every layer must be able to do."""

from __future__ import annotations

import inspect
import json
import warnings

import keras
import numpy as np
import tensorflow as tf


def check_layer(layer, *inputs, expected_shape, num_weights, folder):
    """Builds, calls, describes, saves and loads a layer of one or several inputs.

    Args:
        layer: Unbuilt layer.
        *inputs: Arrays; more than one are passed as a list, with `alpha=0.3`.
        expected_shape: Of the output.
        num_weights: Number of arrays that the layer holds.
        folder: Receives the saved model.
    """
    call_arguments = {} if len(inputs) == 1 else {"alpha": 0.3}
    data = _one_or_list(inputs)
    outputs = layer(data, **call_arguments)
    assert tuple(outputs.shape) == expected_shape
    assert outputs.dtype == layer.compute_dtype == "float32"
    assert len(layer.weights) == len(layer.trainable_weights) == num_weights

    config = layer.get_config()
    twin = type(layer).from_config(json.loads(json.dumps(config)))
    assert twin.get_config() == config
    for argument in own_arguments(type(layer)):
        assert getattr(layer, argument) == config[argument]

    symbolic = [keras.Input(array.shape[1:]) for array in inputs]
    spec = layer(_one_or_list(symbolic), **call_arguments)
    assert tuple(spec.shape) == (None, *expected_shape[1:])
    model = keras.Model(_one_or_list(symbolic), spec)
    loaded = save_and_load(model, folder)
    np.testing.assert_array_equal(loaded(data), outputs)

    half = type(layer).from_config({**config, "dtype": "mixed_float16"})
    half_outputs = half(data, **call_arguments)
    assert half_outputs.dtype == tf.float16
    assert np.isfinite(half_outputs).all()

    with tf.GradientTape() as outer:
        watched = [tf.constant(array) for array in inputs]
        outer.watch(watched)
        with tf.GradientTape() as inner:
            inner.watch(watched)
            again = layer(_one_or_list(watched), **call_arguments)
            total = tf.reduce_sum(tf.square(again))
        gradients = inner.gradient(total, watched)
        norm = sum(tf.reduce_sum(tf.square(gradient)) for gradient in gradients)
    for gradient in outer.gradient(norm, watched):  # of second order, as WGAN-GP needs
        assert np.isfinite(gradient).all()


def _one_or_list(tensors):
    return tensors[0] if len(tensors) == 1 else list(tensors)


def save_and_load(model, folder):
    with warnings.catch_warnings():
        # Keras 3.15 saves variables through an `__array__` that NumPy 2.4 deprecates.
        warnings.filterwarnings("ignore", "__array__", DeprecationWarning)
        model.save(folder / "model.keras")
        return keras.saving.load_model(folder / "model.keras")


def own_arguments(layer_class):
    """Returns the names of the arguments that this project's classes add."""
    return [
        parameter.name
        for ancestor in layer_class.__mro__
        if ancestor.__module__.startswith("gastritis_gan")
        and "__init__" in vars(ancestor)
        for parameter in inspect.signature(ancestor).parameters.values()
        if parameter.kind != parameter.VAR_KEYWORD
    ]
