"""Images per second and peak memory of `prepare`, with 1 and with 2 workers.

    python benchmarks/prepare.py [--images 200] [--size 2048]

Phantom images are 12-bit DICOM files with PNG outlines; the geometry is the paper's. A
number of images and a quarter of it show whether memory depends on their number. Few
images are drawn, and the others are copies of them under other names: drawing a phantom
takes longer than preparing it. Every measurement runs in a process of its own; the peak
is that of the parent and of its largest worker. The images per second of CPU time, of
all processes together, do not depend on what else the machine does.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gastritis_gan.cohort.settings import CohortConfig
from gastritis_gan.phantom.cohort import make_phantom
from gastritis_gan.store.patches import PatchGeometry
from gastritis_gan.store.prepare import prepare_cohort
from gastritis_gan.store.split import SplitConfig

_DRAWN = 4


def make_cohort(folder: Path, num_images: int, phantoms: Path) -> None:
    """Writes a cohort of `num_images` rows, links to a few phantom images."""
    with (phantoms / "cohort.csv").open(newline="") as stream:
        drawn = list(csv.DictReader(stream))
    folder.mkdir()
    with (folder / "cohort.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["image", "patient", "label", "outline"])
        for number in range(num_images):
            source = drawn[number % _DRAWN]
            (folder / f"{number}.dcm").hardlink_to(phantoms / source["image"])
            outline = phantoms / source["outline"]
            rows.writerow([f"{number}.dcm", number, source["label"], outline])


def measure(folder: Path, workers: int) -> dict[str, float]:
    """Prepares a cohort; returns seconds and the peaks in MiB."""
    start, start_cpu = time.perf_counter(), _cpu_seconds()
    store = prepare_cohort(
        folder,
        folder.with_name("store"),
        settings=CohortConfig(),
        geometry=PatchGeometry(),
        split=SplitConfig(train_positive_patients=1, train_negative_patients=1),
        workers=workers,
    )
    return {
        "images_per_second": len(store.images) / (time.perf_counter() - start),
        "images_per_cpu_second": len(store.images) / (_cpu_seconds() - start_cpu),
        "parent_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "worker_mib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    }


def _cpu_seconds() -> float:
    """Returns the CPU time of this process and of those that it has ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def main() -> None:
    """Prints a line for every number of images and of workers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        folder, workers = arguments.worker
        sys.stdout.write(json.dumps(measure(Path(folder), int(workers))))
        return
    with tempfile.TemporaryDirectory() as name:
        phantoms = Path(name) / "phantoms"
        make_phantom(phantoms, patients=_DRAWN, image_size=arguments.size, seed=0)
        for num_images, workers in itertools.product(
            (arguments.images // 4, arguments.images), (1, 2)
        ):
            folder = Path(name) / f"{num_images}_{workers}" / "cohort"
            folder.parent.mkdir()
            make_cohort(folder, num_images, phantoms)
            command = [sys.executable, __file__, "--worker", str(folder), str(workers)]
            done = subprocess.run(command, capture_output=True, check=True)
            found = json.loads(done.stdout)
            shutil.rmtree(folder.parent)
            sys.stdout.write(
                f"{num_images} images, {workers} worker(s): "
                f"{found['images_per_second']:.2f} images/s, "
                f"{found['images_per_cpu_second']:.2f} per CPU second, peak "
                f"{found['parent_mib']:.0f} MiB, of a worker "
                f"{found['worker_mib'] if workers > 1 else 0:.0f} MiB\n"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    main()
