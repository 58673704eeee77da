"""A walk through a model's latents: what lies between its images."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image

from gastritis_gan.errors import InputError
from gastritis_gan.images import drawable, enlarge, image_sheet
from gastritis_gan.serving.exported_model import ExportedModel, batch_size
from gastritis_gan.serving.synthetic_mark import (
    DIGITAL_SOURCE_TYPE,
    marked_png,
    synthetic_chunk,
)
from gastritis_gan.storage import new_folder, write_bytes

_FRAMES_PER_LEG = 16
_STRIP_COLUMNS = 8
_FRAME_MS = 80
_GIF_PX = 256
_MOST_STOPS = 64


def walk(
    model: ExportedModel,
    out: str | os.PathLike[str],
    *,
    stops: int = 6,
    seed: int = 0,
) -> Path:
    """Writes `walk.gif`, a round trip through a model's images, and `walk.png`.

    Stop i is the image of the seed `seed + i`. Between two stops the direction of the
    latents turns by equal angles on the sphere, and their length changes evenly. Images
    that change smoothly speak for a generator that has learnt more than single images;
    only `audit` decides whether it gives a patient away.

    Args:
        model: Exported model in a folder.
        out: Folder to make. `walk.png` has a row for each leg of the trip.
        stops: Number of stops, 2 to 64.
        seed: Seed of the first stop, from 0.

    Returns:
        The folder.

    Raises:
        InputError: `out` exists, a number is out of range, or this TensorFlow cannot
            load the model.

    Example:
        >>> model = gg.open_model("exported/phantom_lc_positive")
        >>> folder = gg.walk(model, "walks/lc_positive", stops=2)
        >>> sorted(path.name for path in folder.iterdir())
        ['walk.gif', 'walk.png']
    """
    if not 2 <= stops <= _MOST_STOPS:
        raise InputError(
            f"the number of stops must be 2 to {_MOST_STOPS}, not {stops}."
        )
    if not 0 <= seed <= np.iinfo(np.int64).max - stops:
        raise InputError(f"the seed must be from 0 and within 64 bits, not {seed}.")
    with new_folder(Path(out)) as partial:
        frames = _frames(model, stops=stops, seed=seed)
        name = drawable(model.class_name, str(model.card.get("target")))
        strip = image_sheet(
            frames[:: _FRAMES_PER_LEG // _STRIP_COLUMNS],
            _STRIP_COLUMNS,
            caption=f"{name}: synthetic, {model.name}, version "
            f"{model.version}. A row leads from the image of one seed to the next "
            f"row's; seeds {seed} to {seed + stops - 1}.",
        )
        chunk = synthetic_chunk(model.name, model.version, model_hash=model.model_hash)
        write_bytes(partial / "walk.png", marked_png(strip, chunk))
        first, *others = (
            Image.fromarray(frame[..., 0]) for frame in enlarge(frames, _GIF_PX)
        )
        first.save(
            partial / "walk.gif",
            save_all=True,
            append_images=others,
            duration=_FRAME_MS,
            loop=0,
            comment=f"Synthetic: {DIGITAL_SOURCE_TYPE}",
        )
    return Path(out)


def _frames(model: ExportedModel, *, stops: int, seed: int) -> np.ndarray:
    """Returns the images of the whole trip, uint8 (n, r, r, 1)."""
    import tensorflow as tf

    from gastritis_gan.serving.signatures import latents_from_seeds, to_uint8

    seeds = tf.range(seed, seed + stops, dtype=tf.int64)
    at_stops = latents_from_seeds(
        seeds, tf.ones(stops), latent_dim=int(model.card["latent_dim"])
    )
    latents = round_trip(at_stops.numpy(), _FRAMES_PER_LEG)
    images = model.load().signatures["serving_default"]
    size = batch_size(model.resolution)
    return np.concatenate(
        [
            to_uint8(images(latents=tf.constant(part))["images"]).numpy()
            for part in np.array_split(latents, -(-len(latents) // size))
        ]
    )


def round_trip(stops: np.ndarray, frames_per_leg: int) -> np.ndarray:
    """Returns latents from stop to stop and back to the first, on great circles.

    Args:
        stops: float32 (n, latent_dim), n at least 2, none opposite or equal to
            the next.
        frames_per_leg: Number of latents from a stop, included, to the next, excluded.

    Returns:
        float32 (n * frames_per_leg, latent_dim).

    Reference: [Shoemake, 1985](https://doi.org/10.1145/325334.325242), slerp.
    """
    starts = stops.astype(np.float64)
    lengths = np.linalg.norm(starts, axis=1, keepdims=True)
    directions = starts / lengths
    ends, end_lengths = np.roll(directions, -1, axis=0), np.roll(lengths, -1, axis=0)
    angles = np.arccos(np.sum(directions * ends, axis=1))[:, None]  # [n, 1]
    legs = []
    for share in np.arange(frames_per_leg) / frames_per_leg:
        turned = (
            np.sin((1 - share) * angles) * directions + np.sin(share * angles) * ends
        )
        turned /= np.linalg.norm(turned, axis=1, keepdims=True)
        legs.append(((1 - share) * lengths + share * end_lengths) * turned)
    return np.stack(legs, axis=1).reshape(-1, stops.shape[1]).astype(np.float32)
