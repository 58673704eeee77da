import subprocess
import sys

QUIET = """
import sys
from gastritis_gan.tensorflow_setup import set_up_tensorflow
sys.path.insert(0, sys.argv[1])
set_up_tensorflow()
import tensorflow
"""


def import_quietly(tmp_path, source):
    """Imports a `tensorflow` of that source, as a command would."""
    (tmp_path / "tensorflow.py").write_text(source)
    return subprocess.run(
        [sys.executable, "-c", QUIET, tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_an_import_announces_is_put_aside(tmp_path):
    """The announcement comes from the C library, so by the descriptor."""
    done = import_quietly(tmp_path, "import os; os.write(2, b'oneDNN is on'); print(1)")
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


def test_what_a_failing_import_says_is_shown(tmp_path):
    source = "import os; os.write(2, b'no AVX here'); raise ImportError('broken')"
    done = import_quietly(tmp_path, source)
    assert done.returncode == 1
    assert done.stderr.startswith("no AVX here")
    assert "ImportError: broken" in done.stderr
