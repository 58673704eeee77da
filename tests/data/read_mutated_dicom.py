"""Reads mutated DICOM files; ends with a traceback at anything but a refusal.

Run by `test_dicom_fuzz.py` in a process of its own, for a decoder written in C could
take the process with it: python read_mutated_dicom.py SEED COUNT WORK_FILE SEEDS...
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import numpy as np

from gastritis_gan.data.image_file import read_image
from gastritis_gan.errors import InputError

MEMORY_BYTES = 2 << 30
HEADER_BYTES = 4000
EXTREMES = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\x01\0\0\0")


def mutate(content: bytes, rng: np.random.Generator) -> bytes:
    """Changes bytes, bits or lengths, or cuts some out, in up to 8 places."""
    mutated = bytearray(content)
    kind = rng.integers(4)
    for _ in range(rng.integers(1, 9)):
        end = min(len(mutated), HEADER_BYTES) if rng.integers(2) else len(mutated)
        at = int(rng.integers(end))
        if kind == 0:
            mutated[at] = rng.integers(256)
        elif kind == 1:
            mutated[at] ^= 1 << int(rng.integers(8))
        elif kind == 2:
            mutated[at : at + 4] = EXTREMES[rng.integers(len(EXTREMES))]
        else:
            del mutated[at : at + int(rng.integers(1, 50))]
    return bytes(mutated)


def main(seed: int, count: int, work_file: Path, seeds: list[Path]) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    contents = [path.read_bytes() for path in seeds]
    for i in range(count):
        rng = np.random.Generator(np.random.Philox(key=[seed, i]))
        work_file.write_bytes(mutate(contents[rng.integers(len(contents))], rng))
        try:
            read_image(work_file, bits=8)
        except InputError as error:
            if "\n" in str(error) or not str(error).startswith(f"{work_file}: "):
                raise ValueError(f"names no file, or two lines: {error}") from None


if __name__ == "__main__":
    main(
        int(sys.argv[1]),
        int(sys.argv[2]),
        Path(sys.argv[3]),
        [Path(argument) for argument in sys.argv[4:]],
    )
