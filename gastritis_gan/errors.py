"""The one exception that a user's input can cause."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one sentence for the user: what is wrong, where (file, tag, key),
    what is allowed, and the way out. The command line prints it without a traceback and
    exits with 2.
    """
