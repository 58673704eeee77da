import numpy as np
import pytest

from gastritis_gan.privacy.kept_array import kept_array, kept_rows


def test_an_array_is_computed_once(tmp_path):
    calls = []

    def compute():
        calls.append(1)
        return np.arange(3)

    for _ in range(2):
        actual = kept_array(tmp_path / "deep" / "a.npy", compute)
        np.testing.assert_array_equal(actual, [0, 1, 2])
    assert len(calls) == 1


@pytest.mark.parametrize("content", [b"", b"half a file", b"\x93NUMPY"])
def test_a_damaged_file_is_computed_again(tmp_path, content):
    path = tmp_path / "a.npy"
    path.write_bytes(content)
    kept_array(path, lambda: np.arange(3))
    np.testing.assert_array_equal(np.load(path), [0, 1, 2])


def test_a_torn_file_is_computed_again(tmp_path):
    path = tmp_path / "a.npy"
    kept_array(path, lambda: np.arange(100))
    path.write_bytes(path.read_bytes()[:-8])
    np.testing.assert_array_equal(kept_array(path, lambda: np.ones(1)), [1])


def test_rows_go_on_where_they_stopped(tmp_path):
    values = np.arange(22).reshape(11, 2)
    computed = []

    def compute(part):
        computed.append((part.start, part.stop))
        if len(computed) == 3:
            raise KeyboardInterrupt
        return values[part]

    def rows():
        return kept_rows(tmp_path, 11, compute, rows_per_file=4, description="test")

    with pytest.raises(KeyboardInterrupt):
        rows()
    np.testing.assert_array_equal(rows(), values)
    assert computed == [(0, 4), (4, 8), (8, 11), (8, 11)]
