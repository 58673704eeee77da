"""How well real phantom patches tell the two classes apart: a Markdown table.

    python benchmarks/phantom.py --seeds 0 1 2 3 4

For each seed a cohort of 40 patients is made, 20 patients train a linear SVM on their
inside patches and the other 20 are classified by a majority vote over theirs. HM is the
harmonic mean of sensitivity and specificity (paper, Eq. 10).
"""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import harness
import numpy as np
import pydicom
from PIL import Image
from skimage.feature import graycomatrix, graycoprops, local_binary_pattern
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from gastritis_gan.phantom.phantom_cohort import make_phantom

PATCH_SIZE, STRIDE, RESOLUTION = 128, 32, 32
NUM_PATIENTS, NUM_TRAINING_PATIENTS = 40, 20
NUM_LEVELS = 32
PROPERTIES = ("contrast", "homogeneity", "energy", "correlation")


def read_image(path: Path) -> np.ndarray:
    """Reads a radiograph with barium bright, as uint8 under its window."""
    dataset = pydicom.dcmread(path)
    values = pydicom.pixels.apply_voi_lut(dataset.pixel_array, dataset)
    values = values / 4095
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        values = 1 - values
    return np.rint(values * 255).astype(np.uint8)


def inside_patches(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Returns uint8 patches of shape (n, 32, 32), area-averaged from 128 pixels."""
    starts = range(0, len(image) - PATCH_SIZE + 1, STRIDE)
    factor = PATCH_SIZE // RESOLUTION
    patches = [
        image[y : y + PATCH_SIZE, x : x + PATCH_SIZE]
        for y in starts
        for x in starts
        if mask[y : y + PATCH_SIZE, x : x + PATCH_SIZE].all()
    ]
    blocks = np.array(patches).reshape(-1, RESOLUTION, factor, RESOLUTION, factor)
    return np.rint(blocks.mean(axis=(2, 4))).astype(np.uint8)


def texture_features(patch: np.ndarray) -> np.ndarray:
    """LBP histogram and GLCM statistics of one patch."""
    codes = local_binary_pattern(patch, P=8, R=1, method="uniform")
    histogram = np.bincount(codes.astype(int).ravel(), minlength=10) / codes.size
    levels = (patch // (256 // NUM_LEVELS)).astype(np.uint8)
    angles = [0, np.pi / 4, np.pi / 2, 3 * np.pi / 4]
    matrix = graycomatrix(
        levels, [1, 2, 4], angles, NUM_LEVELS, symmetric=True, normed=True
    )
    statistics = [graycoprops(matrix, name).mean(axis=1) for name in PROPERTIES]
    return np.concatenate([histogram, *statistics])


def brightness_features(patch: np.ndarray) -> np.ndarray:
    """Mean and standard deviation of one patch."""
    return np.array([patch.mean(), patch.std()])


def read_cohort(folder: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """Returns the inside patches per patient, and the labels (1 is gastritis)."""
    with (folder / "cohort.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    patches = [
        inside_patches(
            read_image(folder / row["image"]),
            np.asarray(Image.open(folder / row["outline"])) > 0,
        )
        for row in rows
    ]
    return patches, np.array([row["label"] == "gastritis" for row in rows], int)


def harmonic_mean(features: list[np.ndarray], labels: np.ndarray) -> float:
    """Trains on the first patients, votes on the rest, returns HM."""
    train = range(NUM_TRAINING_PATIENTS)
    classifier = make_pipeline(StandardScaler(), LinearSVC(C=1.0, random_state=0))
    classifier.fit(
        np.concatenate([features[i] for i in train]),
        np.concatenate([np.full(len(features[i]), labels[i]) for i in train]),
    )
    test = range(NUM_TRAINING_PATIENTS, len(labels))
    votes = np.array([classifier.predict(features[i]).mean() > 0.5 for i in test])
    truth = labels[NUM_TRAINING_PATIENTS:].astype(bool)
    sensitivity = votes[truth].mean()
    specificity = (~votes[~truth]).mean()
    total = sensitivity + specificity
    return 2 * sensitivity * specificity / total if total else 0.0


def main() -> None:
    """Writes a row a seed, and the means."""
    parser = harness.make_parser(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--image-size", type=int, default=1024)
    options = parser.parse_args()
    if options.quick:
        options.seeds = [0]
    harness.write_machine()
    harness.write_header(
        "seed", "fewest inside patches", "HM texture", "HM mean and standard deviation"
    )
    scores = []
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as folder:
            cohort = Path(folder) / "cohort"
            make_phantom(
                cohort,
                patients=NUM_PATIENTS,
                image_size=options.image_size,
                seed=seed,
            )
            patches, labels = read_cohort(cohort)
        row = [
            harmonic_mean(
                [np.array([f(p) for p in image]) for image in patches], labels
            )
            for f in (texture_features, brightness_features)
        ]
        scores.append(row)
        least = min(len(image) for image in patches)
        harness.write_row(seed, least, f"{row[0]:.2f}", f"{row[1]:.2f}")
    mean = np.mean(scores, axis=0)
    harness.write_row("mean", "", f"{mean[0]:.2f}", f"{mean[1]:.2f}")


if __name__ == "__main__":
    main()
