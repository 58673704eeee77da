import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2

from gastritis_gan.errors import InputError
from gastritis_gan.serving import export
from gastritis_gan.serving.export import export_generator
from gastritis_gan.serving.signatures import make_signatures
from gastritis_gan.storage import sha256_of_file
from tests.helpers.exported_models import make_generator

HELPERS = Path(__file__).parents[1] / "helpers"
SEEDS = np.array([0, 7, -1, 2**63 - 1, 7], np.int64)
TRUNCATION = np.array([1.0, 1.0, 0.5, np.nan, 0.0], np.float32)
NO_SUCH_SYMBOL = 77


def grey_levels(images):
    return np.clip(np.rint((np.asarray(images) + 1) * 127.5), 0, 255).astype(int)


@pytest.fixture(scope="module")
def latents():
    """The latents of the first two seeds, without the code under test."""
    rows = [
        tf.random.stateless_normal([8], [seed, 0], alg="philox") for seed in SEEDS[:2]
    ]
    return np.stack(rows)


@pytest.fixture(params=["cpp_loader.py", "v1_session.py"])
def run_like_a_server(request, tmp_path):
    """Runs signatures in a process that has neither Keras nor this package."""

    def run(folder, requests):
        np.savez(tmp_path / "requests.npz", **requests)
        done = subprocess.run(
            [
                sys.executable,
                HELPERS / request.param,
                folder,
                tmp_path / "requests.npz",
                tmp_path / "replies.npz",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == NO_SUCH_SYMBOL:
            pytest.skip(f"this TensorFlow hides its C++ loader: {done.stderr}")
        assert done.returncode == 0, done.stderr
        with np.load(tmp_path / "replies.npz", allow_pickle=False) as replies:
            return dict(replies)

    return run


def test_a_server_gives_the_images_that_keras_gives(
    exported, generator, latents, run_like_a_server
):
    replies = run_like_a_server(
        exported,
        {
            "serving_default/latents": latents,
            "generate/seeds": SEEDS,
            "generate/truncation": TRUNCATION,
            "generate_png/seeds": SEEDS,
            "generate_png/truncation": TRUNCATION,
        },
    )
    floats = replies["serving_default/images"]
    images = replies["generate/images"]
    expected = grey_levels(generator(latents))
    assert expected.std() > 5  # else the comparison proves little
    np.testing.assert_allclose(floats, generator(latents), atol=1e-4)
    assert images.shape == (5, 16, 16, 1)
    np.testing.assert_allclose(images[:2].astype(int), expected, atol=1)
    for row in range(5):
        png = Image.open(io.BytesIO(replies[f"generate_png/png_bytes/{row}"].tobytes()))
        assert png.mode == "L"
        difference = np.asarray(png, int) - images[row, ..., 0]
        assert np.abs(difference).max() <= 1


def test_weights_are_stored_once(exported, generator):
    reader = tf.train.load_checkpoint(str(exported / "variables" / "variables"))
    shapes = reader.get_variable_to_shape_map()
    stored = [name for name in shapes if name != "_CHECKPOINTABLE_OBJECT_GRAPH"]
    assert len(stored) == len(generator.variables)
    assert sum(reader.get_tensor(name).size for name in stored) == sum(
        np.prod(variable.shape) for variable in generator.variables
    )
    size = (exported / "variables" / "variables.data-00000-of-00001").stat().st_size
    assert size < 1.5 * 4 * generator.count_params()


def test_the_graph_holds_nothing_that_a_server_refuses(exported):
    content = (exported / "saved_model.pb").read_bytes()
    (meta_graph,) = saved_model_pb2.SavedModel.FromString(content).meta_graphs
    graph = meta_graph.graph_def
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    ops = {node.op for node in nodes}
    assert "StatelessRandomNormalV2" in ops  # the search sees into the functions
    assert not {op for op in ops if "PyFunc" in op or op.startswith(("Random", "Rng"))}
    assert not ops & {"Assert", "StatefulStandardNormalV2", "StatefulUniform"}
    assert not [f for f in graph.library.function if f.attr["_XlaMustCompile"].b]


def test_nothing_tells_where_it_was_made(exported, repository):
    for path in exported.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert str(repository).encode() not in content
            assert str(exported.parents[1]).encode() not in content


def test_model_card(exported, metadata):
    card = json.loads((exported / "assets.extra" / "model_card.json").read_text())
    assert {key: card[key] for key in metadata} == metadata
    assert (card["format"], card["name"], card["version"]) == (1, "small", 1)
    # 8*256 + 16, 9*16*16 + 16 three times, 9*16*8 + 8, 9*8*8 + 8, 8 + 1
    assert card["num_parameters"] == 10_777
    assert card["tensorflow"] == tf.__version__
    assert set(card["signatures"]) == {"serving_default", "generate", "generate_png"}
    assert card["signatures"]["generate"] == {
        "inputs": {
            "seeds": {"dtype": "int64", "shape": [-1]},
            "truncation": {"dtype": "float32", "shape": [-1]},
        },
        "outputs": {"images": {"dtype": "uint8", "shape": [-1, 16, 16, 1]}},
    }
    assert card["files"]["saved_model.pb"] == sha256_of_file(
        exported / "saved_model.pb"
    )
    assert {name.partition("/")[0] for name in card["files"]} == {
        "saved_model.pb",
        "fingerprint.pb",
        "variables",
        "batching_params.pbtxt",
        "assets.extra",
    }


def test_everyone_may_read_a_version(exported):
    assert exported.stat().st_mode & 0o777 == 0o755
    for path in exported.rglob("*"):
        assert path.stat().st_mode & 0o444 == 0o444


def test_the_next_version_leaves_the_others_alone(tmp_path, metadata):
    first = export_generator(
        make_generator(1), exported_dir=tmp_path, name="a", metadata=metadata
    ).path
    before = {path: path.read_bytes() for path in first.rglob("*") if path.is_file()}
    (tmp_path / "a" / "9").mkdir()
    (tmp_path / "a" / ".99.partial-killed").mkdir()
    second = export_generator(
        make_generator(2), exported_dir=tmp_path, name="a", metadata=metadata
    ).path
    assert (first.name, second.name) == ("1", "10")
    assert {p: p.read_bytes() for p in first.rglob("*") if p.is_file()} == before


def test_a_version_of_ones_own(generator, metadata, tmp_path):
    options = {"exported_dir": tmp_path, "name": "a", "metadata": metadata}
    model = export_generator(generator, version=7, **options)
    assert (model.version, model.path) == (7, tmp_path / "a" / "7")
    with pytest.raises(InputError, match="7 exists already"):
        export_generator(generator, version=7, **options)


@pytest.mark.parametrize("failure", [KeyboardInterrupt, OSError])
def test_an_interrupted_export_leaves_nothing(
    failure, generator, metadata, tmp_path, monkeypatch
):
    def interrupted(folder, **_):
        assert (folder / "saved_model.pb").exists()  # half of a version
        raise failure

    monkeypatch.setattr(export, "write_warmup_requests", interrupted)
    expected = InputError if failure is OSError else failure
    with pytest.raises(expected):
        export_generator(generator, exported_dir=tmp_path, name="a", metadata=metadata)
    assert list(tmp_path.iterdir()) == []


def test_a_saved_model_that_differs_from_keras_is_not_published(
    generator, metadata, tmp_path, monkeypatch
):
    others = make_signatures(make_generator(1), b"")
    monkeypatch.setattr(export, "make_signatures", lambda *_: others)
    with pytest.raises(RuntimeError, match="differs from Keras by"):
        export_generator(generator, exported_dir=tmp_path, name="a", metadata=metadata)
    assert list(tmp_path.iterdir()) == []


def test_a_diverged_generator_is_refused(metadata, tmp_path):
    generator = make_generator()
    generator.variables[0].assign(np.full(generator.variables[0].shape, np.nan))
    with pytest.raises(InputError, match="diverged"):
        export_generator(generator, exported_dir=tmp_path, name="a", metadata=metadata)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["", "a/b", "../a", ".", "..", "a:b", "a b", "-a", "ä"]
)
def test_impossible_names_are_refused(name, generator, metadata, tmp_path):
    with pytest.raises(InputError, match="model name"):
        export_generator(generator, exported_dir=tmp_path, name=name, metadata=metadata)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_named(generator, metadata, tmp_path):
    (tmp_path / "README.md").write_text("about the models")
    with pytest.raises(InputError, match=r"README\.md is a file"):
        export_generator(
            generator, exported_dir=tmp_path, name="README.md", metadata=metadata
        )
