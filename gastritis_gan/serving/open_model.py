"""One way to samples, from a folder as from a server."""

from __future__ import annotations

import os

from gastritis_gan.errors import InputError
from gastritis_gan.serving.sample_folder import SampleSource


def open_model(
    where: str | os.PathLike[str],
    name: str | None = None,
    *,
    version: int | None = None,
    label: str | None = None,
    wait_seconds: float = 0.0,
    timeout_seconds: float = 120.0,
) -> SampleSource:
    """Opens an exported model; equal seeds give equal images wherever it is.

    Example:
        >>> model = open_model("exported/lc_positive")
        >>> model = open_model("http://127.0.0.1:8501", "lc_positive")
        >>> images = model.generate(range(100))  # uint8 (100, r, r, 1)

    Args:
        where: A folder, `exported/<name>`, which needs TensorFlow; or the address of a
            server's REST port, which does not.
        name: Name of the model on the server.
        version: Which version; the highest by default.
        label: Which version of a server, by its label.
        wait_seconds: How long to wait until a server has loaded the model.
        timeout_seconds: How long one request to a server may take.

    Raises:
        InputError: The model is not there, or the arguments do not fit together.
    """
    if str(where).startswith(("http://", "https://")):
        from gastritis_gan.serving.remote import RemoteModel

        if name is None:
            raise InputError(
                f"{where} may serve many models; name one with --model, in Python with "
                "`name`."
            )
        return RemoteModel.open(
            str(where),
            name,
            version=version,
            label=label,
            wait_seconds=wait_seconds,
            timeout_seconds=timeout_seconds,
        )
    if name is not None or label is not None:
        raise InputError(
            f"{where} is a folder: a model name or a label needs a server."
        )
    from gastritis_gan.serving.exported_model import ExportedModel

    return ExportedModel.open(where, version)
