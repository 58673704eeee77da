"""Generators that leak, played by arrays of samples."""

import warnings

import numpy as np
from scipy import ndimage
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from gastritis_gan.privacy.subjects import AuditSubject
from gastritis_gan.privacy.verdict import AuditedModel


def subject_of(samples, name="played"):
    """Plays samples, uint8 of shape (n, 16, 16), as those of the seeds 0, 1, ..."""
    return AuditSubject(
        model=AuditedModel(name=name, version=1, model_hash="ab" * 32),
        label="positive",
        resolution=samples.shape[1],
        latent_dim=8,
        sample=lambda seeds: samples[seeds][..., None],
    )


def disguise(windows, seed):
    """Turns windows, changes brightness and contrast, adds noise at 20 dB."""
    rng = np.random.default_rng(seed)
    disguised = []
    for window in windows.astype(float):
        turned = window[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])]
        turned = turned * rng.uniform(0.7, 1.2) + rng.uniform(-20, 20)
        turned = turned + rng.normal(0, 0.1 * turned.std(), turned.shape)
        disguised.append(turned)
    return np.rint(np.clip(disguised, 0, 255)).astype(np.uint8)


def warped(windows, seed):
    """Bends windows smoothly by about half a pixel and blurs them: no exact copy."""
    rng = np.random.default_rng(seed)
    grid = np.mgrid[: windows.shape[1], : windows.shape[2]].astype(float)
    bent = []
    for window in windows.astype(float):
        field = ndimage.gaussian_filter(rng.normal(size=grid.shape), (0, 4, 4))
        places = grid + 0.5 * field / field.std()
        bent.append(ndimage.map_coordinates(window, places, order=1, mode="nearest"))
    return np.rint(np.clip(bent, 0, 255)).astype(np.uint8)


def overfitted_network(windows, number, seed):
    """Samples of a small network that was trained to give back these windows.

    Each window has a fixed random latent; samples come from latents near those.
    """
    rng = np.random.default_rng(seed)
    latents = rng.normal(size=(len(windows), 24))
    network = MLPRegressor(
        hidden_layer_sizes=(256,), learning_rate_init=0.003, max_iter=400, tol=0,
        n_iter_no_change=400, random_state=seed,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 400 rounds are enough
        network.fit(latents, windows.reshape(len(windows), -1) / 255)
    near = latents[rng.integers(len(latents), size=number)]
    images = network.predict(near + 0.15 * rng.normal(size=near.shape))
    shape = (number, *windows.shape[1:])
    return np.rint(np.clip(images, 0, 1) * 255).reshape(shape).astype(np.uint8)
