"""ImageNet weights of the pretrained networks: where they are, and whether they are."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from gastritis_gan.errors import InputError
from gastritis_gan.storage import make_folder, new_file

_PUBLISHED_IN = "https://storage.googleapis.com/tensorflow/keras-applications"


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightsFile:
    """A file of keras.applications.

    Attributes:
        name: Its name in Keras' own cache and in a `--weights-dir`.
        folder: Where Keras publishes it.
        md5: Of its content, as Keras checks it after the download.
        megabytes: Size of the download.
    """

    name: str
    folder: str
    md5: str
    megabytes: int

    @property
    def url(self) -> str:
        """Address from which Keras downloads it."""
        return f"{_PUBLISHED_IN}/{self.folder}/{self.name}"


IMAGENET_WEIGHTS = {
    "vgg16_block5": WeightsFile(
        name="vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        folder="vgg16",
        md5="6d6bbae143d832006294945121d1f1fc",
        megabytes=59,
    ),
    "vgg16_fc2": WeightsFile(
        name="vgg16_weights_tf_dim_ordering_tf_kernels.h5",
        folder="vgg16",
        md5="64373286793e3c8b2b4e3219cbf3544b",
        megabytes=553,
    ),
    "inception_v3_pool": WeightsFile(
        name="inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
        folder="inception_v3",
        md5="bcbd6486424b2319ff4ef7d526e38f63",
        megabytes=88,
    ),
    "resnet50_pool": WeightsFile(
        name="resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        folder="resnet",
        md5="4d473c1dd8becc155b73f8504c6f6626",
        megabytes=95,
    ),
}


def keras_folder() -> Path:
    """Returns the folder into which Keras downloads weights."""
    home = os.environ.get("KERAS_HOME")
    default = os.path.expanduser("~/.keras")  # noqa: PTH111 - as Keras; never raises
    return Path(home or default) / "models"


def weights_path(network: str, folder: Path | None) -> Path:
    """Returns where a network's weights belong: in `folder`, or in Keras' cache."""
    return (folder or keras_folder()) / IMAGENET_WEIGHTS[network].name


def state_of(network: str, path: Path) -> str:
    """Returns "verified", "missing" or "damaged" for a file of Keras' weights."""
    if not path.is_file():
        return "missing"
    return "verified" if is_keras_file(network, path) else "damaged"


def is_keras_file(network: str, path: Path) -> bool:
    """Whether a file is, bit for bit, what Keras downloads for a network."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, _md5)
    return digest.hexdigest() == IMAGENET_WEIGHTS[network].md5


def require_weights(network: str, folder: Path) -> Path:
    """Returns a network's weights in a `--weights-dir` after checking their hash.

    Raises:
        InputError: The file is missing or is not what Keras downloads.
    """
    path = weights_path(network, folder)
    state = state_of(network, path)
    if state == "missing":
        raise InputError(
            f"{path} does not exist; on a machine with internet `gastritis-gan weights "
            f"--fetch --weights-dir DIR {network}` writes it, and DIR can be copied."
        )
    if state == "damaged":
        raise InputError(
            f"{path} is damaged or another file: its MD5 is not "
            f"{IMAGENET_WEIGHTS[network].md5}, Keras' for {network}; fetch it again "
            f"or give weights of your own with --weights {network}=FILE."
        )
    return path


def find_weights(
    weights: str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]] | None,
    extractors: Sequence[str],
) -> dict[str, Path]:
    """Returns the weights file of each extractor that was given one.

    Args:
        weights: A folder with Keras' own files, or a mapping from extractor to file;
            None leaves them to Keras, which downloads them.
        extractors: Names of those in use.

    Raises:
        InputError: The mapping names no pretrained extractor in use, or a file in the
            folder is missing or not Keras'.
    """
    usable = [name for name in extractors if name in IMAGENET_WEIGHTS]
    if weights is None:
        return {}
    if not isinstance(weights, Mapping):
        return {name: require_weights(name, Path(weights)) for name in usable}
    for name in weights:
        if name not in usable:
            raise InputError(
                f"weights were given for {name}, which is not a pretrained network "
                "among the extractors that the config names here: "
                f"{', '.join(usable) or 'it has none'}."
            )
    return {name: Path(file) for name, file in weights.items()}


def download(network: str) -> Path:
    """Returns a network's weights in Keras' cache; Keras downloads what is not there.

    Args:
        network: Name of the extractor, a key of `IMAGENET_WEIGHTS`.

    Raises:
        InputError: The download fails, or what came is not what Keras publishes.
    """
    import keras  # so that files are listed and verified without TensorFlow

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
        network: Name of the extractor, a key of `IMAGENET_WEIGHTS`.
        path: Where the weights go; nothing is copied when that is Keras' own cache.

    Raises:
        InputError: As `download`.
    """
    cached = download(network)
    if path != cached:
        make_folder(path.parent)
        with new_file(path) as partial:
            shutil.copyfile(cached, partial)


def _md5() -> hashlib._Hash:
    return hashlib.md5(usedforsecurity=False)  # Keras' own check
