"""One stage of a run as a Keras model with its own training step."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from gastritis_gan import rng
from gastritis_gan.layers.backend import trains_on_cpu
from gastritis_gan.models.network import get_weights_by_name, set_weights_by_name
from gastritis_gan.training.augmentation import (
    NUM_FACTORS,
    Augmentation,
    flip_horizontally,
)
from gastritis_gan.training.checkpoint import (
    NETWORKS,
    OPTIMIZERS,
    Arrays,
    TrainingState,
)
from gastritis_gan.training.losses import Objective, fade_real_images
from gastritis_gan.training.micro_batches import (
    map_micro_batches,
    mean_over_micro_batches,
)
from gastritis_gan.training.monitor import RunningMeans
from gastritis_gan.training.optimizer import (
    LossScale,
    ReplicatedAdam,
    gradient_norm,
    update_ema,
)
from gastritis_gan.training.recipe import Compiled, StageSpec

_Gradients = tuple[list[tf.Tensor], list[tf.Tensor]]  # and what else was computed
_Draws = dict[str, tf.Tensor]  # all random numbers of a step, by purpose

_NOT_STATE = "learning_rate"  # comes from the recipe


class GAN(keras.Model):
    """Trains a generator and a discriminator of one stage.

    Both networks learn from the same samples: first the discriminator, then the
    generator from what the discriminator has become.

    A step draws everything from (seed, global step), so that a run can be continued at
    any step. Under a strategy each replica takes its rows of the global draw; two
    replicas see the latents that one device would have seen.

    A step whose loss or gradient is not finite is skipped: no weight, average or
    optimizer slot changes, only `step` advances. If the discriminator's is at fault,
    the generator's update is left out too; if only the generator's is, the
    discriminator has been updated by then and stays so.

    Args:
        spec: The stage.

    Training data: tuples of float32 `(batch, resolution, resolution, 1)` in [-1, 1]:
    the real patches, then any conditional negatives, which are judged as fake.

    Attributes:
        generator: Generator of the stage.
        discriminator: Discriminator of the stage.
        generator_ema: Like `generator`; receives the moving average of its weights.
        step: Global step, the number of steps that were begun.
        consecutive_skips: How many steps in a row were skipped until now. Overflows
            that a lower loss scale may cure do not count. Once there are too many, a
            step that is done does not reset it.
    """

    def __init__(self, spec: StageSpec) -> None:
        super().__init__()
        self.spec = spec
        self.generator = spec.generator(spec.precision)
        self.discriminator = spec.discriminator()
        self.generator_ema = spec.generator()
        self.objective = Objective(spec.objective, spec.r1_weight)
        self.augmentation = Augmentation(
            spec.augmentation.probability, spec.augmentation.transforms
        )
        self.step = _counter("step", spec.stage.first_step)
        self.consecutive_skips = _counter("consecutive_skips", 0)
        self.running_means = RunningMeans()
        self.loss_scale = LossScale() if spec.precision == "mixed_float16" else None
        self.built = True  # without call(), fit() takes the model for unbuilt

    def compile(self, *, steps_per_execution: int = 1) -> None:
        """Makes the optimizers, built for the networks' trainable weights."""
        super().compile(
            steps_per_execution=steps_per_execution,
            jit_compile=False,  # the specification decides what is compiled
        )
        self.d_optimizer = ReplicatedAdam(**dataclasses.asdict(self.spec.d_adam))
        self.g_optimizer = ReplicatedAdam(**dataclasses.asdict(self.spec.g_adam))
        self.d_optimizer.build(self.discriminator.trainable_variables)
        self.g_optimizer.build(self.generator.trainable_variables)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return [self.running_means]

    @property
    def num_steps_done(self) -> int:
        """Steps since the start of the run."""
        return int(self.step.numpy())

    @property
    def counters(self) -> list[keras.Variable]:
        """What a resumed run needs besides weights and slots."""
        counters = [self.consecutive_skips]
        if self.loss_scale is not None:
            counters += self.loss_scale.variables
        return counters

    def train_step(self, data: tuple[tf.Tensor, ...]) -> dict[str, tf.Tensor]:
        step = tf.identity(self.step)
        self.step.assign_add(1)
        # XLA would draw other numbers, so all are drawn here.
        context = self._context(step, data)
        do_step: Callable[..., dict[str, tf.Tensor]] = self._do_step
        if self.spec.compiled == "step":
            do_step = tf.function(do_step, jit_compile=True, autograph=False)
        return do_step(data, context)

    def _do_step(
        self, data: tuple[tf.Tensor, ...], context: _Context
    ) -> dict[str, tf.Tensor]:
        statistics = [  # they change while gradients are computed
            *self.generator.non_trainable_variables,
            *self.discriminator.non_trainable_variables,
        ]
        before = [tf.identity(variable) for variable in statistics]
        sets = self._discriminator_sets(data, context)
        generated, tape = self._generated(context)

        d_gradients, d_results = self._discriminator_gradients(sets, generated, context)
        if self.objective.uses_r1:
            r1_gradients = self._r1_gradients(sets[0], context)
            d_gradients = [
                a + b for a, b in zip(d_gradients, r1_gradients, strict=True)
            ]
        d_gradients, d_results = self._over_replicas(d_gradients, d_results, context)
        d_norm = gradient_norm(d_gradients)
        d_finite = _finite(d_norm, *d_results)
        self.d_optimizer.apply_if(
            d_finite,
            d_gradients,
            self.discriminator.trainable_variables,
            context.rate_share,
        )

        g_gradients, g_results = self._generator_gradients(generated, tape, context)
        g_gradients, g_results = self._over_replicas(g_gradients, g_results, context)
        g_norm = gradient_norm(g_gradients)
        finite = d_finite & _finite(g_norm, *g_results)
        self.g_optimizer.apply_if(
            finite,
            g_gradients,
            self.generator.trainable_variables,
            context.rate_share,
        )
        update_ema(
            self.generator_ema.weights,
            self.generator.weights,
            decay=self.spec.ema_decay,
            condition=finite,
        )

        for variable, value in zip(statistics, before, strict=True):
            variable.assign(tf.where(finite, variable, value))
        d_loss, *scores = d_results
        self._count(finite, context)
        values = tf.stack([d_loss, *g_results, *scores, d_norm, g_norm])  # as MEANS
        self.running_means.update_state(values, finite)
        return self._results()

    def _maybe_symbolic_build(
        self, iterator: Any = None, data_batch: Any = None
    ) -> None:
        # Keras' own would average a batch over the workers, which fails for a tuple.
        # All is built: the networks when they are made, the optimizers by compile().
        pass

    def _results(self) -> dict[str, tf.Tensor]:
        results = self.running_means.result()
        if isinstance(
            self.distribute_strategy, tf.distribute.MultiWorkerMirroredStrategy
        ):  # Keras averages over the first axis there (keras issue 20585)
            return {name: result[None] for name, result in results.items()}
        return results

    def _context(self, step: tf.Tensor, data: tuple[tf.Tensor, ...]) -> _Context:
        alpha = None
        if self.spec.stage.transition:
            images = (step - self.spec.stage.first_step) * self.spec.stage.batch_size
            alpha = tf.cast(images / self.spec.stage.num_images, tf.float32)
        return _Context(
            step=step,
            alpha=alpha,
            rate_share=self.spec.rates.share_at(step),
            draws=self._draws(step, data),
            loss_scale=1.0 if self.loss_scale is None else self.loss_scale.value,
        )

    def _draws(self, step: tf.Tensor, data: tuple[tf.Tensor, ...]) -> _Draws:
        """Draws for the global batch and returns this replica's own rows.

        So two replicas see what one device would have seen.
        """
        num_rows = tf.shape(data[0])[0]
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group

        def draw(distribution: Callable[..., Any], purpose: str, *shape: int) -> Any:
            rows = distribution(
                (self.spec.stage.batch_size, *shape),
                seed=tf.stack([tf.constant(self._seed_word(purpose), tf.int64), step]),
                alg="philox",
            )
            return rows[replica * num_rows :][:num_rows]

        sets = range(len(data))
        shapes: dict[str, tuple[int, ...]] = {}
        if self.objective.is_wgan_gp:
            shapes["mixing_factors"] = (1, 1, 1)
        if self.spec.augmentation.flips:
            shapes |= {f"flips.{number}": () for number in sets}
        if self.augmentation.is_used:
            purposes = ["augmented_d_fake", "augmented_g_fake"]
            purposes += [f"augmented_set.{number}" for number in sets]
            shapes |= dict.fromkeys(purposes, (NUM_FACTORS,))
        draws = {
            purpose: draw(tf.random.stateless_uniform, purpose, *shape)
            for purpose, shape in shapes.items()
        }
        latent_dim = self.generator.latent_dim
        draws["latents"] = draw(tf.random.stateless_normal, "latents", latent_dim)
        return draws

    def _seed_word(self, purpose: str) -> int:
        """Returns the first word of a draw's seed; the second is the step."""
        words = rng.stateless_seed(self.spec.seed, f"training.{purpose}")
        return int(words.view(np.int64)[0])

    def _discriminator_sets(
        self, data: tuple[tf.Tensor, ...], context: _Context
    ) -> list[tf.Tensor]:
        """Returns the sets of patches as the discriminator is to see them."""
        sets = []
        for number, images in enumerate(data):
            if context.alpha is not None:
                images = fade_real_images(images, context.alpha)
            if self.spec.augmentation.flips:
                factors = context.draws[f"flips.{number}"]
                images = flip_horizontally(images, factors)
            if self.augmentation.is_used:
                factors = context.draws[f"augmented_set.{number}"]
                images = self.augmentation(images, factors)
            sets.append(images)
        return sets

    def _generated(self, context: _Context) -> tuple[tf.Tensor, tf.GradientTape | None]:
        """Returns the step's samples, which both networks learn from.

        With them comes the tape of their computation; None: it is to be done again.
        """
        latents = context.draws["latents"]
        if self.spec.num_micro_batches > 1 or self.spec.compiled == "gradients":
            # Parts of a step are computed apart, with no tape across them.
            images = map_micro_batches(
                self._compiled(
                    lambda latents: self.generator(
                        latents, alpha=context.alpha, training=True
                    )
                ),
                latents,
                num_micro_batches=self.spec.num_micro_batches,
            )
            return images, None
        with tf.GradientTape() as tape:
            images = self.generator(latents, alpha=context.alpha, training=True)
        return images, tape

    def _discriminator_gradients(
        self, sets: list[tf.Tensor], fake: tf.Tensor, context: _Context
    ) -> _Gradients:
        """Returns gradients, then the loss and the scores' means and mean squares."""
        weights = self.discriminator.trainable_variables

        def compute(rows: dict[str, Any]) -> Any:
            real, *negatives = rows["sets"]
            fake = self._augmented(rows["fake"], rows.get("augmented_d_fake"))
            with tf.GradientTape() as tape:
                loss, real_scores, fake_scores = self.objective.discriminator_loss(
                    self._discriminator_at(context),
                    (real, fake, *negatives),
                    rows.get("mixing_factors"),
                    context.loss_scale,
                )
                scaled_loss = loss * context.loss_scale
            scores = (real_scores, fake_scores)
            means = [tf.reduce_mean(s) for s in scores]
            squares = [tf.reduce_mean(tf.square(s)) for s in scores]
            return tape.gradient(scaled_loss, weights), [loss, *means, *squares]

        rows: dict[str, Any] = {"sets": sets, "fake": fake}
        for purpose in ("mixing_factors", "augmented_d_fake"):
            if purpose in context.draws:
                rows[purpose] = context.draws[purpose]
        like = (weights, [tf.constant(0.0)] * 5)
        gradients: _Gradients = self._over_parts(compute, rows, like)
        return gradients

    def _r1_gradients(self, real: tf.Tensor, context: _Context) -> list[tf.Tensor]:
        weights = [v.value for v in self.discriminator.trainable_variables]

        def compute(real: tf.Tensor) -> list[tf.Tensor]:
            with tf.GradientTape() as tape:
                loss = self.objective.r1_loss(
                    self._discriminator_at(context), real, context.loss_scale
                )
                scaled_loss = loss * context.loss_scale
            # Adding a bias does not change dD/dx: no gradient there, hence zeros.
            gradients: list[tf.Tensor] = tape.gradient(
                scaled_loss, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO
            )
            return gradients

        due: list[tf.Tensor] = tf.cond(
            tf.equal(context.step % self.spec.objective.r1_interval_steps, 0),
            lambda: self._over_parts(compute, real, weights),
            lambda: [tf.zeros_like(weight) for weight in weights],
        )
        return due

    def _generator_gradients(
        self,
        generated: tf.Tensor,
        tape: tf.GradientTape | None,
        context: _Context,
    ) -> _Gradients:
        """Returns gradients, then the loss alone."""
        weights = self.generator.trainable_variables

        def loss_of(fake: tf.Tensor, factors: Any) -> tf.Tensor:
            scores = self._discriminator_at(context)(self._augmented(fake, factors))
            return self.objective.generator_loss(scores)

        factors = context.draws.get("augmented_g_fake")
        if tape is not None:
            with tf.GradientTape() as tape_of_loss:
                tape_of_loss.watch(generated)
                loss = loss_of(generated, factors)
                scaled_loss = loss * context.loss_scale
            upstream = tape_of_loss.gradient(scaled_loss, generated)
            return tape.gradient(generated, weights, output_gradients=upstream), [loss]

        def compute(rows: dict[str, Any]) -> Any:
            with tf.GradientTape() as tape:
                fake = self.generator(
                    rows["latents"], alpha=context.alpha, training=True
                )
                loss = loss_of(fake, rows.get("augmented_g_fake"))
                scaled_loss = loss * context.loss_scale
            return tape.gradient(scaled_loss, weights), [loss]

        rows = {"latents": context.draws["latents"]}
        if factors is not None:
            rows["augmented_g_fake"] = factors
        like = (weights, [tf.constant(0.0)])
        gradients: _Gradients = self._over_parts(compute, rows, like)
        return gradients

    def _augmented(self, images: tf.Tensor, factors: tf.Tensor | None) -> tf.Tensor:
        return images if factors is None else self.augmentation(images, factors)

    def _discriminator_at(self, context: _Context) -> Callable[..., Any]:
        """Returns images, number of sets -> scores."""
        return lambda images, num_sets=1: self.discriminator(
            images, alpha=context.alpha, training=True, num_sets=num_sets
        )

    def _over_parts(self, compute: Callable[..., Any], rows: Any, like: Any) -> Any:
        return mean_over_micro_batches(
            self._compiled(compute),
            rows,
            num_micro_batches=self.spec.num_micro_batches,
            like=like,
        )

    def _compiled(self, compute: Callable[..., Any]) -> Callable[..., Any]:
        if self.spec.compiled != "gradients":
            return compute
        compiled: Callable[..., Any] = tf.function(
            compute, jit_compile=True, autograph=False
        )
        return compiled

    def _over_replicas(
        self, gradients: list[tf.Tensor], results: list[tf.Tensor], context: _Context
    ) -> _Gradients:
        """Returns the means over replicas, gradients without the loss scale."""
        if self.loss_scale is not None:
            gradients = [gradient / context.loss_scale for gradient in gradients]
        if self.distribute_strategy.num_replicas_in_sync == 1:
            return gradients, results
        means: _Gradients = tf.distribute.get_replica_context().all_reduce(
            tf.distribute.ReduceOp.MEAN, (gradients, results)
        )
        return means

    def _count(self, finite: tf.Tensor, context: _Context) -> None:
        skips = tf.identity(self.consecutive_skips)
        more = tf.where(context.loss_scale > 1.0, skips, skips + 1)
        fewer = tf.where(skips > self.spec.max_skipped_steps, skips, 0)
        self.consecutive_skips.assign(tf.where(finite, fewer, more))
        if self.loss_scale is not None:
            self.loss_scale.update(finite)


class _Context(NamedTuple):
    """What a step knows before it computes anything."""

    step: tf.Tensor
    alpha: tf.Tensor | None
    rate_share: tf.Tensor | float
    draws: _Draws
    loss_scale: Any


def _counter(name: str, value: int) -> keras.Variable:
    return keras.Variable(value, trainable=False, dtype="int64", name=name)


def _finite(*numbers: tf.Tensor) -> tf.Tensor:
    return tf.reduce_all(tf.math.is_finite(tf.stack(numbers)))


def build_gan(spec: StageSpec, state: TrainingState | None = None) -> GAN:
    """Returns the compiled model of a stage, continuing from `state`.

    Weights are carried over by name: layers that are new keep their seeded initial
    values, layers that have faded out are left behind. At a new resolution both
    optimizers start afresh (as in the original), or keep what they know of the layers
    that stay (`optimizer.at_growth`); within one they continue.

    Args:
        spec: The stage to train.
        state: Where the run stands; None at its start.
    """
    spec = dataclasses.replace(spec, compiled=_compiled_here(spec))
    gan = GAN(spec)
    first_step = spec.stage.first_step if state is None else state.step
    if tf.distribute.has_strategy():
        gan.compile()  # replicas cannot add up within a loop of TensorFlow's
    else:
        gan.compile(steps_per_execution=spec.steps_per_call(first_step))
    if state is None:
        return gan
    for network in NETWORKS:
        set_weights_by_name(getattr(gan, network), state.weights[network], partial=True)
    if spec.keeps_slots or state.resolution == spec.stage.resolution:
        for name in OPTIMIZERS:
            _set_slots(getattr(gan, name), state.slots[name])
    gan.step.assign(state.step)
    for variable in gan.counters:
        variable.assign(state.metrics[variable.name])
    return gan


def restore_metrics(gan: GAN, state: TrainingState) -> None:
    """Continues the running means; for after `fit()` has reset them."""
    for variable in gan.running_means.variables:
        variable.assign(state.metrics[variable.name])


def capture_state(gan: GAN, step: int) -> TrainingState:
    """Returns copies of all that `build_gan` needs to continue after `step`."""
    return TrainingState(
        step=step,
        resolution=gan.spec.stage.resolution,
        weights={name: get_weights_by_name(getattr(gan, name)) for name in NETWORKS},
        slots={name: _get_slots(getattr(gan, name)) for name in OPTIMIZERS},
        metrics={
            variable.name: variable.numpy()
            for variable in (*gan.running_means.variables, *gan.counters)
        },
    )


def _compiled_here(spec: StageSpec) -> Compiled:
    """Returns what XLA compiles on this machine and under this strategy."""
    is_slower = tf.distribute.has_strategy() or not trains_on_cpu(spec.precision)
    return "nothing" if spec.compiled == "step" and is_slower else spec.compiled


def _get_slots(optimizer: keras.optimizers.Optimizer) -> Arrays:
    return {
        _slot_name(variable): np.asarray(variable)
        for variable in optimizer.variables
        if variable.name != _NOT_STATE
    }


def _set_slots(optimizer: keras.optimizers.Optimizer, slots: Arrays) -> None:
    for variable in optimizer.variables:
        name = _slot_name(variable)
        if variable.name != _NOT_STATE and name in slots:  # a new layer has none yet
            variable.assign(slots[name])


def _slot_name(variable: keras.Variable) -> str:
    path: str = variable.path
    return path.partition("/")[2]  # without the optimizer's own, numbered name
