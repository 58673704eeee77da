"""What a user's input, or a signal, can cause."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one sentence for the user: what is wrong, where (file, tag, key),
    what is allowed, and the way out. The command line prints it without a traceback and
    exits with 2.
    """


class RunInterruptedError(Exception):
    """The run was asked to stop, has written a checkpoint and stopped.

    Attributes:
        signal_number: What asked for it.
    """

    def __init__(self, message: str, *, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number
