import numpy as np
import pytest
import tensorflow as tf
from scipy.special import erf

from gastritis_gan.models.dcgan import DCGANDiscriminator, DCGANGenerator
from gastritis_gan.models.network import get_weights_by_name, set_weights_by_name

WIDTHS = {"fmap_base": 32, "fmap_max": 8}  # 8 feature maps at 4 and 8 pixels, 4 at 16


@pytest.fixture
def generator():
    return DCGANGenerator(16, latent_dim=5, seed=1, **WIDTHS)


@pytest.fixture
def discriminator():
    return DCGANDiscriminator(16, seed=1, **WIDTHS)


def latents(count=6):
    return np.random.default_rng(2).normal(size=(count, 5)).astype("float32")


def images(count=6):
    return np.random.default_rng(3).uniform(-1, 1, (count, 16, 16, 1)).astype("float32")


def shapes(network):
    return {name: a.shape for name, a in get_weights_by_name(network).items()}


def test_the_default_generator_is_figure_1():
    """Feature maps by hand: 1024, 512, 256 and 128 from 4 to 32 pixels."""
    network = DCGANGenerator(64, latent_dim=100, fmap_base=2048, fmap_max=1024)
    kernels = {n: s for n, s in shapes(network).items() if n.endswith("kernel")}
    assert kernels == {
        "4x4_dense/kernel": (100, 4 * 4 * 1024),
        "8x8_conv/kernel": (5, 5, 512, 1024),
        "16x16_conv/kernel": (5, 5, 256, 512),
        "32x32_conv/kernel": (5, 5, 128, 256),
        "to_rgb_64x64/kernel": (5, 5, 1, 128),
    }


def test_batch_normalization_is_left_out_where_the_paper_says():
    """Not at the generator's output, nor at the discriminator's input."""
    generator = DCGANGenerator(16, latent_dim=5, **WIDTHS)
    discriminator = DCGANDiscriminator(16, **WIDTHS)
    assert {n for n in shapes(generator) if n.endswith("gamma")} == {
        "4x4_norm/gamma",
        "8x8_norm/gamma",
    }
    assert {n for n in shapes(discriminator) if n.endswith("gamma")} == {
        "4x4_norm/gamma"
    }
    assert shapes(discriminator)["8x8_conv/kernel"] == (5, 5, 1, 8)
    assert shapes(discriminator)["4x4_conv/kernel"] == (5, 5, 8, 8)
    assert shapes(discriminator)["4x4_dense/kernel"] == (4 * 4 * 8, 1)


def test_initial_kernels_have_a_deviation_of_two_hundredths():
    network = DCGANGenerator(16, latent_dim=100, fmap_base=512, fmap_max=256, seed=4)
    for name, array in get_weights_by_name(network).items():
        if name.endswith("kernel"):
            assert np.std(array) == pytest.approx(0.02, rel=0.05)
            assert np.mean(array) == pytest.approx(0, abs=0.002)


def by_hand(weights, latents, statistics):
    """The generator in NumPy; `statistics(x, name)` gives mean and variance."""
    x = erf(latents / np.sqrt(2)) @ weights["4x4_dense/kernel"]
    x = x.reshape(-1, 4, 4, 8)
    x = np.maximum(normalized(weights, x, "4x4_norm", statistics), 0)
    x = transposed_convolution(x, weights["8x8_conv/kernel"])
    x = np.maximum(normalized(weights, x, "8x8_norm", statistics), 0)
    x = transposed_convolution(x, weights["to_rgb_16x16/kernel"])
    return np.tanh(x + weights["to_rgb_16x16/bias"])


def normalized(weights, x, name, statistics):
    mean, variance = statistics(x, name)
    x = (x - mean) / np.sqrt(variance + 1e-5)
    return x * weights[f"{name}/gamma"] + weights[f"{name}/beta"]


def transposed_convolution(x, kernel):
    """Every pixel paints the 5 x 5 kernel at twice its place; 1 px is cut off."""
    count, size, _, _ = x.shape
    canvas = np.zeros((count, 2 * size + 3, 2 * size + 3, kernel.shape[2]))
    for row in range(size):
        for column in range(size):
            patch = np.einsum("nc,hwoc->nhwo", x[:, row, column], kernel)
            canvas[:, 2 * row : 2 * row + 5, 2 * column : 2 * column + 5] += patch
    return canvas[:, 1:-2, 1:-2]


def test_training_normalizes_by_the_batch(generator):
    weights = get_weights_by_name(generator)
    expected = by_hand(
        weights,
        latents(),
        lambda x, name: (x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))),
    )
    actual = generator(latents(), training=True)
    np.testing.assert_allclose(actual, expected, atol=2e-5)


def test_samples_are_normalized_by_the_moving_statistics(generator):
    rng = np.random.default_rng(5)
    weights = {
        name: rng.uniform(0.5, 1.5, array.shape).astype("float32")
        if "moving" in name or "gamma" in name
        else array
        for name, array in get_weights_by_name(generator).items()
    }
    set_weights_by_name(generator, weights)
    expected = by_hand(
        weights,
        latents(),
        lambda x, name: (
            weights[f"{name}/moving_mean"],
            weights[f"{name}/moving_variance"],
        ),
    )
    np.testing.assert_allclose(generator(latents()), expected, atol=2e-5)
    one_by_one = np.concatenate([generator(latents()[i : i + 1]) for i in range(6)])
    np.testing.assert_allclose(one_by_one, expected, atol=2e-5)


def test_a_training_pass_moves_the_statistics_by_a_hundredth(generator):
    x = erf(latents() / np.sqrt(2)) @ get_weights_by_name(generator)["4x4_dense/kernel"]
    x = x.reshape(-1, 8)  # [N * 16, C]
    generator(latents(), training=True)
    weights = get_weights_by_name(generator)
    np.testing.assert_allclose(
        weights["4x4_norm/moving_mean"], 0.01 * x.mean(axis=0), atol=1e-6
    )
    np.testing.assert_allclose(
        weights["4x4_norm/moving_variance"], 0.99 + 0.01 * x.var(axis=0), atol=1e-6
    )


def test_the_discriminator_in_numpy(discriminator):
    weights = get_weights_by_name(discriminator)

    def leaky(x):
        return np.where(x > 0, x, 0.2 * x)

    x = leaky(convolution(images(), weights["8x8_conv/kernel"]))
    x = convolution(x, weights["4x4_conv/kernel"])
    x = (x - x.mean(axis=(0, 1, 2))) / np.sqrt(x.var(axis=(0, 1, 2)) + 1e-5)
    expected = leaky(x).reshape(6, -1) @ weights["4x4_dense/kernel"]
    actual = discriminator(images(), training=True)
    np.testing.assert_allclose(actual, expected, atol=2e-5)


def convolution(x, kernel):
    """5 x 5 at stride 2; TensorFlow's `same` pads 1 px before and 2 px after."""
    padded = np.pad(x, ((0, 0), (1, 2), (1, 2), (0, 0)))
    size = x.shape[1] // 2
    return np.stack(
        [
            np.stack(
                [
                    np.einsum(
                        "nhwc,hwco->no",
                        padded[:, 2 * i : 2 * i + 5, 2 * j : 2 * j + 5],
                        kernel,
                    )
                    for j in range(size)
                ],
                axis=1,
            )
            for i in range(size)
        ],
        axis=1,
    )


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_outputs_are_float32_whatever_the_precision(precision):
    generator = DCGANGenerator(8, latent_dim=5, dtype=precision, **WIDTHS)
    discriminator = DCGANDiscriminator(8, dtype=precision, **WIDTHS)
    samples = generator(latents(), training=True)
    assert samples.dtype == tf.float32
    assert discriminator(samples, training=True).dtype == tf.float32


def test_what_cannot_be_is_refused(generator):
    with pytest.raises(ValueError, match="`resolution` must be at least 8"):
        DCGANGenerator(4, latent_dim=5, **WIDTHS)
    with pytest.raises(ValueError, match="`resolution` must be at least 8"):
        DCGANDiscriminator(4, **WIDTHS)
    with pytest.raises(ValueError, match="`latent_dim` must be at least 1"):
        DCGANGenerator(8, latent_dim=0, **WIDTHS)
    with pytest.raises(ValueError, match="nothing to fade"):
        generator(latents(), alpha=0.5)


def test_a_config_makes_the_network_again(generator, discriminator):
    for network in (generator, discriminator):
        again = type(network).from_config(network.get_config())
        for name, array in get_weights_by_name(network).items():
            np.testing.assert_array_equal(get_weights_by_name(again)[name], array)
