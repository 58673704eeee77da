"""The wish to stop a training: Ctrl-C, or a signal of the system."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from types import FrameType

from tqdm import tqdm

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Remembers the first SIGINT or SIGTERM, and says so at once; a second one ends.

    Python looks at signals between two operations, and one of TensorFlow's can take
    minutes. So a thread reads what Python's handler in C notes of a signal.

    Attributes:
        signal_number: The signal that came, or None.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Catches the signals within the block, if this is the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield  # Python lets no other thread catch signals
            return
        previous = {number: signal.getsignal(number) for number in _SIGNALS}

        def remember(number: int, frame: FrameType | None) -> None:
            self.signal_number = number
            if _is_interactive():
                restore()  # the second one as always: it must not end a notebook

        def restore() -> None:
            for number, handler in previous.items():
                signal.signal(number, handler)

        reader, writer = socket.socketpair()
        writer.setblocking(False)
        before = signal.set_wakeup_fd(writer.fileno())
        answering = threading.Thread(target=_answer, args=(reader,), daemon=True)
        answering.start()
        for number in _SIGNALS:
            signal.signal(number, remember)
        try:
            yield
        finally:
            restore()
            signal.set_wakeup_fd(before)
            writer.close()  # the thread reads the end
            answering.join()
            reader.close()


def _is_interactive() -> bool:
    return hasattr(sys, "ps1")


def _answer(signals: socket.socket) -> None:
    """Answers the first signal with a sentence, and the second by ending the process.

    Args:
        signals: A byte for each signal: its number.
    """
    came = False
    while number := signals.recv(1):
        if number[0] not in _SIGNALS:
            continue
        if not came:
            came = True
            tqdm.write("Finishing this step; again to end now.", file=sys.stderr)
        elif not _is_interactive():
            sys.stderr.write(
                "\nEnded. The same command with --resume resumes from the last "
                "checkpoint.\n"
            )
            os._exit(128 + number[0])
