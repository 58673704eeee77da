"""What a user's input, the system or a signal can cause."""

from __future__ import annotations

import errno
from pathlib import Path


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one sentence for the user: what is wrong, where (file, tag, key),
    what is allowed, and the way out. The command line prints it without a traceback and
    exits with 2.
    """


_AGAIN = "run the same command again."
_ELSEWHERE = "Give another path, or change its permissions."
_REFUSALS = {  # by the number of the system's error: what it means, and the way out
    errno.ENOSPC: ("the disk is full", f"Free some space and {_AGAIN}"),
    errno.EDQUOT: ("your share of the disk is full", f"Free some space and {_AGAIN}"),
    errno.EFBIG: (
        "the system limits the size of files",
        f"Raise the limit (`ulimit -f`) and {_AGAIN}",
    ),
    errno.EACCES: ("this user lacks the permission", _ELSEWHERE),
    errno.EPERM: ("this user lacks the permission", _ELSEWHERE),
    errno.EROFS: ("its file system is read-only", "Give a path on another one."),
    errno.ENOENT: ("it does not exist", "Give a path that does."),
    errno.EEXIST: ("something is there already", "Give another path."),
    errno.ENOTDIR: ("a file is where a folder should be", "Give another path."),
    errno.EISDIR: ("a folder is where a file should be", "Give another path."),
    errno.ENAMETOOLONG: ("its name is too long", "Give a shorter one."),
    errno.ELOOP: ("its links lead in a circle", "Give another path."),
    errno.EMFILE: (
        "too many files are open",
        f"Raise the limit (`ulimit -n`) and {_AGAIN}",
    ),
    errno.ENFILE: ("too many files are open", f"Close other programs and {_AGAIN}"),
    errno.ENOLCK: (
        "its file system cannot lock files, as some network shares",
        "Give a path on a local disk.",
    ),
    errno.ENOMEM: ("memory ran out", f"Close other programs and {_AGAIN}"),
    errno.EAGAIN: (
        "the system lets this user start no more processes",
        "End some, or give `prepare --workers 1`.",
    ),
    errno.EIO: ("the disk or the network failed", f"Check it and {_AGAIN}"),
    errno.ESTALE: ("the network share went away", f"Connect it and {_AGAIN}"),
}
_REFUSALS[errno.EOPNOTSUPP] = _REFUSALS[errno.ENOSYS] = _REFUSALS[errno.ENOLCK]


def refusal_of(error: OSError, what: Path | str) -> InputError:
    """Returns the sentences for an error of the system.

    Args:
        error: What the system answered.
        what: The path that it concerns, or what stands for it where its name is not
            public.
    """
    reason, way_out = _REFUSALS.get(
        _number_of(error),
        (error.strerror or type(error).__name__, f"Check it and {_AGAIN}"),
    )
    return InputError(f"{what} cannot be used: {reason}. {way_out}")


def _number_of(error: BaseException | None) -> int:
    """Returns the system's number of an error, also where a library left it out."""
    while error is not None:
        if isinstance(error, OSError) and error.errno:
            return error.errno
        if "requested and" in str(error):  # NumPy: "512 requested and 64 written"
            return errno.ENOSPC
        error = error.__cause__ or error.__context__
    return 0


class RunInterruptedError(Exception):
    """The run was asked to stop, has written a checkpoint and stopped.

    Attributes:
        signal_number: What asked for it.
    """

    def __init__(self, message: str, *, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number
