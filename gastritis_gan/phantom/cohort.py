"""Writes a phantom cohort: DICOM radiographs, PNG outlines, `cohort.csv`."""

from __future__ import annotations

import concurrent.futures
import csv
import io
import multiprocessing
from pathlib import Path

import numpy as np
from PIL import Image

from gastritis_gan.errors import InputError
from gastritis_gan.phantom.dicom_file import write_dicom
from gastritis_gan.phantom.mucosa import draw_mucosa
from gastritis_gan.phantom.patient import draw_patient
from gastritis_gan.phantom.radiograph import expose
from gastritis_gan.phantom.stomach import draw_stomach
from gastritis_gan.progress import progress_bar
from gastritis_gan.storage import new_folder, write_bytes

MIN_IMAGE_SIZE = 256
MAX_IMAGE_SIZE = 4096
_NUM_PROCESSES = 2
_COLUMNS = ("image", "patient", "label", "outline")


def write_phantom_cohort(
    out: Path, *, num_patients: int, image_size: int, seed: int
) -> None:
    """Writes a new cohort of double-contrast barium phantoms, one image per patient.

    Patient `i` is a function of `(seed, i, image_size)` alone, so a larger cohort of
    the same seed begins with the smaller one, byte for byte.

    Args:
        out: The folder to make.
        num_patients: Even; half get each label.
        image_size: Side of the square images in pixels, 256 to 4096.
        seed: Non-negative.

    Raises:
        InputError: An argument is out of range, or `out` exists.
    """
    if num_patients < 2 or num_patients % 2:
        raise InputError(
            "the number of patients must be even and at least 2, since half get each "
            f"label. Received: {num_patients}."
        )
    if not MIN_IMAGE_SIZE <= image_size <= MAX_IMAGE_SIZE:
        raise InputError(
            f"the image size must be from {MIN_IMAGE_SIZE} to {MAX_IMAGE_SIZE} pixels. "
            f"Received: {image_size}."
        )
    with new_folder(out) as folder:
        (folder / "images").mkdir()
        (folder / "outlines").mkdir()
        rows = _write_patients(folder, num_patients, image_size, seed)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(_COLUMNS)
        writer.writerows(rows)
        write_bytes(folder / "cohort.csv", text.getvalue().encode())


def _write_patients(
    folder: Path, num_patients: int, image_size: int, seed: int
) -> list[tuple[str, ...]]:
    # Spawned, not forked: TensorFlow's threads may hold locks in this process.
    pool = concurrent.futures.ProcessPoolExecutor(
        _NUM_PROCESSES, mp_context=multiprocessing.get_context("spawn")
    )
    try:
        futures = [
            pool.submit(_write_patient, folder, index, image_size, seed)
            for index in range(num_patients)
        ]
        with progress_bar(
            total=num_patients, description="phantom", unit="image"
        ) as bar:
            for future in concurrent.futures.as_completed(futures):
                future.result()
                bar.update()
    finally:
        pool.shutdown(cancel_futures=True)
    return [future.result() for future in futures]


def _write_patient(
    folder: Path, index: int, image_size: int, seed: int
) -> tuple[str, ...]:
    """Writes one patient's files and returns the row of `cohort.csv`."""
    rng = np.random.Generator(np.random.Philox(key=np.array([seed, index], np.uint64)))
    patient = draw_patient(rng, index)
    stomach = draw_stomach(rng, image_size)
    mucosa = draw_mucosa(rng, stomach, patient.relief)
    image = expose(rng, stomach, mucosa)
    window = (int(rng.integers(1500, 1700)), int(rng.integers(2600, 3000)))
    image_name, outline_name = f"images/{index:05d}.dcm", f"outlines/{index:05d}.png"
    uid_sources = ("phantom", str(seed), str(index), str(image_size))
    write_dicom(
        folder / image_name, image, patient, uid_sources=uid_sources, window=window
    )
    Image.fromarray(stomach.mask.astype(np.uint8) * 255).save(folder / outline_name)
    return image_name, patient.identifier, patient.label, outline_name
