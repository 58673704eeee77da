import subprocess
import sys


def test_two_mirrored_replicas_train_like_one_device(repository):
    """Latents and patches of the global batch are the same; only sums are reordered."""
    result = subprocess.run(
        [sys.executable, "-m", "tests.helpers.two_replicas"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert float(result.stdout.rpartition(" ")[2]) < 1e-5
