"""What a run will cost, from a few real steps of every stage."""

from __future__ import annotations

import dataclasses
import functools
import math
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from tqdm import tqdm

from gastritis_gan.progress import progress_bar
from gastritis_gan.store.store import Store
from gastritis_gan.training.distribution import Distribution
from gastritis_gan.training.fit import Task
from gastritis_gan.training.gan_step import GAN, build_gan
from gastritis_gan.training.recipe import StageSpec, make_recipe
from gastritis_gan.training.training_settings import ModelName, Target, TrainingSections

_FEWEST_STEPS = 3  # the first, which traces the graph, then one without R1 and one with
_MOST_STEPS = 33
_SECONDS = 2.0  # per stage, after the first step
_R1_INTERVAL = 2  # of the probe; its times are then weighted by the run's interval

# Arrays as large as the weights: weights, gradients, Adam's two slots, moving average.
_COPIES_OF_GENERATOR = 5
_COPIES_OF_DISCRIMINATOR = 4
_WEIGHT_BYTES = 4
_PER_MULTIPLY_ADD = 2


class StageForecast(NamedTuple):
    """What a stage will cost.

    Attributes:
        row: Of the Markdown table.
        seconds: Of the whole stage.
    """

    row: str
    seconds: float


def forecast(
    sections: TrainingSections, store: Store, *, model: ModelName, target: Target
) -> str:
    """Tries every stage for some seconds and returns a Markdown table.

    Raises:
        InputError: As `fit`.
    """
    stages = forecast_stages(sections, store, model=model, target=target)
    seconds = sum(stage.seconds for stage in stages)
    return "\n".join(
        [
            "| px | phase | batch | weights G + D | GFLOP per image G + D "
            "| memory, estimate | images/s | time |",
            "|--:|:--|--:|--:|--:|--:|--:|--:|",
            *(stage.row for stage in stages),
            "",
            f"Whole schedule: {tqdm.format_interval(seconds)}, without ticks and "
            "checkpoints. The first step of a stage, which traces its graph, is "
            "included; memory is without TensorFlow itself.",
        ]
    )


def forecast_stages(
    sections: TrainingSections,
    store: Store,
    *,
    model: ModelName,
    target: Target,
    first_step: int = 0,
) -> list[StageForecast]:
    """Tries every stage for some seconds.

    Args:
        sections: As of `fit`.
        store: As of `fit`.
        model: As of `fit`.
        target: As of `fit`.
        first_step: Stages before this step of the run are left out: those of another
            run that it branches from.

    Raises:
        InputError: As `fit`.
    """
    recipe = make_recipe(model, sections)
    task = Task(recipe, store, target=target, settings=sections.training)
    distribution = Distribution(sections.training.distribution)
    specs = [spec for spec in recipe.stages if spec.stage.first_step >= first_step]
    for spec in specs:
        distribution.check_batch_size(spec)
    stages = []
    with progress_bar(total=len(specs), description="probe", unit="stage") as bar:
        for spec in specs:
            stages.append(_probe(task, spec, distribution))
            keras.backend.clear_session()
            bar.update()
    return stages


def _probe(task: Task, spec: StageSpec, distribution: Distribution) -> StageForecast:
    stage = spec.stage
    objective = dataclasses.replace(spec.objective, r1_interval_steps=_R1_INTERVAL)
    first_step = stage.first_step + stage.first_step % _R1_INTERVAL
    with distribution.strategy.scope():
        gan = build_gan(dataclasses.replace(spec, objective=objective))
    gan.step.assign(first_step)
    gan.steps_per_execution = 1  # each is timed
    timer = _Timer()
    gan.fit(
        task.dataset(spec, stage.first_step).repeat().take(_MOST_STEPS),
        verbose=0,
        shuffle=False,
        callbacks=[timer],
    )
    first, *others = timer.seconds
    without_r1, with_r1 = (statistics.median(others[i::2]) for i in (0, 1))
    share = 1 / spec.objective.r1_interval_steps
    per_step = without_r1 * (1 - share) + with_r1 * share
    seconds = first + stage.num_steps * per_step
    of_g, of_d = network_costs(gan)
    num_bytes = (
        of_g.activation_bytes
        + 2 * of_d.activation_bytes
        + _WEIGHT_BYTES
        * (
            _COPIES_OF_GENERATOR * of_g.weights
            + _COPIES_OF_DISCRIMINATOR * of_d.weights
        )
    )
    return StageForecast(
        f"| {stage.resolution} | {stage.phase} | {stage.batch_size} "
        f"| {of_g.weights:,} + {of_d.weights:,} "
        f"| {of_g.flops / 1e9:.3f} + {of_d.flops / 1e9:.3f} "
        f"| {num_bytes / 2**20:,.0f} MiB "
        f"| {stage.batch_size / per_step:.1f} | {tqdm.format_interval(seconds)} |",
        seconds,
    )


class NetworkCost(NamedTuple):
    """What a network needs.

    Attributes:
        weights: Number of weights.
        flops: Operations of convolutions and dense layers for one image; a multiply-add
            counts twice.
        activation_bytes: Size of the activations of a batch in training.
    """

    weights: int
    flops: int
    activation_bytes: int


def network_costs(gan: GAN) -> tuple[NetworkCost, NetworkCost]:
    """Returns the costs of the generator and of the discriminator."""
    stage = gan.spec.stage
    alpha = tf.constant(0.5) if stage.transition else None

    def cost(network: keras.Model, *shape: int) -> NetworkCost:
        batch = (stage.batch_size, *shape)
        plain, training = (
            functools.partial(network, alpha=alpha, training=t) for t in (False, True)
        )
        return NetworkCost(
            network.count_params(),
            forward_flops(plain, batch) // stage.batch_size,
            activation_bytes(training, batch),
        )

    return (
        cost(gan.generator, gan.generator.latent_dim),
        cost(gan.discriminator, stage.resolution, stage.resolution, 1),
    )


def forward_flops(function: Callable[..., Any], input_shape: tuple[int, ...]) -> int:
    """Returns the operations of `function` on float32 input, batch first."""
    return sum(map(_flops, _operations(function, input_shape)))


def activation_bytes(function: Callable[..., Any], input_shape: tuple[int, ...]) -> int:
    """Returns the size of all tensors that have the batch as first dimension."""
    return sum(
        tensor.dtype.size * math.prod(tensor.shape)
        for operation in _operations(function, input_shape)
        for tensor in operation.outputs
        if tensor.shape.rank and tensor.shape[0] == input_shape[0]
    )


def _operations(function: Callable[..., Any], input_shape: tuple[int, ...]) -> Any:
    traced = tf.function(function).get_concrete_function(tf.TensorSpec(input_shape))
    return traced.graph.get_operations()


class _Timer(keras.callbacks.Callback):
    """Times steps until there is time for no more."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self._last = 0.0

    def on_train_begin(self, logs: Any = None) -> None:
        self._last = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        now = time.monotonic()
        self.seconds.append(now - self._last)
        self._last = now
        if len(self.seconds) >= _FEWEST_STEPS and sum(self.seconds[1:]) > _SECONDS:
            self.model.stop_training = True


def _flops(operation: Any) -> int:
    if operation.type == "Conv2D":
        kernel = operation.inputs[1].shape  # [height, width, in, out]
        multiply_adds = math.prod(operation.outputs[0].shape) * math.prod(kernel[:3])
    elif operation.type == "Conv2DBackpropInput":  # a transposed convolution
        kernel = operation.inputs[1].shape  # [height, width, out, in]
        multiply_adds = math.prod(operation.inputs[2].shape) * math.prod(kernel[:3])
    elif operation.type == "MatMul":
        inner = operation.inputs[0].shape[0 if operation.get_attr("transpose_a") else 1]
        multiply_adds = math.prod(operation.outputs[0].shape) * inner
    else:
        return 0
    return _PER_MULTIPLY_ADD * int(multiply_adds)
