import os
import signal
import subprocess
import sys
import threading

import pytest

from gastritis_gan.training.interruption import Interruption


@pytest.fixture
def python_handler():
    """Python's own, also where the tests were started with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


# A mutex that is taken twice: code in C that no signal wakes, as TensorFlow's.
_STUCK = """
import ctypes
from gastritis_gan.training.interruption import Interruption
mutex = ctypes.create_string_buffer(256)
with Interruption().listening():
    print("stuck", flush=True)
    for _ in range(2):
        ctypes.CDLL(None).pthread_mutex_lock(mutex)
"""


def test_signals_are_answered_within_an_operation_and_the_second_ends(repository):
    with subprocess.Popen(
        [sys.executable, "-c", _STUCK],
        cwd=repository,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "stuck\n"
        process.send_signal(signal.SIGINT)
        answer = "Finishing this step; again to end now.\n"
        assert process.stderr.readline() == answer
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert "--resume resumes from the last checkpoint" in process.stderr.read()
        assert process.wait() == 130


@pytest.mark.usefixtures("python_handler")
def test_in_a_notebook_the_second_signal_is_an_exception(monkeypatch):
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    interruption = Interruption()
    with interruption.listening():
        assert interruption.signal_number is None
        os.kill(os.getpid(), signal.SIGINT)
        assert interruption.signal_number == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_the_handlers_come_back():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with Interruption().listening():
        assert signal.getsignal(signal.SIGTERM) != before[0]
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_another_thread_trains_without_catching_signals():
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def train():
        with Interruption().listening():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert seen == [before]
