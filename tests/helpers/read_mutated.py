"""Reads mutated files; ends with a traceback at anything but a refusal.

Run by `test_mutated_files.py` in a process of its own, for a decoder written in C could
take the process with it: python read_mutated.py {image,outline} SEED COUNT FOLDER
SEEDS... An outline's seed is for an image of the size in its name: ANY_30x40.png.
"""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path

import numpy as np

from gastritis_gan.cohort.image_file import read_image
from gastritis_gan.cohort.outlines import read_outline
from gastritis_gan.errors import InputError

MEMORY_BYTES = 2 << 30
HEADER_BYTES = 4000
EXTREMES = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\x01\0\0\0")
SHAPE = re.compile(r"_(\d+)x(\d+)\.")


def mutate(content: bytes, rng: np.random.Generator) -> bytes:
    """Changes bytes, bits or lengths, or cuts some out, in up to 8 places."""
    mutated = bytearray(content)
    kind = rng.integers(4)
    for _ in range(rng.integers(1, 9)):
        if not mutated:
            break
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


def read(kind: str, path: Path) -> None:
    """Reads a file as what it is for."""
    if kind == "image":
        read_image(path, bits=8)
    else:
        height, width = map(int, SHAPE.search(path.name).groups())
        read_outline(path, shape=(height, width))


def main(kind: str, seed: int, count: int, folder: Path, seeds: list[Path]) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    num_read = 0
    for i in range(count):
        rng = np.random.Generator(np.random.Philox(key=[seed, i]))
        source = seeds[rng.integers(len(seeds))]
        path = folder / source.name
        path.write_bytes(mutate(source.read_bytes(), rng))
        try:
            read(kind, path)
            num_read += 1
        except InputError as error:
            if "\n" in str(error) or not str(error).startswith(f"{path}: "):
                raise ValueError(f"names no file, or two lines: {error}") from None
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    sys.stdout.write(f"{count} files, {num_read} read, peak {peak_mib} MiB\n")


if __name__ == "__main__":
    main(
        sys.argv[1],
        int(sys.argv[2]),
        int(sys.argv[3]),
        Path(sys.argv[4]),
        [Path(argument) for argument in sys.argv[5:]],
    )
