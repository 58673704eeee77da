"""Training steps as a GPU would run them: their graphs, read on a machine without one.

Two questions to every operation of a step: has the CUDA build of TensorFlow a kernel
for it, of its types (tests/reference/gpu_kernels.txt), and does it work while
operations have to be deterministic?
"""

import itertools
from pathlib import Path

import pytest
import tensorflow as tf

from gastritis_gan.layers import backend
from gastritis_gan.training import gan_step
from tests.helpers.tiny_run import stages_of

TABLE = Path(__file__).parents[1] / "reference" / "gpu_kernels.txt"

# Refused under op determinism, on a GPU or everywhere. Sources: the messages of the
# CUDA build of TensorFlow 2.21 ("Determinism is not yet supported", "A deterministic
# GPU implementation of ... is not currently available"), the release notes of 2.8; XLA
# refuses gradients of maxima.
REFUSED = {
    "AdjustContrast",
    "AdjustContrastv2",
    "Bincount",
    "CropAndResizeGradBoxes",
    "CropAndResizeGradImage",
    "DebugNumericSummaryV2",
    "DenseBincount",
    "Dilation2DBackpropFilter",
    "Dilation2DBackpropInput",
    "FakeQuantWithMinMaxVarsGradient",
    "FakeQuantWithMinMaxVarsPerChannelGradient",
    "FusedBatchNormGrad",  # these three if `is_training` is false
    "FusedBatchNormGradV2",
    "FusedBatchNormGradV3",
    "MaxPoolGradWithArgmax",
    "ResizeNearestNeighborGrad",
    "SparseTensorDenseMatMul",
    "SoftmaxCrossEntropyWithLogits",
    "SparseSoftmaxCrossEntropyWithLogits",
    "Svd",
    "Timestamp",
    "NonDeterministicInts",
    "MaxPoolGrad",
    "MaxPoolGradGrad",
    "MaxPoolGradGradV2",
    "MaxPoolGradV2",
}
# Deterministic only on the CPU, to which tensors are copied and back, or by another,
# slower kernel: RELEASE.md of 2.8, `DisableScatterOpDeterminism` in the sources.
SLOWED_DOWN = (
    "ResourceScatter",
    "Scatter",
    "Segment",
    "SparseSegment",
    "TensorScatter",
    "UnsortedSegment",
)
# Stateful random numbers: another state, other numbers, after a resume.
STATEFUL = (
    "Multinomial",
    "ParameterizedTruncatedNormal",
    "Random",
    "RngReadAndSkip",
    "Stateful",
    "TruncatedNormal",
)


def is_deterministic(node):
    if node.op.startswith("FusedBatchNormGrad") and node.attr["is_training"].b:
        return True
    return node.op not in REFUSED and not node.op.startswith((*SLOWED_DOWN, *STATEFUL))


@pytest.fixture(scope="module")
def kernels():
    """Of each operation the alternatives, each a mapping from attribute to types."""
    found = {}
    for line in TABLE.read_text("utf-8").splitlines():
        if not line.startswith("#"):
            name, *alternatives = line.split()
            found[name] = [
                {
                    attribute: set(types.split(","))
                    for attribute, _, types in (
                        part.partition("=") for part in text.split(";")
                    )
                }
                for text in alternatives
            ] or [{}]
    return found


def has_kernel(node, kernels):
    return any(
        all(
            tf.as_dtype(node.attr[attribute].type).name in types
            for attribute, types in alternative.items()
        )
        for alternative in kernels.get(node.op, ())
    )


def nodes_of(function, *arguments):
    """All operations of a function, with those of its branches, loops and calls."""
    graph = tf.function(function).get_concrete_function(*arguments).graph
    definition = graph.as_graph_def()
    inner = (node for f in definition.library.function for node in f.node_def)
    return [*definition.node, *inner]


@pytest.fixture
def step_on_a_gpu(monkeypatch):
    """Operations of a training step where layers take a GPU to be there."""
    for module in (backend, gan_step):
        monkeypatch.setattr(module, "trains_on_cpu", lambda dtype: False)

    def step(spec):
        stage = spec.stage
        shape = (stage.batch_size, stage.resolution, stage.resolution, 1)
        patches = (tf.TensorSpec(shape),) * (3 if spec.is_conditional else 1)
        gan = gan_step.build_gan(spec)
        assert gan.spec.compiled == "nothing"
        return nodes_of(gan.train_step, patches)

    return step


def described(nodes):
    return {
        (
            node.op,
            *(
                f"{name}={tf.as_dtype(value.type).name}"
                for name, value in sorted(node.attr.items())
                if value.WhichOneof("value") == "type"
            ),
        )
        for node in nodes
    }


def assert_fit_for_a_gpu(nodes, kernels):
    assert described(n for n in nodes if not has_kernel(n, kernels)) == set()
    assert described(n for n in nodes if not is_deterministic(n)) == set()


AUGMENTED = {"flips": True, "probability": 0.4}
WGAN_GP = {"adversarial_loss": "wgan_gp"}


@pytest.mark.parametrize(
    ("model", "stage_number", "sections", "expected"),
    [
        pytest.param(
            "lc_pggan",
            1,
            {"networks": {"precision": "mixed_float16"}},
            {"Conv2D", "If", "AvgPoolGrad", "ResourceApplyAdam"},
            id="Eq. 5, R1, fade, float16",
        ),
        pytest.param(
            "pggan",
            0,
            {"objective": WGAN_GP, "networks": {"precision": "mixed_bfloat16"}},
            {"Conv2D", "LeakyReluGrad", "ResourceApplyAdam"},
            id="WGAN-GP, bfloat16",
        ),
        pytest.param(
            "dcgan",
            0,
            {"augmentation": AUGMENTED},
            {"Conv2D", "Rsqrt", "Einsum", "ReverseV2"},
            id="DCGAN, DiffAugment, flips",
        ),
    ],
)
def test_a_step(step_on_a_gpu, kernels, model, stage_number, sections, expected):
    nodes = step_on_a_gpu(stages_of(model, **sections)[stage_number])
    assert expected <= {node.op for node in nodes}  # R1 is in a branch of its own
    assert_fit_for_a_gpu(nodes, kernels)


LOSSES = {
    "logistic": {},
    "minimax": {"generator_loss": "minimax"},
    "WGAN-GP": WGAN_GP,
}
WAYS = {
    "plain": {},
    "augmented": {"augmentation": AUGMENTED},
    "in parts, fused, warm-up and decay": {
        "schedule": {"accumulation_steps": 2, "final_resolution": 16},
        "networks": {"fused_scale": True, "mbstd_group_size": 2},
        "optimizer": {"warmup_images": 8, "decay_images": 8},
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize(
    ("model", "loss", "way"),
    [
        *itertools.product(["pggan"], LOSSES, WAYS),
        *itertools.product(["lc_pggan"], ["logistic"], WAYS),
        ("dcgan", "logistic", "plain"),
        ("dcgan", "logistic", "augmented"),
    ],
)
def test_every_stage_of_every_model(
    step_on_a_gpu, kernels, model, loss, way, precision
):
    sections = {"objective": {"lc_resolution": 8, **LOSSES[loss]}, **WAYS[way]}
    networks = {**sections.get("networks", {}), "precision": precision}
    for spec in stages_of(model, **{**sections, "networks": networks}):
        assert_fit_for_a_gpu(step_on_a_gpu(spec), kernels)


def test_what_the_table_finds(kernels):
    """Operations without a kernel, or without one of the type."""

    def function(images, numbers):
        return tf.pow(numbers, 2), tf.pow(images, 2.0), tf.linalg.expm(images)

    images = tf.TensorSpec((4, 4))
    nodes = nodes_of(function, images, tf.TensorSpec((2,), tf.int32))
    missing = described(node for node in nodes if not has_kernel(node, kernels))
    assert missing == {("Pow", "T=int32")}


def test_what_determinism_finds():
    """The first three are in a branch; the last are deterministic."""

    def branch(images):
        flat = tf.reshape(images, (-1,))
        with tf.GradientTape() as tape:
            tape.watch(flat)
            gathered = tf.gather(flat, [0, 0, 1])
        drawn = tf.random.uniform((1,)) + tf.scatter_nd([[0]], [1.0], [1])
        return drawn + tf.reduce_sum(
            tf.convert_to_tensor(tape.gradient(gathered, flat))
        )

    def function(images, condition):
        with tf.GradientTape() as tape:
            tape.watch(images)
            larger = tf.image.resize(images, (8, 8), method="nearest")
        gradient = tape.gradient(larger, images)
        scale = offset = tf.ones(1)
        normalized = tf.compat.v1.nn.fused_batch_norm(images, scale, offset)[0]
        return gradient + normalized, tf.cond(
            condition, lambda: branch(images), lambda: tf.zeros(1)
        )

    nodes = nodes_of(function, tf.TensorSpec((2, 4, 4, 1)), tf.TensorSpec((), tf.bool))
    assert {node.op for node in nodes if not is_deterministic(node)} == {
        "RandomUniform",
        "ResizeNearestNeighborGrad",
        "ScatterNd",
        "UnsortedSegmentSum",
    }
