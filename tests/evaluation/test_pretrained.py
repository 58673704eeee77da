from __future__ import annotations

import hashlib

import pytest

pytest.importorskip("tensorflow")

import h5py
import keras
import numpy as np
from skimage.transform import resize

from gastritis_gan.errors import InputError
from gastritis_gan.evaluation.pretrained import PretrainedNetwork

SAVING_WEIGHTS_WARNS = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword"
)


@pytest.fixture(scope="module")
def vgg16_weights(shared_dir):
    path = shared_dir / "weights" / "vgg16_imagenet_notop.weights.h5"
    if not path.is_file():
        pytest.skip("needs the ImageNet weights of VGG-16 in the folder 'shared'")
    return path


def smooth_images(count: int, resolution: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    small = rng.uniform(-1, 1, (count, 4, 4, 1))
    return np.stack(
        [resize(image, (resolution, resolution), order=1) for image in small]
    ).astype(np.float32)


def test_vgg16_block5_is_what_keras_applications_computes(vgg16_weights):
    images = smooth_images(3, 64)  # twice that is the input size; Keras resizes itself
    extractor = PretrainedNetwork(
        "vgg16_block5", resolution=64, weights_file=vgg16_weights
    )
    network = keras.applications.VGG16(
        include_top=False, weights=vgg16_weights, input_shape=(128, 128, 3)
    )
    grey = keras.ops.image.resize((images + 1) * 127.5, (128, 128))
    rgb = np.repeat(np.asarray(grey), 3, axis=-1)
    maps = network.predict(keras.applications.vgg16.preprocess_input(rgb), verbose=0)
    expected = maps.mean(axis=(1, 2))  # [3, 512]
    np.testing.assert_allclose(extractor(images), expected, rtol=1e-3, atol=1e-3)
    assert expected.std(axis=0).max() > 1  # it does tell the images apart


@pytest.mark.parametrize(
    ("resolution", "input_size"), [(4, 64), (32, 64), (64, 128), (128, 224), (256, 224)]
)
def test_input_size_of_vgg16_block5(vgg16_weights, resolution, input_size):
    extractor = PretrainedNetwork(
        "vgg16_block5", resolution=resolution, weights_file=vgg16_weights
    )
    assert extractor.input_size == input_size


def test_features_do_not_depend_on_the_batch(vgg16_weights):
    extractor = PretrainedNetwork(
        "vgg16_block5", resolution=8, weights_file=vgg16_weights
    )
    images = smooth_images(35, 8)  # more than a batch
    together = extractor(images)
    assert together.shape == (35, extractor.dim)
    alone = np.concatenate([extractor(images[i : i + 1]) for i in (0, 31, 32, 34)])
    np.testing.assert_allclose(together[[0, 31, 32, 34]], alone, rtol=1e-3, atol=1e-3)
    assert extractor(images[:0]).shape == (0, 512)


@pytest.mark.parametrize("damage", ["absent", "truncated", "no_hdf5", "empty"])
def test_unusable_weights_are_one_sentence(tmp_path, vgg16_weights, damage):
    path = tmp_path / "vgg16.weights.h5"
    if damage == "truncated":
        with vgg16_weights.open("rb") as stream:
            path.write_bytes(stream.read(1_000_000))
    elif damage == "no_hdf5":
        path.write_bytes(b"<html>404</html>")
    elif damage == "empty":
        h5py.File(path, "w").close()
    with pytest.raises(InputError) as caught:
        PretrainedNetwork("vgg16_block5", resolution=32, weights_file=path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "vgg16_block5" in message
    assert "--weights vgg16_block5=FILE" in message
    assert "\n" not in message


@SAVING_WEIGHTS_WARNS
def test_weights_of_another_network_are_refused(tmp_path):
    path = tmp_path / "other.weights.h5"
    other = keras.Sequential(
        [keras.layers.Input((64, 64, 3)), keras.layers.Conv2D(3, 3)]
    )
    other.save_weights(path)
    with pytest.raises(InputError, match="not the weights of vgg16_block5"):
        PretrainedNetwork("vgg16_block5", resolution=32, weights_file=path)


def test_description_has_the_hash_of_the_weights(vgg16_weights):
    description = PretrainedNetwork(
        "vgg16_block5", resolution=32, weights_file=vgg16_weights
    ).describe()
    digest = hashlib.sha256()
    with h5py.File(vgg16_weights) as file:
        for layer in ["conv2d", *(f"conv2d_{number}" for number in range(1, 13))]:
            for variable in ("0", "1"):  # kernel, bias
                digest.update(file["layers"][layer]["vars"][variable][:].tobytes())
    assert description["weights_sha256"] == digest.hexdigest()
    assert description["input_size"] == 64
    assert description["weights"] == "ImageNet"


@SAVING_WEIGHTS_WARNS
def test_random_and_unknown_weights_say_so(tmp_path):
    random = PretrainedNetwork("vgg16_block5", resolution=32, random_seed=0)
    assert random.describe()["weights"] == "random"
    assert random(smooth_images(2, 32)).std() > 0
    path = tmp_path / "own.weights.h5"
    random._network.save_weights(path)
    own = PretrainedNetwork("vgg16_block5", resolution=32, weights_file=path)
    assert own.describe()["weights"] == "not verified"
    assert own.describe()["weights_sha256"] == random.describe()["weights_sha256"]
    published = tmp_path / "own.h5"
    save_as_published(random._network, published)
    same = PretrainedNetwork("vgg16_block5", resolution=32, weights_file=published)
    assert same.describe() == own.describe()


def test_a_failed_download_names_the_way_out(monkeypatch):
    def no_internet(*arguments, **keywords):
        raise Exception("URL fetch failure on https://example.invalid: None")

    monkeypatch.setattr(keras.utils, "get_file", no_internet)
    with pytest.raises(InputError, match="--weights vgg16_block5=FILE") as caught:
        PretrainedNetwork("vgg16_block5", resolution=32)
    assert "URL fetch failure" in str(caught.value)


def save_as_published(network, path):
    """Writes weights in the form that keras.applications publishes, that of Keras 1."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in network.layers]
        for layer in network.layers:
            group = file.create_group(layer.name)
            weights = [*layer.trainable_weights, *layer.non_trainable_weights]
            names = [f"{layer.name}/{weight.name}:0" for weight in weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, weight in zip(names, weights, strict=True):
                group[name] = weight.numpy()


@pytest.mark.slow
@SAVING_WEIGHTS_WARNS
@pytest.mark.parametrize("form", ["h5", "weights.h5"])
@pytest.mark.parametrize(
    ("name", "network", "layer", "dim", "size"),
    [
        ("vgg16_fc2", "vgg16.VGG16", "fc2", 4096, 224),
        ("inception_v3_pool", "inception_v3.InceptionV3", "avg_pool", 2048, 299),
        ("resnet50_pool", "resnet50.ResNet50", "avg_pool", 2048, 224),
    ],
)
def test_features_are_the_named_layer_of_the_complete_network(
    tmp_path, form, name, network, layer, dim, size
):
    # ImageNet weights cannot be had everywhere; random ones tell layers apart as well.
    module, _, build = network.partition(".")
    applications_module = getattr(keras.applications, module)
    complete = getattr(applications_module, build)(include_top=True, weights=None)
    features = keras.Model(complete.input, complete.get_layer(layer).output)
    path = tmp_path / f"random.{form}"
    if form == "weights.h5":
        complete.save_weights(path)
    else:  # Keras publishes VGG-16's file with its head, the others without
        save_as_published(complete if layer == "fc2" else features, path)
    images = smooth_images(2, size)
    rgb = np.repeat((images + 1) * 127.5, 3, axis=-1)
    expected = features.predict(applications_module.preprocess_input(rgb), verbose=0)
    extractor = PretrainedNetwork(name, resolution=size, weights_file=path)
    actual = extractor(images)
    assert actual.shape == (2, dim) == (2, extractor.dim)
    np.testing.assert_allclose(
        actual, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max()
    )
