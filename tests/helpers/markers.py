"""Plants a marker in everything a hospital writes, and searches bytes for it."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image, PngImagePlugin
from pydicom.datadict import DicomDictionary
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.helpers.cohorts import MARKER, grey_dataset

SIZE = 96
TEXT_VRS = {"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"}
MANY = (MARKER.encode() * 200)[:1600]  # bytes behind the pixels, and beside them
# Other texts than PS3.3's are refused in these, or cannot be written.
DEFINED_TERMS = (
    "PhotometricInterpretation",
    "VOILUTFunction",
    "SpecificCharacterSet",
)


def planted_dataset(pixels: np.ndarray) -> Dataset:
    """Returns an image with the marker in every text attribute that DICOM knows."""
    dataset = grey_dataset(pixels, WindowCenter="128.000000", WindowWidth=256)
    for tag, (vr, _, _, is_retired, keyword) in DicomDictionary.items():
        group = tag >> 16
        if (
            vr in TEXT_VRS
            and keyword not in DEFINED_TERMS
            and not is_retired
            and 0x0002 < group < 0x5000
        ):
            dataset.add_new(tag, vr, MARKER.upper() if vr == "CS" else MARKER)
    item = Dataset()
    item.RequestedProcedureDescription = MARKER
    item.ScheduledProcedureStepID = MARKER
    dataset.RequestAttributesSequence = Sequence([item])
    dataset.private_block(0x0011, MARKER, create=True).add_new(1, "LO", MARKER)
    dataset.private_block(0x7FE1, MARKER, create=True).add_new(1, "OB", MANY)
    dataset.ICCProfile = MANY
    icon = Dataset()
    icon.Rows = icon.Columns = icon.BitsAllocated = 8
    icon.add_new("PixelData", "OB", MANY[:64])
    dataset.IconImageSequence = Sequence([icon])
    for group in (0x6000, 0x601E):  # overlay planes: drawn names, and their words
        dataset.add_new(group << 16 | 0x0010, "US", SIZE)
        dataset.add_new(group << 16 | 0x0011, "US", SIZE)
        dataset.add_new(group << 16 | 0x0022, "LO", MARKER)
        dataset.add_new(group << 16 | 0x0040, "CS", "G")
        dataset.add_new(group << 16 | 0x0050, "SS", [1, 1])
        dataset.add_new(group << 16 | 0x0100, "US", 1)
        dataset.add_new(group << 16 | 0x0102, "US", 0)
        dataset.add_new(group << 16 | 0x1500, "LO", MARKER)
        dataset.add_new(group << 16 | 0x3000, "OW", MANY[: SIZE * SIZE // 8])
    dataset.DataSetTrailingPadding = MANY
    dataset.file_meta.SourceApplicationEntityTitle = MARKER
    dataset.file_meta.ImplementationVersionName = MARKER
    return dataset


def save_planted(path: Path, dataset: Dataset) -> None:
    dataset.preamble = (MARKER.encode() * 20)[:128]
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)


def write_planted_cohort(root: Path, *, patients: int = 6) -> Path:
    """Writes DICOM, PNG and TIFF images with PNG and LabelMe outlines."""
    folder = root / f"{MARKER}_cohort"
    (folder / MARKER).mkdir(parents=True)
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE / 2
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text(MARKER, MARKER)
    chunks.add_text("Comment", MARKER, zip=True)
    mask = np.hypot(y, x) < 40
    Image.fromarray(mask).save(folder / MARKER / f"{MARKER}.png", pnginfo=chunks)
    corners = [[12, 12], [84, 12], [84, 84], [12, 84]]
    (folder / MARKER / f"{MARKER}.json").write_text(
        json.dumps(
            {
                "imagePath": MARKER,
                "imageHeight": SIZE,
                "imageWidth": SIZE,
                "shapes": [{"label": MARKER, "points": corners, "flags": {MARKER: 1}}],
            }
        )
    )
    with (folder / "cohort.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["image", "patient", "label", "outline"])
        for number in range(2 * patients):
            suffix = ("dcm", "png", "tif")[number % 3]
            name = f"{MARKER}/{MARKER}{number}.{suffix}"
            pixels = rng.integers(0, 256, (SIZE, SIZE), np.uint8)
            if suffix == "dcm":
                save_planted(folder / name, planted_dataset(pixels))
            elif suffix == "png":
                exif = Image.Exif()
                exif[0x010E] = MARKER  # ImageDescription
                Image.fromarray(pixels).save(folder / name, pnginfo=chunks, exif=exif)
                append(folder / name)
            else:
                Image.fromarray(pixels).save(folder / name, description=MARKER)
                append(folder / name)
            label = "dense" if number < patients else "fatty"
            outline = f"{MARKER}/{MARKER}.{'json' if number % 2 else 'png'}"
            rows.writerow([name, f"{MARKER}{number // 2}", label, outline])
    return folder


def append(path: Path) -> None:
    """Writes the marker behind the end of an image."""
    path.write_bytes(path.read_bytes() + MANY)


def find_markers(folder: Path) -> list[str]:
    """Returns which files and archive members below a folder hold the marker."""
    found = []
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if holds_marker(name.encode()):
            found.append(name)
        if path.is_file():
            found += _search(name, path.read_bytes())
    return found


def holds_marker(content: bytes) -> bool:
    lower = content.lower()
    return any(
        MARKER.lower().encode(encoding) in lower
        for encoding in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le")
    )


def _search(name: str, content: bytes) -> list[str]:
    found = [name] if holds_marker(content) else []
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                inner = _search(f"{name}/{member}", archive.read(member))
                found += [f"{name}/{member}"] if holds_marker(member.encode()) else []
                found += inner
    if content.startswith(b"\x1f\x8b"):
        found += _search(f"{name} (gzip)", gzip.decompress(content))
    if content.startswith(b"\x89PNG"):
        found += [f"{name} {kind}" for kind in _chunks_with_marker(content)]
        with Image.open(io.BytesIO(content)) as image:
            found += [f"{name} pixels"] * holds_marker(np.array(image).tobytes())
    return found


def _chunks_with_marker(content: bytes) -> list[str]:
    """Returns the kinds of a PNG's chunks that hold the marker, compressed or not."""
    found, position = [], 8
    while position < len(content):
        length = int.from_bytes(content[position : position + 4])
        kind = content[position + 4 : position + 8].decode()
        data = content[position + 8 : position + 8 + length]
        texts = [data]
        for start in range(len(data)):
            if kind in ("zTXt", "iTXt") and data[start : start + 1] == b"\x78":
                try:
                    texts.append(zlib.decompress(data[start:]))
                except zlib.error:
                    continue
        found += [kind] if any(holds_marker(text) for text in texts) else []
        position += 12 + length
    return found
