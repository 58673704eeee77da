import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from gastritis_gan.errors import InputError
from gastritis_gan.serving.model_folder import model_hash
from gastritis_gan.serving.verify import verify_version
from gastritis_gan.storage import sha256_of_file

WITHOUT_KERAS = """
import sys
sys.modules["keras"] = None
for room in ("training", "models", "layers", "config", "serving.export"):
    sys.modules["gastritis_gan." + room] = None
from gastritis_gan.cli.main import main
main(["verify", sys.argv[1]], standalone_mode=False)
main(["sample", sys.argv[1], "--count", "2", "--out", sys.argv[2]])
"""


@pytest.fixture
def copy(exported, tmp_path):
    return shutil.copytree(exported, tmp_path / "1")


def write_card(folder, **changes):
    """Makes the card agree with files that were changed, as a clever hand would."""
    path = folder / "assets.extra" / "model_card.json"
    card = json.loads(path.read_text())
    card["files"] = {name: sha256_of_file(folder / name) for name in card["files"]}
    path.write_text(json.dumps({**card, **changes}))


def test_a_whole_copy_passes(copy):
    done = verify_version(copy)
    assert [sentence.partition(":")[0] for sentence in done] == [
        "Files",
        "Model hash",
        "Graph",
        "Warm-up",
        "Samples",
    ]
    assert "15 requests" in done[3]


def test_a_serving_machine_needs_no_keras_and_no_training_code(exported, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_KERAS, exported.parent, tmp_path / "samples"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert f"{exported} can be served.\n" in done.stdout
    assert (tmp_path / "samples" / "000001.png").is_file()


@pytest.mark.parametrize(
    "name",
    [
        "saved_model.pb",
        "variables/variables.index",
        "assets.extra/tf_serving_warmup_requests",
        "assets.extra/samples.npz",
        "batching_params.pbtxt",
    ],
)
def test_a_half_copied_version_fails(copy, name):
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=f"damaged: {name}"):
        verify_version(copy)


def test_other_weights_fail_whatever_the_card_says(copy, other_exported):
    for path in (other_exported / "variables").iterdir():
        shutil.copy(path, copy / "variables" / path.name)
    write_card(copy)
    with pytest.raises(InputError, match="model hash"):
        verify_version(copy)
    write_card(copy, model_hash=model_hash(copy))
    with pytest.raises(InputError, match=r"gives other images|cannot be loaded"):
        verify_version(copy)


def test_other_samples_fail(copy):
    path = copy / "assets.extra" / "samples.npz"
    with np.load(path, allow_pickle=False) as file:
        samples = dict(file)
    samples["images"] = np.where(samples["images"] < 128, 0, 255).astype(np.uint8)
    np.savez_compressed(path, **samples)
    write_card(copy)
    with pytest.raises(InputError, match=r"generate differs from Keras by \d+ grey"):
        verify_version(copy)


def test_a_version_without_samples_cannot_be_verified(copy):
    (copy / "assets.extra" / "samples.npz").write_bytes(b"none")
    write_card(copy)
    with pytest.raises(InputError, match=r"samples\.npz cannot be read"):
        verify_version(copy)
