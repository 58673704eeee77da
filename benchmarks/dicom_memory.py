"""Peak memory of reading a DICOM image, per transfer syntax, depth and content.

    python benchmarks/dicom_memory.py [--sides 2048,4096] [--out 8] [FILE ...]

Writes artificial images in every transfer syntax, or takes the files that are named,
and reads each in a process of its own. Prints by how much the resident memory rises
above that of the same process after it has read a small image of the same kind, in
multiples of the image: the larger of the stored and the resulting pixels. `film` is
smooth with a little noise, as radiographs are; `noise` is random in every bit, so that
no encoding makes it smaller. Linux only; needs the extra `dicom`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import get_encoder
from pydicom.uid import RLELossless, SecondaryCaptureImageStorage

from gastritis_gan.cohort.dicom.reader import read_dicom

_SMALL = 64
_KIB = 1024


def _rle(pixels: np.ndarray, bits: int) -> bytes:
    return get_encoder(RLELossless).encode(  # type: ignore[no-any-return]
        pixels,
        encoding_plugin="pydicom",
        rows=pixels.shape[0],
        columns=pixels.shape[1],
        samples_per_pixel=1,
        bits_allocated=8 * pixels.itemsize,
        bits_stored=bits,
        pixel_representation=0,
        number_of_frames=1,
        photometric_interpretation="MONOCHROME2",
    )


def _jpeg(pixels: np.ndarray, bits: int) -> bytes:
    return imagecodecs.jpeg8_encode(pixels, level=90, bitspersample=bits)


def _jpeg_lossless(pixels: np.ndarray, bits: int) -> bytes:
    return imagecodecs.jpeg8_encode(pixels, lossless=True, bitspersample=bits)


def _jpeg_2000(pixels: np.ndarray, bits: int) -> bytes:
    return imagecodecs.jpeg2k_encode(
        pixels, codecformat="j2k", level=0, reversible=True, bitspersample=bits
    )


def _jpeg_2000_lossy(pixels: np.ndarray, bits: int) -> bytes:
    return imagecodecs.jpeg2k_encode(
        pixels, codecformat="j2k", level=50, reversible=False, bitspersample=bits
    )


def _jpeg_ls(pixels: np.ndarray, bits: int) -> bytes:
    return imagecodecs.jpegls_encode(pixels, out=2 * pixels.nbytes)  # noise grows


def _htj2k(pixels: np.ndarray, bits: int) -> bytes:
    return imagecodecs.htj2k_encode(pixels, reversible=True)


# How to encode, and the depths.
SYNTAXES: dict[str, tuple[Callable[..., bytes] | None, tuple[int, ...]]] = {
    "ExplicitVRLittleEndian": (None, (8, 12, 16)),
    "ExplicitVRBigEndian": (None, (12,)),
    "DeflatedExplicitVRLittleEndian": (None, (8, 12, 16)),
    "RLELossless": (_rle, (8, 12, 16)),
    "JPEGBaseline8Bit": (_jpeg, (8,)),
    "JPEGExtended12Bit": (_jpeg, (12,)),
    "JPEGLosslessSV1": (_jpeg_lossless, (8, 12, 16)),
    "JPEGLSLossless": (_jpeg_ls, (8, 12, 16)),
    "JPEG2000Lossless": (_jpeg_2000, (8, 12, 15, 16)),
    "JPEG2000": (_jpeg_2000_lossy, (8, 12, 15, 16)),
    "HTJ2KLossless": (_htj2k, (8, 16)),
}


def write_image(path: Path, syntax: str, *, side: int, bits: int, content: str) -> None:
    """Writes an artificial image of `side` x `side` pixels."""
    white = (1 << bits) - 1
    rng = np.random.default_rng(0)
    if content == "noise":
        grey = rng.integers(0, white + 1, (side, side))
    else:
        y, x = np.mgrid[:side, :side] / side
        waves = 0.5 + 0.2 * np.sin(9 * y) + 0.2 * np.cos(7 * x)
        grey = waves * white + rng.normal(0, white / 200, (side, side))
    pixels = grey.astype("u1" if bits == 8 else "u2")
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = getattr(pydicom.uid, syntax)
    dataset.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset.SOPClassUID, dataset.SOPInstanceUID = SecondaryCaptureImageStorage, "1.2.3"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows = dataset.Columns = side
    dataset.BitsAllocated = 8 * pixels.itemsize
    dataset.BitsStored, dataset.HighBit = bits, bits - 1
    dataset.PixelRepresentation = 0
    encode, _ = SYNTAXES[syntax]
    if encode is None:
        order = ">" if syntax == "ExplicitVRBigEndian" else "<"
        dataset.PixelData = pixels.astype(f"{order}u{pixels.itemsize}").tobytes()
    else:
        dataset.PixelData = encapsulate([bytes(encode(pixels, bits))])
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)


def measure(path: Path, warm_up: Path, bits: int) -> float:
    """Returns the rise of the peak, in multiples of the image, in this process."""
    read_dicom(warm_up, bits=bits)
    Path("/proc/self/clear_refs").write_text("5")  # the peak is the present from now on
    before = _status("VmRSS")
    image = read_dicom(path, bits=bits)
    rise = _status("VmHWM") - before
    stored = pydicom.dcmread(path, specific_tags=["BitsAllocated"]).BitsAllocated // 8
    return rise / (image.size * max(stored, image.itemsize))


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) * _KIB


def _measure_alone(path: Path, warm_up: Path, bits: int) -> str:
    command = [sys.executable, __file__, "--out", str(bits), "--worker"]
    done = subprocess.run(
        [*command, str(path), str(warm_up)], capture_output=True, text=True, check=False
    )
    return done.stdout or f"failed: {done.stderr.splitlines()[-1]}"


def main() -> None:
    """Prints a line for every image, or for every syntax and depth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", default="2048,4096")
    parser.add_argument("--out", type=int, default=8, help="bits of the result")
    parser.add_argument("--worker", nargs=2, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("files", nargs="*", type=Path)
    arguments = parser.parse_args()
    if arguments.worker:
        sys.stdout.write(f"{measure(*arguments.worker, arguments.out):.2f}")
        return
    with tempfile.TemporaryDirectory() as name:
        small, path = Path(name) / "small.dcm", Path(name) / "image.dcm"
        if arguments.files:
            write_image(
                small, "ExplicitVRLittleEndian", side=_SMALL, bits=8, content="film"
            )
            for file in arguments.files:
                rise = _measure_alone(file, small, arguments.out)
                sys.stdout.write(f"{file.name}: {rise}\n")
            return
        for syntax, (_, depths) in SYNTAXES.items():
            for bits in depths:
                write_image(small, syntax, side=_SMALL, bits=bits, content="film")
                cells = []
                for side in map(int, arguments.sides.split(",")):
                    for content in ("film", "noise"):
                        write_image(path, syntax, side=side, bits=bits, content=content)
                        rise = _measure_alone(path, small, arguments.out)
                        cells.append(f"{side} {content} {rise}")
                sys.stdout.write(f"{syntax:31} {bits:2} bits: {', '.join(cells)}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
