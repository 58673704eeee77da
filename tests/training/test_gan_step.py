import collections
import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from gastritis_gan import rng
from gastritis_gan.models.network import get_weights_by_name
from gastritis_gan.training.gan_step import build_gan, capture_state
from gastritis_gan.training.recipe import RateSchedule
from tests.helpers.tiny_run import stages_of

STABLE_4, TRANSITION_8, STABLE_8 = stages_of("pggan")
CONDITIONAL_8 = stages_of("lc_pggan")[-1]
NETWORKS = ("generator", "discriminator", "generator_ema")


def images(resolution, count=1):
    generator = np.random.default_rng(5)
    shape = (count, 4, resolution, resolution, 1)
    return tuple(
        tf.constant(x) for x in generator.uniform(-1, 1, shape).astype("float32")
    )


def weights_of(model):
    return {name: get_weights_by_name(getattr(model, name)) for name in NETWORKS}


def softplus(x):
    return tf.math.log(1.0 + tf.exp(x))


def latents(step):
    """The documented draw: Philox, key (purpose, step) as two int64; the seed is 3."""
    purpose = int(rng.stateless_seed(3, "training.latents").view(np.int64)[0])
    return tf.random.stateless_normal((4, 8), seed=(purpose, step), alg="philox")


def expected_step(model, real, *, step, r1):
    """One step by hand: plain gradients of Eq. 2, plain Adam with beta_1 = 0."""
    d_weights = [v.value for v in model.discriminator.trainable_variables]
    g_weights = [v.value for v in model.generator.trainable_variables]
    fake = model.generator(latents(step))
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(softplus(-model.discriminator(real)))
        loss += tf.reduce_mean(softplus(model.discriminator(fake)))
        with tf.GradientTape() as inner:
            inner.watch(real)
            total = tf.reduce_sum(model.discriminator(real))
        squares = tf.square(inner.gradient(total, real))
        penalty = tf.reduce_mean(tf.reduce_sum(squares, axis=(1, 2, 3)))
        gamma = 0.0002 * 4**2 / 4
        total_loss = loss + (r1 * 0.5 * gamma * 2) * penalty  # every 2nd step, doubled
    d_after = adam(d_weights, tape.gradient(total_loss, d_weights))
    for weight, value in zip(d_weights, d_after, strict=True):
        weight.assign(value)
    with tf.GradientTape() as tape:
        scores = model.discriminator(model.generator(latents(step)))  # the same
        g_loss = tf.reduce_mean(softplus(-scores))
    return d_after, adam(g_weights, tape.gradient(g_loss, g_weights)), loss, g_loss


def adam(weights, gradients):
    """First step: m = g, v = 0.01 g^2, bias corrections, epsilon 1e-8 (epsilon-hat)."""
    rate = 0.001 * np.sqrt(1 - 0.99)
    return [
        w - rate * g / (tf.sqrt(0.01 * tf.square(g)) + 1e-8)
        for w, g in zip(weights, gradients, strict=True)
    ]


def test_a_step_is_the_step_worked_by_hand():
    model, by_hand = build_gan(STABLE_4), build_gan(STABLE_4)
    before = weights_of(model)
    real = images(4)
    logs = model.train_step(real)
    d_after, g_after, d_loss, g_loss = expected_step(by_hand, real[0], step=0, r1=True)
    for actual, expected in zip(
        model.discriminator.trainable_variables, d_after, strict=True
    ):
        np.testing.assert_allclose(actual, expected, atol=2e-6)
    for actual, expected in zip(
        model.generator.trainable_variables, g_after, strict=True
    ):
        np.testing.assert_allclose(actual, expected, atol=2e-6)
    assert float(logs["d_loss"]) == pytest.approx(float(d_loss), rel=1e-5)
    assert float(logs["g_loss"]) == pytest.approx(float(g_loss), rel=1e-5)
    after = weights_of(model)
    for name, old in before["generator_ema"].items():
        decay = 0.5 ** (4 / 26)
        expected = decay * old + (1 - decay) * after["generator"][name]
        np.testing.assert_allclose(after["generator_ema"][name], expected, atol=1e-6)


def test_a_share_of_the_rate_moves_every_weight_by_that_share():
    def moves(rates):
        model = build_gan(dataclasses.replace(STABLE_4, rates=rates))
        before = weights_of(model)["discriminator"]
        model.train_step(images(4))
        after = weights_of(model)["discriminator"]
        return {name: after[name] - before[name] for name in before}

    whole, quarter = moves(RateSchedule()), moves(RateSchedule(warmup_steps=4))
    assert max(abs(move).max() for move in whole.values()) > 1e-5
    for name, move in whole.items():
        np.testing.assert_allclose(quarter[name], move / 4, atol=1e-6)


def test_conditional_negatives_change_the_discriminator_only_through_lambda():
    real, negative, outside = images(8, count=3)
    plain = discriminator_gradients(STABLE_8, real)
    conditional = discriminator_gradients(CONDITIONAL_8, real, negative, outside)
    discriminator = build_gan(CONDITIONAL_8).discriminator
    weights = [v.value for v in discriminator.trainable_variables]
    with tf.GradientTape() as tape:
        terms = tf.reduce_mean(softplus(discriminator(negative)))
        terms += tf.reduce_mean(softplus(discriminator(outside)))
        terms *= 0.5  # lambda, by default
    for difference, expected in zip(
        [c - p for c, p in zip(conditional, plain, strict=True)],
        tape.gradient(terms, weights),
        strict=True,
    ):
        np.testing.assert_allclose(difference, expected, atol=1e-5)


def discriminator_gradients(spec, *sets):
    """Adam's means after the first step: with beta_1 = 0 they are its gradients."""
    model = build_gan(spec)
    model.train_step(sets)
    slots = capture_state(model, 1).slots["d_optimizer"]
    return [slot for name, slot in slots.items() if name.endswith("_momentum")]


def test_at_alpha_zero_the_new_block_gets_no_gradient():
    """The first step of a transition trains what the lower resolution trained."""
    model = build_gan(TRANSITION_8)
    before = weights_of(model)
    model.train_step(images(8))
    after = weights_of(model)
    for network, name, changes in (
        ("generator", "8x8_conv0/kernel", False),
        ("generator", "to_rgb_8x8/kernel", False),
        ("generator", "to_rgb_4x4/kernel", True),
        ("discriminator", "from_rgb_8x8/kernel", False),
        ("discriminator", "from_rgb_4x4/kernel", True),
    ):
        changed = np.any(before[network][name] != after[network][name])
        assert changed == changes, name


def test_metrics_are_reset_with_the_model():
    model = build_gan(STABLE_4)
    logs = model.train_step(images(4))
    assert set(logs) == {
        "d_loss",
        "g_loss",
        "real_scores",
        "real_scores_std",
        "fake_scores",
        "fake_scores_std",
        "d_gradient_norm",
        "g_gradient_norm",
        "skipped_steps",
    }
    assert np.isfinite([float(value) for value in logs.values()]).all()
    model.reset_metrics()
    logs = model.running_means.result()
    assert float(logs.pop("skipped_steps")) == 0
    assert np.isnan([float(value) for value in logs.values()]).all()  # of no step


def stepped(spec, *, steps=2, **changes):
    """Weights and the last logs after steps in a graph on the same batch."""
    gan = build_gan(spec)
    gan.spec = dataclasses.replace(gan.spec, **changes)
    step = tf.function(gan.train_step)
    for _ in range(steps):
        logs = step(
            images(spec.stage.resolution, count=3 if spec.is_conditional else 1)
        )
    return weights_of(gan), {name: float(value) for name, value in logs.items()}


def assert_close(left, right, *, atol):
    for network, arrays in left.items():
        for name, array in arrays.items():
            np.testing.assert_allclose(array, right[network][name], atol=atol)


@pytest.mark.parametrize(
    ("objective", "model", "stage_number"),
    [
        ({"adversarial_loss": "wgan_gp"}, "pggan", 0),
        pytest.param({}, "lc_pggan", 1, marks=pytest.mark.slow),
    ],
)
def test_a_batch_in_parts_is_the_batch(objective, model, stage_number):
    """Groups of one, so that the minibatch deviation of a part is that of the whole."""
    changes = {"objective": objective, "networks": {"mbstd_group_size": 1}}
    whole = stages_of(model, **changes)[stage_number]
    parts = stages_of(model, **changes, schedule={"accumulation_steps": 4})[
        stage_number
    ]
    weights, logs = stepped(whole)
    weights_of_parts, logs_of_parts = stepped(parts)
    assert_close(weights_of_parts, weights, atol=1e-5)
    assert logs_of_parts == pytest.approx(logs, rel=1e-4, abs=1e-5)


def test_bfloat16_trains_like_float32_but_for_its_digits():
    """Eight bits of mantissa: losses to a hundredth, norms of gradients to a tenth."""
    _, logs = stepped(STABLE_4, steps=1)
    (bfloat16, *_) = stages_of(networks={"precision": "mixed_bfloat16"})
    _, coarse = stepped(bfloat16, steps=1)
    assert logs != coarse
    for name, tolerance in (
        ("d_loss", 0.01),
        ("g_loss", 0.01),
        ("d_gradient_norm", 0.1),
        ("g_gradient_norm", 0.1),
    ):
        assert coarse[name] == pytest.approx(logs[name], rel=tolerance)


@pytest.mark.slow
def test_xla_changes_the_order_of_sums_only():
    weights, logs = stepped(STABLE_4, steps=3)
    (jit_compiled, *_) = stages_of(networks={"jit_compile": True})
    compiled, compiled_logs = stepped(jit_compiled, steps=3)
    assert_close(compiled, weights, atol=1e-5)
    assert compiled_logs == pytest.approx(logs, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(
    "stage_number",
    [pytest.param(0, id="4 px"), pytest.param(2, id="8 px", marks=pytest.mark.slow)],
)
def test_a_step_that_xla_compiles_is_the_step(stage_number):
    spec = stages_of(
        objective={"adversarial_loss": "wgan_gp"}, augmentation={"flips": True}
    )[stage_number]
    weights, logs = stepped(spec, steps=3)
    compiled, compiled_logs = stepped(spec, steps=3, compiled="step")
    assert_close(compiled, weights, atol=1e-4)
    assert compiled_logs == pytest.approx(logs, rel=1e-3, abs=1e-4)


def compiled_of(stage_number=0, model="pggan", **sections):
    sections = {"objective": {"adversarial_loss": "wgan_gp"}, **sections}
    schedule = {"stable_images": 12_000, "transition_images": 12_000}
    sections["schedule"] = {**schedule, **sections.get("schedule", {})}
    return build_gan(stages_of(model, **sections)[stage_number]).spec.compiled


def test_what_xla_compiles():
    """The whole step of stages of 3,000 steps of WGAN-GP at 4 and 8 pixels."""
    assert [compiled_of(number) for number in range(3)] == ["step"] * 3
    assert compiled_of(networks={"jit_compile": True}) == "gradients"
    for others in (
        {"stage_number": 3, "schedule": {"final_resolution": 16}},
        {"schedule": {"stable_images": 11_996}},
        {"schedule": {"accumulation_steps": 2}},
        {"objective": {}},
        {"networks": {"precision": "mixed_bfloat16"}},
        {"augmentation": {"probability": 0.2}},
    ):
        assert compiled_of(**others) == "nothing", others
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        assert compiled_of() == "nothing"


def real_score(spec, step):
    """Mean score, before the update, of real patches as the discriminator sees them."""
    gan = build_gan(spec)
    gan.step.assign(step)
    return float(gan.train_step(images(spec.stage.resolution))["real_scores"])


def test_flips_and_augmentation_change_what_the_discriminator_sees():
    (spec, *_) = stages_of(augmentation={"flips": True, "probability": 0.4})
    first, again, next_step = (real_score(spec, step) for step in (0, 0, 1))
    assert first == again != next_step  # a function of seed and step


@pytest.mark.parametrize("spec", [STABLE_4, STABLE_8], ids=["4 px", "8 px"])
def test_a_stable_stage_sees_the_patches_as_they_are(spec):
    scores = build_gan(spec).discriminator(*images(spec.stage.resolution))
    for step in (0, 1):
        assert real_score(spec, spec.stage.first_step + step) == pytest.approx(
            float(tf.reduce_mean(scores)), rel=1e-5, abs=1e-6
        )


def operations(r1_weight):
    """How often a stable step at 4 pixels runs each operation, outside of branches."""
    gan = build_gan(stages_of(objective={"r1_weight": r1_weight})[0])
    graph = tf.function(gan.train_step).get_concrete_function(images(4)).graph
    found, waiting = set(), [t.op for t in graph.outputs] + list(graph.control_outputs)
    while waiting:
        operation = waiting.pop()
        if operation not in found:
            found.add(operation)
            waiting += [t.op for t in operation.inputs] + list(operation.control_inputs)
    return collections.Counter(operation.type for operation in found)


def test_a_step_computes_what_its_loss_needs():
    """Counted by hand; each network has two convolutions at 4 pixels.

    Logistic loss alone, discriminator's step: G(z), D of x and G(z) together; backward
    through D, not to the images. Generator's step: D(G(z)); backward through D to the
    images without its weights, and through G. XLA has the gradients of weights of the
    convolutions of 3 x 3 pixels; those of one pixel are matrix products.
    """
    counts = operations(0.0)
    assert counts["Conv2D"] == (2 + 2) + 2
    assert counts["PartitionedCall"] == 1 + 1
    assert counts["Conv2DBackpropInput"] == 1 + 2 + 2
    with_r1 = operations(1.0)
    for name in ("Conv2D", "PartitionedCall", "Conv2DBackpropInput"):
        assert with_r1[name] == counts[name]  # R1 is within a branch of its own
    branches = [c["If"] + c["StatelessIf"] for c in (with_r1, counts)]
    assert branches == [1, 0]


def test_a_stable_stage_has_no_old_path():
    stable, transition = build_gan(STABLE_8), build_gan(TRANSITION_8)
    for network in ("generator", "discriminator"):
        assert not hasattr(getattr(stable, network), "fade_in")
        assert hasattr(getattr(transition, network), "fade_in")
