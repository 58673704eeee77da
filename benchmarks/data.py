"""From radiographs to the training step: DICOM, store, input pipeline.

    python benchmarks/data.py dicom [--sides 2048,4096] [--bits 8] [FILE ...]
    python benchmarks/data.py prepare [--images 200] [--size 2048]
    python benchmarks/data.py input [--images 16] [--seconds 2] [--data FOLDER]

dicom: peak memory of reading an image, per transfer syntax, depth and content; of files
that are named, or of artificial images. It is by how much the resident memory of a
process rises above that after it has read a small image of the same kind, in multiples
of the image: the larger of the stored and the resulting pixels. `film` is smooth with a
little noise, as radiographs are; `noise` is random in every bit, so that no encoding
makes it smaller.

prepare: images per second and memory of making a store of the paper's geometry from
12-bit DICOM with PNG outlines (a few phantoms under many names), by one and by two
workers.

input: patches per second of one source at a time, batched and averaged down to the
resolution of a training stage: the store as `fit` reads it, a folder of PNG patches by
`keras.utils.image_dataset_from_directory`, TFRecords of PNG patches by `tf.data`; and
what these take on disk. Phantoms of 2,048 pixels, the paper's geometry and batches; a
quarter of the images trains, as in the paper.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import harness
import imagecodecs
import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import get_encoder
from pydicom.uid import RLELossless, SecondaryCaptureImageStorage

from gastritis_gan.cohort.cohort_settings import CohortConfig
from gastritis_gan.cohort.dicom.reader import read_dicom
from gastritis_gan.phantom.phantom_cohort import make_phantom
from gastritis_gan.store.patches import PatchGeometry
from gastritis_gan.store.prepare import prepare_cohort
from gastritis_gan.store.split import SplitConfig
from gastritis_gan.store.store import Store

CLASSES = CohortConfig()
MIB = 1 << 20

# dicom


def encode_rle(pixels: np.ndarray, bits: int) -> bytes:
    """Encodes with pydicom."""
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


def encode_jpeg(pixels: np.ndarray, bits: int, *, lossless: bool = False) -> bytes:
    """Encodes with libjpeg-turbo."""
    if lossless:
        return imagecodecs.jpeg8_encode(pixels, lossless=True, bitspersample=bits)
    return imagecodecs.jpeg8_encode(pixels, level=90, bitspersample=bits)


def encode_jpeg_2000(pixels: np.ndarray, bits: int, *, lossless: bool) -> bytes:
    """Encodes with OpenJPEG."""
    return imagecodecs.jpeg2k_encode(
        pixels,
        codecformat="j2k",
        level=0 if lossless else 50,
        reversible=lossless,
        bitspersample=bits,
    )


# How to encode, and the depths.
SYNTAXES: dict[str, tuple[Callable[..., bytes] | None, tuple[int, ...]]] = {
    "ExplicitVRLittleEndian": (None, (8, 12, 16)),
    "ExplicitVRBigEndian": (None, (12,)),
    "DeflatedExplicitVRLittleEndian": (None, (8, 12, 16)),
    "RLELossless": (encode_rle, (8, 12, 16)),
    "JPEGBaseline8Bit": (encode_jpeg, (8,)),
    "JPEGExtended12Bit": (encode_jpeg, (12,)),
    "JPEGLosslessSV1": (
        lambda pixels, bits: encode_jpeg(pixels, bits, lossless=True),
        (8, 12, 16),
    ),
    "JPEGLSLossless": (
        lambda pixels, bits: imagecodecs.jpegls_encode(pixels, out=2 * pixels.nbytes),
        (8, 12, 16),
    ),
    "JPEG2000Lossless": (
        lambda pixels, bits: encode_jpeg_2000(pixels, bits, lossless=True),
        (8, 12, 15, 16),
    ),
    "JPEG2000": (
        lambda pixels, bits: encode_jpeg_2000(pixels, bits, lossless=False),
        (8, 12, 15, 16),
    ),
    "HTJ2KLossless": (
        lambda pixels, bits: imagecodecs.htj2k_encode(pixels, reversible=True),
        (8, 16),
    ),
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


def measure_reading(path: str, warm_up: str, bits: int) -> float | str:
    """Returns the rise of the peak, in multiples of the image; or why there is none."""
    read_dicom(Path(warm_up), bits=bits)
    Path("/proc/self/clear_refs").write_text("5")  # the peak is the present from now on
    before = harness.status_mib("VmRSS")
    try:
        image = read_dicom(Path(path), bits=bits).pixels
    except ValueError as error:
        return str(error)
    rise = harness.peak_mib() - before
    stored = pydicom.dcmread(path, specific_tags=["BitsAllocated"]).BitsAllocated // 8
    return rise * MIB / (image.size * max(stored, image.itemsize))


def report_dicom(options: argparse.Namespace, folder: Path) -> None:
    """Writes a row for every file, or for every syntax and depth."""
    small, path = folder / "small.dcm", folder / "image.dcm"
    if options.quick:
        options.sides = [256]

    def rise(file: Path) -> str:
        found = harness.alone(
            __file__, "measure_reading", str(file), str(small), options.bits
        )
        return found if isinstance(found, str) else f"{found:.2f}"

    if options.files:
        plain = "ExplicitVRLittleEndian"
        write_image(small, plain, side=64, bits=8, content="film")
        harness.write_header("file", "peak / image")
        for file in options.files:
            harness.write_row(file.name, rise(file))
        return
    cases = list(itertools.product(options.sides, ("film", "noise")))
    names = (f"{content}, {side} px" for side, content in cases)
    harness.write_header("transfer syntax", "bits", *names)
    for syntax, (_, depths) in SYNTAXES.items():
        for bits in depths[:1] if options.quick else depths:
            write_image(small, syntax, side=64, bits=bits, content="film")
            cells = []
            for side, content in cases:
                write_image(path, syntax, side=side, bits=bits, content=content)
                cells.append(rise(path))
            harness.write_row(syntax, bits, *cells)


# prepare


def write_cohort(folder: Path, num_images: int, phantoms: Path) -> None:
    """Writes a cohort of `num_images` rows, links to a few phantom images."""
    with (phantoms / "cohort.csv").open(newline="") as stream:
        drawn = list(csv.DictReader(stream))
    folder.mkdir()
    with (folder / "cohort.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["image", "patient", "label", "outline"])
        for number in range(num_images):
            source = drawn[number % len(drawn)]
            (folder / f"{number}.dcm").hardlink_to(phantoms / source["image"])
            outline = phantoms / source["outline"]
            rows.writerow([f"{number}.dcm", number, source["label"], outline])


def measure_prepare(folder: str, workers: int) -> dict[str, float]:
    """Makes the store of a cohort; returns seconds and the peaks in MiB."""
    usage = harness.usage_of(
        lambda: prepare_cohort(
            folder,
            Path(folder).with_name("store"),
            settings=CLASSES,
            geometry=PatchGeometry(),
            split=SplitConfig(train_positive_patients=1, train_negative_patients=1),
            workers=workers,
        )
    )
    of_workers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {
        "wall": usage.wall,
        "cpu": usage.cpu,
        "peak_mib": usage.peak_mib,
        "worker_mib": of_workers if workers > 1 else 0.0,
    }


def report_prepare(options: argparse.Namespace, folder: Path) -> None:
    """Writes a row for every number of images and of workers."""
    if options.quick:
        options.images, options.size = 16, 512
    phantoms = folder / "phantoms"
    make_phantom(phantoms, patients=4, image_size=options.size, seed=0)
    harness.write_header(
        "images", "workers", "images/s", "images/CPU-s", "peak, MiB", "of a worker"
    )
    for num_images, workers in itertools.product(
        (options.images // 4, options.images), (1, 2)
    ):
        cohort = folder / f"{num_images}_{workers}" / "cohort"
        cohort.parent.mkdir()
        write_cohort(cohort, num_images, phantoms)
        found = harness.alone(__file__, "measure_prepare", str(cohort), workers)
        shutil.rmtree(cohort.parent)
        harness.write_row(
            num_images,
            workers,
            f"{num_images / found['wall']:.2f}",
            f"{num_images / found['cpu']:.2f}",
            f"{found['peak_mib']:.0f}",
            f"{found['worker_mib']:.0f}",
        )


# input

BATCH_SIZES = {4: 32, 8: 32, 16: 16, 32: 16, 64: 16, 128: 16, 256: 8}  # paper, IV-A
SETS = ("positive", "negative", "outside")


def make_data(folder: Path, num_images: int, image_size: int) -> None:
    """Makes the store, the PNG folder and the TFRecords of its training patches."""
    import tensorflow as tf

    make_phantom(folder / "cohort", patients=num_images, image_size=image_size, seed=0)
    store = prepare_cohort(
        folder / "cohort",
        folder / "store",
        settings=CLASSES,
        geometry=PatchGeometry(),
        split=SplitConfig(
            train_positive_patients=num_images // 8,
            train_negative_patients=num_images // 8,
        ),
    )
    with tf.io.TFRecordWriter(str(folder / "patches.tfrecord")) as writer:
        for name in SETS:
            patches = store.patch_set(name, "train")
            for path in write_pngs(store, patches, folder / "png" / name):
                writer.write(path.read_bytes())
    for number, image in enumerate(store.images):
        if image.split == "test":
            windows = store.patches_of_image(number, inside_only=False)
            write_pngs(store, windows, folder / "png_test" / image.key)


def write_pngs(store: Store, indices: np.ndarray, folder: Path) -> list[Path]:
    """Writes patches into a new folder and returns their paths."""
    folder.mkdir(parents=True)
    paths = [folder / f"{index}.png" for index in indices]
    for index, path in zip(indices, paths, strict=True):
        Image.fromarray(np.asarray(store.window(index))).save(path)
    return paths


def store_batches(folder: Path, resolution: int) -> Callable[[], object]:
    """Returns a function that reads the next batch as `fit` does."""
    from gastritis_gan.store.dataset import make_dataset

    store = Store.open(folder / "store")
    store.keep_images()
    pool = np.concatenate([store.patch_set(name, "train") for name in SETS])
    dataset = make_dataset(
        store,
        [pool],
        resolution=resolution,
        batch_size=BATCH_SIZES[resolution],
        seed=0,
        first_step=0,
        num_steps=1 << 40,
    )
    batches = dataset.as_numpy_iterator()
    return lambda: next(batches)


def png_batches(folder: Path, resolution: int) -> Callable[[], object]:
    """Returns a function that reads the next batch of the PNG folder."""
    import keras
    import tensorflow as tf

    dataset = keras.utils.image_dataset_from_directory(
        folder / "png",
        labels=None,
        color_mode="grayscale",
        batch_size=BATCH_SIZES[resolution],
        image_size=(resolution, resolution),
        interpolation="area",
        shuffle=True,
        seed=0,
        verbose=False,
    )
    dataset = dataset.map(lambda image: image / 127.5 - 1.0, tf.data.AUTOTUNE)
    batches = dataset.repeat().prefetch(tf.data.AUTOTUNE).as_numpy_iterator()
    return lambda: next(batches)


def tfrecord_batches(folder: Path, resolution: int) -> Callable[[], object]:
    """Returns a function that reads the next batch of the TFRecords."""
    import tensorflow as tf

    def decode(record: tf.Tensor) -> tf.Tensor:
        image = tf.io.decode_png(record, channels=1)
        image = tf.image.resize(image, (resolution, resolution), "area")
        return image / 127.5 - 1.0

    dataset = tf.data.TFRecordDataset(str(folder / "patches.tfrecord"))
    dataset = dataset.repeat().shuffle(1024, seed=0)
    dataset = dataset.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
    dataset = dataset.batch(BATCH_SIZES[resolution]).prefetch(tf.data.AUTOTUNE)
    batches = dataset.as_numpy_iterator()
    return lambda: next(batches)


SOURCES = {
    "store": store_batches,
    "PNG folder": png_batches,
    "TFRecords": tfrecord_batches,
}


def measure_source(
    folder: str, source: str, resolution: int, seconds: float
) -> dict[str, Any]:
    """Returns patches per second, per CPU second, and the peak in MiB."""
    read = SOURCES[source](Path(folder), resolution)
    end = time.perf_counter() + seconds / 2
    while time.perf_counter() < end:  # files into the page cache, threads started
        read()
    batches = 0

    def read_on() -> None:
        nonlocal batches
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            read()
            batches += 1

    usage = harness.usage_of(read_on)
    patches = batches * BATCH_SIZES[resolution]
    return {
        "per_second": patches / usage.wall,
        "per_cpu_second": patches / usage.cpu,
        "peak_mib": usage.peak_mib,
    }


def disk_mib(path: Path) -> float:
    """Returns the bytes of a file or of all files in a folder, in MiB."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file()) / MIB


def report_disk(folder: Path) -> None:
    """Writes what store, PNG folder and TFRecords take on disk."""
    store = Store.open(folder / "store")
    num_train = sum(image.split == "train" for image in store.images)
    num_patches = sum(store.patch_set(name, "train").size for name in SETS)
    whole = disk_mib(folder / "store")
    share = whole * num_train / len(store.images)
    png, png_test = disk_mib(folder / "png"), disk_mib(folder / "png_test")
    harness.write_header("on disk", "store, MiB", "PNG folder, MiB", "TFRecords, MiB")
    harness.write_row(
        f"{num_patches:,} training patches of {num_train} images",
        f"{share:.1f} (its share)",
        f"{png:.1f}",
        f"{disk_mib(folder / 'patches.tfrecord'):.1f}",
    )
    harness.write_row(
        f"these, and all windows of {len(store.images) - num_train} test images",
        f"{whole:.1f}",
        f"{png + png_test:.1f}",
        "",
    )


def report_input(options: argparse.Namespace, folder: Path) -> None:
    """Writes a row for every resolution and source."""
    resolutions, image_size = list(BATCH_SIZES), 2048
    if options.quick:
        options.images, options.seconds, image_size = 8, 0.2, 1024
        resolutions = resolutions[:1]
    folder = options.data or folder
    if not (folder / "patches.tfrecord").exists():
        make_data(folder, options.images, image_size)
    report_disk(folder)
    harness.write_header(
        "px", "source", "patches/s", "patches/CPU-s", "peak memory, MiB"
    )
    for resolution, source in itertools.product(resolutions, SOURCES):
        found = harness.alone(
            __file__, "measure_source", str(folder), source, resolution, options.seconds
        )
        harness.write_row(
            resolution,
            source,
            f"{found['per_second']:,.0f}",
            f"{found['per_cpu_second']:,.0f}",
            f"{found['peak_mib']:,.0f}",
        )


def main() -> None:
    """Writes one of the tables."""
    parser = harness.make_parser(__doc__)
    parts = parser.add_subparsers(dest="part", required=True)
    dicom = parts.add_parser("dicom")
    dicom.add_argument("--sides", type=harness.integers, default=[2048, 4096])
    dicom.add_argument("--bits", type=int, default=8, help="of the result")
    dicom.add_argument("files", nargs="*", type=Path)
    prepare = parts.add_parser("prepare")
    prepare.add_argument("--images", type=int, default=200)
    prepare.add_argument("--size", type=int, default=2048, help="in pixels")
    pipeline = parts.add_parser("input")
    pipeline.add_argument("--images", type=int, default=16)
    pipeline.add_argument("--seconds", type=float, default=2.0)
    pipeline.add_argument("--data", type=Path, help="keeps the data for the next time")
    options = parser.parse_args()
    report = {"dicom": report_dicom, "prepare": report_prepare, "input": report_input}
    harness.write_machine()
    with tempfile.TemporaryDirectory() as folder:
        report[options.part](options, Path(folder))


if __name__ == "__main__":
    main()
