"""Downloads ImageNet weights the way Keras does."""

from __future__ import annotations

import shutil
from pathlib import Path

import keras

from gastritis_gan.errors import InputError
from gastritis_gan.evaluation.features.imagenet_weights import (
    IMAGENET_WEIGHTS,
    keras_folder,
)
from gastritis_gan.storage import new_file


def download(network: str) -> Path:
    """Returns a network's weights in Keras' cache; Keras downloads what is not there.

    Args:
        network: Name of the extractor.

    Raises:
        InputError: The download fails, or what came is not what Keras publishes.
    """
    file, folder = IMAGENET_WEIGHTS[network], keras_folder()
    try:
        path = keras.utils.get_file(
            file.name,
            file.url,
            cache_dir=str(folder.parent),
            cache_subdir=folder.name,
            file_hash=file.md5,
        )
    except Exception as error:  # what keras.utils.get_file raises itself
        reason = str(error).partition("\n")[0].rstrip(" .")
        raise InputError(
            f"the ImageNet weights of {network} could not be downloaded ({reason}); "
            f"give a file with --weights {network}=FILE or a folder with --weights-dir "
            "(see `gastritis-gan weights`)."
        ) from error
    return Path(path)


def fetch_weights(network: str, path: Path) -> None:
    """Downloads a network's weights into Keras' cache, and copies them to `path`.

    Args:
        network: Name of the extractor.
        path: Where the weights go; nothing is copied when that is Keras' own cache.

    Raises:
        InputError: As `download`.
    """
    cached = download(network)
    if path != cached:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_file(path) as partial:
            shutil.copyfile(cached, partial)
