import shutil

import numpy as np
import pytest
import tensorflow as tf

from gastritis_gan.errors import InputError
from gastritis_gan.serving.warmup import read_warmup_requests, write_warmup_requests

PATH = "assets.extra/tf_serving_warmup_requests"


@pytest.fixture
def copy(exported, tmp_path):
    return shutil.copytree(exported, tmp_path / "1")


def long_record(length):
    """Starts a TFRecord whose length has the right checksum (CRC-32C, masked)."""
    content = length.to_bytes(8, "little")
    checksum = 0xFFFFFFFF
    for byte in content:
        checksum ^= byte
        for _ in range(8):
            checksum = checksum >> 1 ^ (0x82F63B78 if checksum & 1 else 0)
    checksum ^= 0xFFFFFFFF
    masked = (checksum >> 15 | checksum << 17) + 0xA282EAD8 & 0xFFFFFFFF
    return content + masked.to_bytes(4, "little")


def test_every_signature_and_batch_size_is_asked(exported):
    requests = list(read_warmup_requests(exported))
    sizes = {
        (signature, len(array))
        for signature, inputs in requests
        for array in inputs.values()
    }
    assert sizes == {
        (signature, size)
        for signature in ("serving_default", "generate", "generate_png")
        for size in (1, 2, 4, 8, 16)
    }
    assert len(requests) == 15
    latents = [inputs["latents"] for name, inputs in requests if name[0] == "s"]
    assert latents[-1].shape == (16, 8)
    assert latents[-1].dtype == np.float32
    assert latents[-1].std() == pytest.approx(1, abs=0.2)


def test_a_record_by_hand(tmp_path):
    write_warmup_requests(tmp_path, name="m", latent_dim=2)
    record = next(
        tf.data.TFRecordDataset(str(tmp_path / PATH))
        .take(2)
        .skip(1)
        .as_numpy_iterator()
    )
    # predict_log = 6 > request = 1 > model_spec = 1 {name = 1, signature_name = 3}
    specification = b"\x0a\x01m" + b"\x1a\x08generate"
    assert record[0] == 6 << 3 | 2
    assert record[2] == 1 << 3 | 2
    assert record[4:6] == bytes([1 << 3 | 2, len(specification)])
    assert record[6:].startswith(specification)
    # inputs = 2 {key = 1, value = 2 TensorProto}: int64 0 and float 1 for one row
    assert b"\x0a\x05seeds\x12" in record
    assert b"\x0a\x0atruncation\x12" in record


def test_the_real_api_reads_the_records(exported):
    pytest.importorskip(
        "tensorflow_serving.apis", reason="needs tensorflow-serving-api"
    )
    from tensorflow_serving.apis import prediction_log_pb2

    records = list(tf.data.TFRecordDataset(str(exported / PATH)).as_numpy_iterator())
    request = prediction_log_pb2.PredictionLog.FromString(
        records[-1]
    ).predict_log.request
    assert request.model_spec.name == "small"
    assert not request.model_spec.HasField("version")
    assert request.model_spec.signature_name == "generate_png"
    np.testing.assert_array_equal(
        tf.make_ndarray(request.inputs["seeds"]), np.arange(16)
    )
    np.testing.assert_array_equal(
        tf.make_ndarray(request.inputs["truncation"]), np.ones(16, np.float32)
    )


@pytest.mark.parametrize(
    "damage",
    [
        lambda c: c[:-3],
        lambda c: c[:200] + b"x" + c[201:],
        lambda c: c + long_record(1 << 62),
        lambda c: c * 100,
    ],
)
def test_damage_is_found(copy, damage):
    path = copy / PATH
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match="cannot be read"):
        list(read_warmup_requests(copy))


def test_an_absent_file_is_found(copy):
    (copy / PATH).unlink()
    with pytest.raises(InputError, match="cannot be read"):
        list(read_warmup_requests(copy))
