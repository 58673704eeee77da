"""`gastritis-gan walk`."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageSequence

from gastritis_gan.cli.main import main
from gastritis_gan.serving.exported_model import ExportedModel
from gastritis_gan.serving.walk import round_trip


def invoke(*arguments):
    return CliRunner().invoke(main, ["walk", *map(str, arguments)])


def test_a_stop_is_the_image_of_its_seed(exported, tmp_path):
    out = tmp_path / "walks" / "small"
    result = invoke(exported.parent, "--stops", 3, "--seed", 5, "--out", out)

    assert result.exit_code == 0, result.output
    with Image.open(out / "walk.gif") as gif:
        frames = [
            np.asarray(frame.convert("L"), int) for frame in ImageSequence.Iterator(gif)
        ]
    assert len(frames) == 3 * 16
    stops = ExportedModel.open(exported).generate([5, 6, 7])[..., 0]
    for image, frame in zip(stops, frames[::16], strict=True):
        expected = np.kron(image, np.ones((16, 16), int))  # 16 pixels, enlarged
        np.testing.assert_allclose(frame, expected, atol=1)
    strip = np.asarray(Image.open(out / "walk.png"))[-(3 * 66 - 2) :]
    assert strip.shape == (3 * 66 - 2, 8 * 66 - 2)
    expected = np.kron(stops[1], np.ones((4, 4), int))
    np.testing.assert_allclose(strip[66 : 66 + 64, :64].astype(int), expected, atol=1)


def test_a_leg_turns_by_equal_angles_and_ends_where_the_next_one_begins():
    stops = np.random.default_rng(0).normal(size=(4, 32)).astype(np.float32)
    path = round_trip(stops, 10).astype(float)

    np.testing.assert_allclose(path[::10], stops, rtol=1e-5)
    closed = np.vstack([path, path[:1]])
    lengths = np.linalg.norm(closed, axis=1)
    cosines = np.sum(closed[1:] * closed[:-1], axis=1) / (lengths[1:] * lengths[:-1])
    for leg in np.arccos(cosines).reshape(4, 10):
        np.testing.assert_allclose(leg, leg.mean(), rtol=1e-3)
    steps = np.diff(lengths).reshape(4, 10)
    np.testing.assert_allclose(steps, np.tile(steps[:, :1], 10), atol=1e-5)


def test_a_quarter_turn_passes_the_diagonal():
    middle = round_trip(np.array([[2.0, 0.0], [0.0, 2.0]], np.float32), 2)[1]

    np.testing.assert_allclose(middle, [np.sqrt(2), np.sqrt(2)], rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--stops", 1], "1 is not in the range"), (["--seed", 2**63], "within 64 bits")],
)
def test_walk_refuses(exported, tmp_path, arguments, message):
    result = invoke(exported, "--out", tmp_path / "out", *arguments)

    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert not list(tmp_path.iterdir())


def test_a_damaged_model_leaves_nothing(exported, tmp_path):
    card = tmp_path / "m" / "1" / "assets.extra" / "model_card.json"
    card.parent.mkdir(parents=True)
    card.write_text(json.dumps({"name": "m"}))
    result = invoke(tmp_path / "m", "--out", tmp_path / "out")

    assert result.exit_code == 2
    assert not (tmp_path / "out").exists()
