from __future__ import annotations

import pytest
import tensorflow as tf

from gastritis_gan.layers import convolution
from gastritis_gan.layers.backend import choose_backend, trains_on_cpu
from gastritis_gan.layers.cpu import cpu_convolution as cpu_convolution


def test_training_on_a_cpu_has_functions_of_its_own():
    assert trains_on_cpu("float32")
    assert choose_backend("float32", training=True) is cpu_convolution


@pytest.mark.parametrize(
    ("dtype", "training"), [("float32", False), ("float16", True), ("bfloat16", True)]
)
def test_inference_and_half_precision_are_plain(dtype, training):
    assert choose_backend(dtype, training=training) is convolution


def test_a_gpu_is_plain(monkeypatch):
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["a GPU"])
    assert not trains_on_cpu("float32")
    assert choose_backend("float32", training=True) is convolution
