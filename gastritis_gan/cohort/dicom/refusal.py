"""Turns whatever a damaged file makes a reader raise into one sentence."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pydicom.errors

from gastritis_gan.cohort.cohort_error import CohortError, file_error, public_text
from gastritis_gan.cohort.quiet import quiet
from gastritis_gan.errors import InputError


@contextlib.contextmanager
def refusal(path: Path, problem: str) -> Iterator[None]:
    """Names the file, and the problem, in whatever is raised inside.

    Args:
        path: The file.
        problem: What it means when the code inside raises.

    Raises:
        InputError: Anything but a lack of memory was raised inside.
    """
    try:
        with quiet("pydicom"):
            yield
    except MemoryError:
        raise
    except InputError as error:
        raise file_error(
            path, CohortError(_one_line(str(error)), _one_line(public_text(error)))
        ) from None
    except pydicom.errors.InvalidDicomError:
        raise file_error(
            path, "is not a DICOM, PNG or TIFF file (no DICM after 128 bytes)."
        ) from None
    except Exception as error:  # noqa: BLE001 - damage surfaces as any exception
        # pydicom introduces what each of its plugins said by a line that says nothing
        text = str(error).rpartition("available plugins:")[2]
        reason = _one_line(text) or type(error).__name__
        raise file_error(path, problem, reason=reason) from None


def _one_line(text: str) -> str:
    """Values of a damaged file, which messages quote, hold line breaks and worse."""
    line = " ".join(text.split())
    return "".join(letter if letter.isprintable() else "?" for letter in line)
