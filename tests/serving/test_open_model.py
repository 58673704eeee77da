import numpy as np
import pytest

from gastritis_gan.errors import InputError
from gastritis_gan.serving.open_model import open_model
from tests.helpers.fake_server import fake_server

STATUS = b'{"model_version_status": [{"version": "4", "state": "AVAILABLE"}]}'


def test_a_folder(exported):
    model = open_model(exported.parent)
    assert (model.name, model.version, model.class_name) == ("small", 1, "gastritis")
    images = model.generate(range(3))
    assert (images.shape, images.dtype) == ((3, 16, 16, 1), np.uint8)
    with pytest.raises(InputError, match="has no version 2"):
        open_model(str(exported.parent), version=2)
    with pytest.raises(InputError, match="is a folder"):
        open_model(exported.parent, "small")


def test_a_server():
    with fake_server(lambda *_: (200, STATUS)) as address:
        model = open_model(address, "small")
        assert (model.name, model.version, model.class_name) == ("small", 4, "")
        with pytest.raises(InputError, match="name one with --model"):
            open_model(address)
