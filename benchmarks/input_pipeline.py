"""Patches per second from a store, a folder of PNG patches and TFRecords.

    python benchmarks/input_pipeline.py [--images 16] [--seconds 2] [--data FOLDER]

Prints patches per second of wall clock, and per second of CPU time of all threads,
which other load on the machine disturbs less; then the peak memory of the process.

All three give the same patches of phantom images of 2,048 x 2,048 pixels with the
paper's geometry (299 pixels every 50), batched and averaged down to the resolution of a
training stage. A quarter of the images trains, as in the paper. Every measurement runs
in a process of its own on warm files.

- store: `gastritis_gan.store.dataset`, as `fit` reads it;
- PNG folder: `keras.utils.image_dataset_from_directory` with `interpolation="area"`;
- TFRecords: PNG-encoded patches, parsed, decoded and resized (area) by `tf.data` in
  parallel.

Before that it prints what they take on disk: for training alone, and with the 1,225
windows of every test image, over which an evaluation votes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from gastritis_gan.cohort.settings import CohortConfig
from gastritis_gan.phantom.cohort import make_phantom
from gastritis_gan.store.patches import PatchGeometry
from gastritis_gan.store.prepare import prepare_cohort
from gastritis_gan.store.split import SplitConfig
from gastritis_gan.store.store import Store

BATCH_SIZES = {4: 32, 8: 32, 16: 16, 32: 16, 64: 16, 128: 16, 256: 8}  # paper, IV-A
IMAGE_SIZE = 2048
SETS = ("positive", "negative", "outside")
_MIB = 1 << 20


def make_data(folder: Path, num_images: int) -> None:
    """Makes the store, the PNG folder and the TFRecords of its training patches."""
    import tensorflow as tf

    make_phantom(folder / "cohort", patients=num_images, image_size=IMAGE_SIZE, seed=0)
    store = prepare_cohort(
        folder / "cohort",
        folder / "store",
        settings=CohortConfig(),
        geometry=PatchGeometry(),
        split=SplitConfig(
            train_positive_patients=num_images // 8,
            train_negative_patients=num_images // 8,
        ),
        workers=2,
    )
    with tf.io.TFRecordWriter(str(folder / "patches.tfrecord")) as writer:
        for name in SETS:
            for path in write_pngs(
                store, store.patch_set(name, "train"), folder / "png" / name
            ):
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
    "png folder": png_batches,
    "tfrecord": tfrecord_batches,
}


def measure(folder: Path, source: str, resolution: int, seconds: float) -> dict:
    """Returns patches per second, per CPU second, and peak MiB in this process."""
    read = SOURCES[source](folder, resolution)
    end = time.perf_counter() + seconds / 2
    while time.perf_counter() < end:  # files into the page cache, threads started
        read()
    start, start_cpu, batches = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() < start + seconds:
        read()
        batches += 1
    elapsed = time.perf_counter() - start
    cpu_seconds = time.process_time() - start_cpu
    return {
        "patches_per_second": batches * BATCH_SIZES[resolution] / elapsed,
        "patches_per_cpu_second": batches * BATCH_SIZES[resolution] / cpu_seconds,
        "peak_mib": peak_mib(),
    }


def peak_mib() -> float:
    """Returns the peak of this process alone; ru_maxrss begins with its parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line[:6] == "VmHWM:") / 1024


def disk_mib(path: Path) -> float:
    """Returns the bytes of a file or of all files in a folder, in MiB."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file()) / _MIB


def disk_lines(folder: Path) -> list[str]:
    """Returns what store, PNG folder and TFRecords take on disk."""
    store = Store.open(folder / "store")
    num_train = sum(image.split == "train" for image in store.images)
    num_test = len(store.images) - num_train
    num_patches = sum(store.patch_set(name, "train").size for name in SETS)
    whole = disk_mib(folder / "store")
    share = whole * num_train / len(store.images)
    png, png_test = disk_mib(folder / "png"), disk_mib(folder / "png_test")
    raw = num_patches * store.geometry.patch_size**2 * store.bits // 8 / _MIB
    return [
        f"training: {num_patches:,} patches of {num_train} images",
        f"  store, its share {share:.1f} MiB, PNG folder {png:.1f} MiB "
        f"({png / share:.1f} times; without compression {raw / share:.1f} times), "
        f"TFRecords {disk_mib(folder / 'patches.tfrecord'):.1f} MiB",
        f"training, and all windows of {num_test} test images",
        f"  store {whole:.1f} MiB, PNG folder {png + png_test:.1f} MiB "
        f"({(png + png_test) / whole:.1f} times)",
    ]


def table(folder: Path, seconds: float) -> str:
    """Measures every source at every resolution, each in a process of its own."""
    lines = disk_lines(folder)
    lines.append(f"{'pixels':>6}" + "".join(f"{source:>34}" for source in SOURCES))
    for resolution in BATCH_SIZES:
        cells = []
        for source in SOURCES:
            command = [sys.executable, __file__, "--seconds", str(seconds)]
            command += ["--worker", str(folder), source, str(resolution)]
            done = subprocess.run(command, capture_output=True, check=True)
            found = json.loads(done.stdout)
            cells.append(
                f"{found['patches_per_second']:,.0f}/s "
                f"{found['patches_per_cpu_second']:,.0f}/CPU s "
                f"{found['peak_mib']:,.0f} MiB"
            )
        lines.append(f"{resolution:>6}" + "".join(f"{cell:>34}" for cell in cells))
    return "\n".join(lines) + "\n"


def main() -> None:
    """Makes the data, unless it is there, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--data", type=Path, help="keeps the data for the next time")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        folder, source, resolution = arguments.worker
        found = measure(Path(folder), source, int(resolution), arguments.seconds)
        sys.stdout.write(json.dumps(found))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.data or Path(temporary)
        if not (folder / "patches.tfrecord").exists():
            make_data(folder, arguments.images)
        sys.stdout.write(table(folder, arguments.seconds))


if __name__ == "__main__":
    main()
