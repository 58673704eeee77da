import numpy as np
import pytest
import tensorflow as tf

from gastritis_gan.models.pggan import ProgressiveGenerator
from gastritis_gan.serving.signatures import (
    latents_from_seeds,
    make_signatures,
    to_uint8,
)


def latents_of(seeds, truncation=1.0, latent_dim=8):
    seeds = tf.constant(seeds, tf.int64)
    truncation = tf.broadcast_to(tf.constant(truncation, tf.float32), tf.shape(seeds))
    in_graph = tf.function(latents_from_seeds)
    return in_graph(seeds, truncation, latent_dim=latent_dim).numpy()


def test_a_seed_keeps_its_latents_for_ever():
    # Recorded once: manifests of old releases name seeds only.
    expected = [
        [-1.6970340, -0.4813767, -0.6622369, 0.0870112],
        [0.1266503, -0.4930166, 0.6311907, -0.7888466],
        [0.4744336, -0.3832537, -1.7960681, 0.4274932],
        [-1.6310319, 1.4542305, -0.7037483, 0.1836477],
    ]
    np.testing.assert_allclose(
        latents_of([0, 1, -1, 2**63 - 1], latent_dim=4), expected, atol=1e-6
    )


def test_rows_do_not_depend_on_their_batch():
    batch = latents_of([5, 6, 7, 5])
    np.testing.assert_array_equal(batch[1:2], latents_of([6]))
    np.testing.assert_array_equal(batch[0], batch[3])


def test_latents_are_independent_standard_normals():
    latents = latents_of(np.arange(4096), latent_dim=16)
    assert abs(latents.mean()) < 0.02  # 5 standard errors
    assert abs(latents.var() - 1) < 0.03
    neighbours = np.mean(latents[:-1] * latents[1:])  # seeds i and i + 1
    assert abs(neighbours) < 0.02
    assert len(np.unique(latents[:, 0])) > 4090  # float32 may repeat by chance


def test_truncation_moves_linearly_from_the_reference_to_the_latents():
    full, half, none = (latents_of([1, 2, 3], psi) for psi in (1.0, 0.5, 0.0))
    np.testing.assert_array_equal(none, np.tile(none[:1], (3, 1)))
    np.testing.assert_allclose(half, (full + none) / 2, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("given", "meant"), [(np.nan, 1), (1.5, 1), (np.inf, 1), (-0.5, 0), (-np.inf, 0)]
)
def test_impossible_truncation_is_clamped(given, meant):
    np.testing.assert_array_equal(latents_of([1, 2], given), latents_of([1, 2], meant))


def test_truncation_is_per_row():
    mixed = latents_of([4, 4], [1.0, 0.25])
    np.testing.assert_array_equal(mixed[0], latents_of([4])[0])
    np.testing.assert_array_equal(mixed[1], latents_of([4], 0.25)[0])


@pytest.mark.parametrize("psi", [1.0, 0.75, 0.5, 0.25])
def test_truncation_reduces_the_angle_between_latents_as_its_definition_implies(psi):
    latents = latents_of(np.arange(200), psi, latent_dim=512)
    unit = latents / np.linalg.norm(latents, axis=1, keepdims=True)
    cosines = (unit @ unit.T)[np.triu_indices(200, 1)]
    # In many dimensions all draws are nearly orthogonal and nearly of one length.
    expected = (1 - psi) ** 2 / (psi**2 + (1 - psi) ** 2)
    assert cosines.mean() == pytest.approx(expected, abs=0.03)


def test_to_uint8_by_hand():
    floats = tf.constant([-3.0, -1.0, -0.996, 0.0, 0.5, 1.0, 7.0])
    # (x + 1) * 127.5 = -255, 0, 0.51, 127.5 (to even), 191.25, 255, 1020
    np.testing.assert_array_equal(to_uint8(floats), [0, 0, 1, 128, 191, 255, 255])


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_answers_in_float32(policy):
    generator = ProgressiveGenerator(
        8, latent_dim=8, fmap_base=32, fmap_max=8, dtype=policy
    )
    signatures = make_signatures(generator, b"")
    assert signatures["serving_default"].inputs[0].dtype == tf.float32
    images = signatures["serving_default"].function(tf.ones([2, 8]))["images"]
    assert images.dtype == tf.float32
