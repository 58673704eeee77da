"""10,000 damaged images and 10,000 damaged outlines: a refusal each, and no more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import imagecodecs
import nibabel
import nrrd
import numpy as np
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import HTJ2KLossless, JPEG2000Lossless

from gastritis_gan.cohort.dicom.header import read_header
from tests.helpers.cohorts import grey_dataset, organ_mask, save_dicom

NUM_FILES = 10_000
LARGEST_SEED_BYTES = 300_000
SECONDS = 3600  # many times what it takes: only a hang takes longer


def _read_mutated(kind: str, folder: Path, seeds: list[Path], repository: Path) -> None:
    """Reads mutations of `seeds`, and fails at a traceback, a hang or 2 GiB."""
    script = repository / "tests" / "helpers" / "read_mutated.py"
    result = subprocess.run(
        [sys.executable, script, kind, "0", str(NUM_FILES), folder, *seeds],
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-4000:]


@pytest.mark.slow
def test_mutated_images(shared_dir, repository, tmp_path):
    real = shared_dir / "data" / "dicom_flavours" / "files"
    seeds = sorted(
        path for path in real.glob("*.dcm") if path.stat().st_size <= LARGEST_SEED_BYTES
    )
    (tmp_path / "seeds").mkdir()
    rng = np.random.default_rng(0)
    pixels = rng.normal(128, 9, (150, 130)).astype(np.uint8)
    made = {  # what no real file is
        HTJ2KLossless: imagecodecs.htj2k_encode(pixels, reversible=True),
        JPEG2000Lossless: imagecodecs.jpeg2k_encode(pixels, codecformat="j2k"),
    }
    for syntax, frame in made.items():
        dataset = grey_dataset(pixels, PixelData=encapsulate([frame]))
        dataset.file_meta.TransferSyntaxUID = syntax
        seeds.append(save_dicom(tmp_path / "seeds" / f"{syntax}.dcm", dataset))
    for suffix in ("png", "tif"):
        path = tmp_path / "seeds" / f"image.{suffix}"
        Image.fromarray(pixels).save(path)
        seeds.append(path)
    _read_mutated("image", tmp_path, seeds, repository)


@pytest.mark.slow
def test_mutated_outlines(shared_dir, repository, tmp_path):
    folder = tmp_path / "seeds"
    folder.mkdir()
    mask = organ_mask()
    height, width = mask.shape
    name = f"a_{height}x{width}"
    Image.fromarray(mask).save(folder / f"{name}.png")
    Image.fromarray(mask.astype(np.uint8)).save(folder / f"{name}.tif")
    volume = mask.T[:, :, np.newaxis].astype(np.uint8)
    for suffix in ("nii", "nii.gz"):
        nibabel.save(nibabel.Nifti1Image(volume, None), folder / f"{name}.{suffix}")
    nrrd.write(str(folder / f"{name}.nrrd"), volume[:, :, 0])
    square = [[9, 9], [50, 9], [50, 50], [9, 50]]
    corners = [number for corner in square for number in corner]
    labelme = {"imageHeight": height, "imageWidth": width, "shapes": []}
    labelme["shapes"] = [{"label": "a", "points": square, "shape_type": "polygon"}]
    (folder / f"labelme_{height}x{width}.json").write_text(json.dumps(labelme))
    coco = {
        "images": [{"id": 1, "height": height, "width": width}],
        "categories": [{"id": 1, "name": "a"}],
        "annotations": [{"image_id": 1, "category_id": 1, "segmentation": [corners]}],
    }
    (folder / f"coco_{height}x{width}.json").write_text(json.dumps(coco))
    for path in (shared_dir / "data" / "dicom_flavours" / "files").glob("*.dcm"):
        if "seg" in path.name.lower() or "liver" in path.name:
            header = read_header(path, ())
            real = folder / f"{path.stem}_{header.Rows}x{header.Columns}.dcm"
            real.write_bytes(path.read_bytes())
    masks = sorted((shared_dir / "data" / "ddsm_tissue" / "masks").glob("*.png"))
    for path in masks[:3]:
        with Image.open(path) as real_mask:
            columns, rows = real_mask.size
        (folder / f"{path.stem}_{rows}x{columns}.png").write_bytes(path.read_bytes())
    _read_mutated("outline", tmp_path, sorted(folder.iterdir()), repository)
