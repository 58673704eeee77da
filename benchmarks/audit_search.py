r"""The audit's search at whole pixels, by matrix products and FFTs: CPU time of both.

    python benchmarks/audit_search.py --patches 1000 --size 16 --side 128

Both look for the best window and flip of each patch in one noise image, with one thread
and in float32, and have to agree.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import scipy.fft
import threadpoolctl

from gastritis_gan.privacy.windows import (
    FLIPS,
    PositionSearch,
    flip_patches,
    inverse_norms,
)


def find_by_fft(patches: np.ndarray, image: np.ndarray, norms: np.ndarray) -> list:
    """Returns best row, column and flip of each patch, one FFT map per flip."""
    shape = tuple(scipy.fft.next_fast_len(side, real=True) for side in image.shape)
    spectrum = scipy.fft.rfft2(image, shape)
    found = []
    for patch in patches:
        turned = flip_patches(
            np.repeat(patch[None], len(FLIPS), axis=0),
            np.arange(len(FLIPS), dtype=np.uint8),
        )
        maps = scipy.fft.irfft2(
            spectrum * scipy.fft.rfft2(turned, shape).conj(), shape
        )[:, : norms.shape[0], : norms.shape[1]]
        flip, row, column = np.unravel_index((maps * norms).argmax(), maps.shape)
        found.append((row, column, flip))
    return np.array(found).T


def main() -> None:
    """Prints CPU seconds of both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patches", type=int, default=1000)
    parser.add_argument("--size", type=int, default=16, help="of a patch, pixels")
    parser.add_argument("--side", type=int, default=128, help="of the image, pixels")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    image = rng.normal(size=(arguments.side, arguments.side)).astype(np.float32)
    size = arguments.size
    patches = rng.normal(size=(arguments.patches, size, size)).astype(np.float32)
    patches -= patches.mean(axis=(1, 2), keepdims=True)
    patches /= np.linalg.norm(patches, axis=(1, 2), keepdims=True)
    norms = inverse_norms(image, size, 0.0)
    with threadpoolctl.threadpool_limits(1, "blas"):
        search = PositionSearch(patches)
        start = time.process_time()
        by_products = search.find(image, norms)
        between = time.process_time()
        by_fft = find_by_fft(patches, image, norms)
        end = time.process_time()
    agree = np.mean([(a == b) for a, b in zip(by_products, by_fft, strict=True)])
    print(  # noqa: T201
        f"{arguments.patches} patches of {size} pixels in {arguments.side} x "
        f"{arguments.side}: {between - start:.2f} s by products, {end - between:.2f} s "
        f"by FFTs; {agree:.2%} of the places agree."
    )


if __name__ == "__main__":
    main()
