import csv
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from gastritis_gan.errors import InputError
from gastritis_gan.serving.sample_folder import sample


class Source:
    """Images of one grey level each; fails after `survives` of them."""

    name = "m"
    version = 3
    class_name = "gastritis"
    model_hash = "ab" * 32

    def __init__(self, *, survives=10**6, offset=0):
        self.survives = survives
        self.offset = offset
        self.asked = []

    def generate(self, seeds, truncation=1.0):
        if len(self.asked) + len(seeds) > self.survives:
            raise InputError("the server is gone")
        self.asked += list(seeds)
        levels = (np.asarray(seeds) + self.offset) % 256
        return np.tile(levels.astype(np.uint8)[:, None, None, None], (1, 4, 4, 1))


def write(source, folder, **changes):
    request = {"count": 40, "seed": 100, "truncation": 1.0, **changes}
    assert sample(source, folder, **request) == folder


def level(path):
    with Image.open(path) as image:
        (value,) = set(np.asarray(image).flat)
        return value


def test_resuming_asks_for_what_is_missing(tmp_path, caplog):
    out = tmp_path / "out"
    with pytest.raises(InputError, match="gone"):
        write(Source(survives=32), out)
    assert not out.exists()
    assert f"{out}.partial is unfinished" in caplog.text
    second = Source()
    write(second, out)
    assert second.asked == [100, *range(132, 140)]  # one to see that it is the same
    assert [level(out / f"{i:06d}.png") for i in range(40)] == list(range(100, 140))
    with (out / "manifest.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["seed"]) for row in rows] == list(range(100, 140))
    assert rows[0]["class"] == "gastritis"
    names = {path.name for path in out.iterdir()}
    assert names == {
        "manifest.csv",
        "sheet.png",
        *(f"{i:06d}.png" for i in range(40)),
    }
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("model_hash", ["ab" * 32, ""])  # a server returns none
def test_every_picture_says_that_a_model_made_it(tmp_path, model_hash):
    source = Source()
    source.model_hash = model_hash
    write(source, tmp_path / "out", count=2, truncation=0.5)
    expected = {
        "000000.png": {"seed": "100", "truncation": "0.5"},
        "000001.png": {"seed": "101", "truncation": "0.5"},
        "sheet.png": {},
    }
    for name, own in expected.items():
        own |= {"model_hash": model_hash} if model_hash else {}
        with Image.open(tmp_path / "out" / name) as image:
            packet = image.info["xmp"].decode()
        description = ElementTree.fromstring(packet.split("?>")[1].split("<?")[0])[0][0]
        found = {key.rpartition("}")[2]: text for key, text in description.items()}
        assert found.pop("DigitalSourceType").endswith("/trainedAlgorithmicMedia")
        assert found.pop("CreatorTool").startswith("gastritis-gan ")
        assert found.pop("about") == ""
        system = {"AISystemUsed": "m", "AISystemVersionUsed": "3"}
        assert found == system | own


@pytest.mark.parametrize("change", [{"count": 41}, {"seed": 1}, {"truncation": 0.5}])
def test_another_request_does_not_resume(tmp_path, change):
    with pytest.raises(InputError, match="gone"):
        write(Source(survives=32), tmp_path / "out")
    with pytest.raises(InputError, match="left from another, unfinished request"):
        write(Source(), tmp_path / "out", **change)


def test_another_model_of_that_name_does_not_resume(tmp_path):
    with pytest.raises(InputError, match="gone"):
        write(Source(survives=32), tmp_path / "out")
    with pytest.raises(InputError, match="another model of that name"):
        write(Source(offset=2), tmp_path / "out")
    write(Source(offset=1), tmp_path / "out")  # one grey level is the same model


def test_nothing_is_left_of_a_source_that_gives_nothing(tmp_path):
    with pytest.raises(InputError, match="gone"):
        write(Source(survives=0), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="must be at least 1"):
        write(Source(), tmp_path / "out", count=0)
    assert list(tmp_path.iterdir()) == []
