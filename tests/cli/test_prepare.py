"""What `prepare` makes of the files of the field, as a user runs it."""

from __future__ import annotations

import csv
import re
import struct
import warnings
from collections import Counter

import numpy as np
import pydicom
import pytest
from click.testing import CliRunner
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
    XRayRadiofluoroscopicImageStorage,
)

from gastritis_gan.cli.main import main
from gastritis_gan.store.pseudonym import pseudonym
from tests.helpers.cohorts import grey_dataset, save_dicom
from tests.helpers.display_oracle import displayed

CONFIG = """
patches: {patch_size: 8, stride: 8}
split: {train_positive_patients: 1, train_negative_patients: 1}
schedule: {final_resolution: 8}
"""
LOSSY_JPEG = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51")
# 12 bits, every value once, in no order
FILM = np.random.default_rng(0).permutation(4096).astype(np.uint16).reshape(64, 64)


def prepare(tmp_path, images, *, config=CONFIG):
    """Prepares images, a patient each.

    Args:
        tmp_path: A folder, the cohort's too.
        images: Their heights and widths by what the cohort calls them.
        config: YAML.

    Returns:
        The result of the command, and what returns the stored pixels of an image.
    """
    (tmp_path / "config.yaml").write_text(config)
    with (tmp_path / "cohort.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["image", "patient", "label", "outline"])
        for number, (image, shape) in enumerate(images.items()):
            outline = f"outline_{number}.png"
            Image.new("L", shape[::-1], 255).save(tmp_path / outline)
            label = ("gastritis", "non_gastritis")[number % 2]
            rows.writerow([image, f"P{number}", label, outline])
    store = tmp_path / "store"
    arguments = ["prepare", tmp_path, "--config", tmp_path / "config.yaml",
                 "--out", store, "--workers", 1]  # fmt: skip
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])

    def stored(image):
        return np.asarray(Image.open(store / "images" / f"{_key(tmp_path, image)}.png"))

    return result, stored


def _key(tmp_path, image):
    return pseudonym((tmp_path / "store.key").read_bytes(), "image", image)


def prepare_film(tmp_path, *, suffix="dcm", config=CONFIG):
    """Prepares `film.dcm`, which is in row 2, among three ordinary ones."""
    images = {f"film.{suffix}": FILM.shape}
    for number in range(3):
        plain = np.random.default_rng(9 + number).integers(0, 256, (64, 64), np.uint8)
        Image.fromarray(plain).save(tmp_path / f"{number}.png")
        images[f"{number}.png"] = plain.shape
    return prepare(tmp_path, images, config=config)


def film(pixels=FILM, **attributes) -> Dataset:
    """Returns a data set of 12 bits whose window shows them all."""
    stated = {"BitsStored": 12, "HighBit": 11, "WindowCenter": 2048}
    stated |= {"WindowWidth": 4096, "BurnedInAnnotation": "NO"}
    return grey_dataset(pixels, **stated | attributes)


def table(entries, *, first=0, bits=16, vr="OW", count=None) -> Dataset:
    item = Dataset()
    stated = [len(entries) if count is None else count, first & 0xFFFF, bits]
    item.add_new("LUTDescriptor", "US", stated)
    data = np.asarray(entries)
    item.add_new("LUTData", vr, data.tobytes() if vr == "OW" else data.tolist())
    return item


def gamma(count, bits=16, dtype="<u2"):
    steps = np.arange(count) / (count - 1)
    return np.rint(steps**0.7 * (2**bits - 1)).astype(dtype)


def _signed(dataset):
    dataset.PixelRepresentation = 1
    dataset.PixelData = (FILM.astype(np.int16) - 2048).tobytes()
    dataset.WindowCenter = 0


def _big_endian(dataset):
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    dataset.PixelData = FILM.astype(">u2").tobytes()


def _frame_table(dataset):
    macro, groups = Dataset(), Dataset()
    macro.VOILUTSequence = [table(gamma(4096))]
    groups.FrameVOILUTSequence = [macro]
    dataset.SharedFunctionalGroupsSequence = [groups]


READ = {
    "window": {},
    "monochrome1": {"PhotometricInterpretation": "MONOCHROME1"},
    "exact window": {"VOILUTFunction": "LINEAR_EXACT", "WindowWidth": 3000},
    "sigmoid": {"VOILUTFunction": "SIGMOID", "WindowWidth": 1500},
    "no window": {"WindowCenter": None, "WindowWidth": None},
    "falling rescale": {"RescaleSlope": -0.5, "RescaleIntercept": 3000},
    "signed pixels": _signed,
    "big endian": _big_endian,
    "table": {"VOILUTSequence": [table(gamma(4096))]},
    "table of a frame": _frame_table,
    "table of 10 bits": {"VOILUTSequence": [table(gamma(4096, bits=10), bits=10)]},
    "table in US": {"VOILUTSequence": [table(gamma(4096), vr="US")]},
    "table of 65,536": {"VOILUTSequence": [table(gamma(65536), count=0)],
                        "RescaleSlope": 16, "RescaleIntercept": 0},
    "table of bytes": {"VOILUTSequence": [table(gamma(4096, 8, "u1"), bits=8)]},
    "table of an odd number of bytes": {"VOILUTSequence": [
        table(np.append(gamma(4095, 8, "u1"), 0).astype("u1"), bits=8, count=4095)]},
    "table from -1024": {"VOILUTSequence": [table(gamma(4096), first=-1024)],
                         "RescaleSlope": 1, "RescaleIntercept": -1024},
    "table from 40,000": {"VOILUTSequence": [table(gamma(20000), first=40000)],
                          "RescaleSlope": 5, "RescaleIntercept": 40000},
    "modality table": {
        "ModalityLUTSequence": [table(gamma(4096) // 16)], "WindowCenter": 2047.5},
    "modality table of XRF": {
        "ModalityLUTSequence": [table(gamma(4096) // 16)],
        "SOPClassUID": XRayRadiofluoroscopicImageStorage},
    "modality table, then a table from 50,000": {
        "ModalityLUTSequence": [table(50000 + np.arange(4096, dtype="<u2"))],
        "VOILUTSequence": [table(gamma(4096), first=50000)]},
    "padding": {"PixelPaddingValue": 7, "PixelPaddingRangeLimit": 0},
    # not used, and so not looked at
    "one spacing": {"PixelSpacing": 0.148},
    "spacing of 0": {"ImagerPixelSpacing": [0, 0]},
    "negative spacing": {"PixelSpacing": [-1, -1]},
    "planes of one sample": {"PlanarConfiguration": 1},
    "window beside a table": {"WindowWidth": 0, "VOILUTFunction": "CUBIC",
                              "VOILUTSequence": [table(gamma(4096))]},
    "rescale beside a table": {"RescaleSlope": 0, "RescaleIntercept": 0,
                               "ModalityLUTSequence": [table(gamma(4096) // 16)]},
}  # fmt: skip


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_films_are_stored_as_the_standard_shows_them(tmp_path, caplog, syntax):
    for kind, change in READ.items():
        dataset = film(**change) if isinstance(change, dict) else film()
        dataset.file_meta.TransferSyntaxUID = syntax
        if not isinstance(change, dict):
            change(dataset)
        _save_rolled(tmp_path / f"{kind}.dcm", dataset)
    names = [f"{kind}.dcm" for kind in READ]
    result, stored = prepare(tmp_path, dict.fromkeys(names, FILM.shape))
    assert result.exit_code == 0, result.output
    assert caplog.messages == []
    for name in names:
        dataset = _of_frame(pydicom.dcmread(tmp_path / name))
        wanted = displayed(dataset, dataset.pixel_array)
        np.testing.assert_allclose(stored(name), wanted, atol=0.501, err_msg=name)


PADDING = r"\(0028,0120\) PixelPaddingValue.* no pixel"
SHAPE = r"\(2050,0020\) PresentationLUTShape"
NAMED = {
    "window too narrow": ({"WindowCenter": 2048, "WindowWidth": 30}, "at most a third"),
    "window far too wide": ({"WindowWidth": 60000}, "at most a third"),
    "table of 12 bits in 16": (
        {"VOILUTSequence": [table(gamma(4096, bits=12))]}, "at most a third"),
    "padding that no pixel has": (
        {"PixelPaddingValue": 65535}, PADDING),
    "negative padding of unsigned pixels": (
        {"PixelPaddingValue": 63536}, PADDING),
    "padding limit that no pixel has": (
        {"PixelPaddingValue": 4095, "PixelPaddingRangeLimit": 5000}, PADDING),
    "INVERSE with MONOCHROME2": (
        {"PresentationLUTShape": "INVERSE"}, SHAPE),
    "IDENTITY with MONOCHROME1": (
        {"PhotometricInterpretation": "MONOCHROME1",
         "PresentationLUTShape": "IDENTITY"}, SHAPE),
    "width without centre": (
        {"WindowCenter": None}, r"\(0028,1050\) WindowCenter .*\(0028,1051\)"),
    "spacing that is not square": ({"PixelSpacing": [0.2, 0.1]}, "not square"),
    "aspect ratio": ({"PixelAspectRatio": [3, 4]}, "not square"),
    "bits above those stored": (
        {"PixelData": (FILM | 0x4000).tobytes()}, r"above \(0028,0101\) BitsStored"),
    "collimator": ({"CollimatorShape": "CIRCULAR"}, r"\(0018,1700\) CollimatorShape"),
}  # fmt: skip


def test_what_a_person_should_look_at_is_named_by_row_and_by_key(tmp_path, caplog):
    for kind, (attributes, _) in NAMED.items():
        _save_rolled(tmp_path / f"{kind}.dcm", film(**attributes))
    names = [f"{kind}.dcm" for kind in NAMED]
    result, stored = prepare(tmp_path, dict.fromkeys(names, FILM.shape))
    assert result.exit_code == 0, result.output
    out = tmp_path / "inspection"
    result = CliRunner().invoke(
        main, ["inspect", str(tmp_path / "store"), "--out", str(out)]
    )
    assert result.exit_code == 0, result.output
    printed, inspection = (
        result.stderr,
        (out / "inspection.md").read_text().splitlines(),
    )
    expected = {text: [] for _, text in NAMED.values()}
    for row, name in enumerate(names, start=2):
        expected[NAMED[name.removesuffix(".dcm")][1]].append((row, name))
    for text, films in expected.items():
        (warning,) = [m for m in caplog.messages if re.search(text, m)]
        (line,) = [line for line in inspection if re.search(text, line)]
        assert re.search(f"Warning: {len(films)} of {len(names)} .*{text}", printed)
        stated = warning.rpartition("cohort file: ")[2]
        rows = [
            row
            for part in stated.split(", ")
            for row in range(int(part.split("-")[0]), int(part.split("-")[-1]) + 1)
        ]
        assert rows == [row for row, _ in films]
        assert all(_key(tmp_path, name) in line for _, name in films)
    for kind in ("padding that no pixel has", "negative padding of unsigned pixels"):
        pixels = pydicom.dcmread(tmp_path / f"{kind}.dcm").pixel_array
        shown = stored(f"{kind}.dcm")  # nothing is black for it
        np.testing.assert_allclose(shown, pixels * (255 / 4095), atol=0.501)


BLANK = {
    "window beside the values": {"WindowCenter": -3000, "WindowWidth": 256},
    "tiny slope": {"RescaleSlope": 1e-3, "RescaleIntercept": 0},
    "table beside the values": {"VOILUTSequence": [table(gamma(64), first=20000)]},
    "padding everywhere": {"PixelPaddingValue": 1, "PixelPaddingRangeLimit": 4095},
}


@pytest.mark.parametrize("kind", BLANK)
def test_a_blank_film_is_named(tmp_path, caplog, kind):
    save_dicom(tmp_path / "film.dcm", film(**BLANK[kind]))
    result, stored = prepare_film(tmp_path)
    assert result.exit_code == 0, result.output
    (warning,) = [m for m in caplog.messages if m.endswith("cohort file: 2")]
    assert "1 of 4 images have one grey value everywhere" in warning
    assert np.unique(stored("film.dcm")).size == 1


def _save_rolled(path, dataset):
    """Saves a film that is no other's: of one image there must not be two patients."""
    pixels = np.frombuffer(dataset.PixelData, np.uint16)
    dataset.PixelData = np.roll(pixels, 61 * len(list(path.parent.iterdir()))).tobytes()
    save_dicom(path, dataset)


REFUSED = {
    "slope of 0": ({"RescaleSlope": 0, "RescaleIntercept": 1}, r"\(0028,1053\)"),
    "two slopes": ({"RescaleSlope": [1, 2], "RescaleIntercept": 1}, r"\(0028,1053\)"),
    "slope alone": ({"RescaleSlope": 2}, r"\(0028,1053\) .*\(0028,1052\)"),
    "window without width": ({"WindowWidth": 0}, r"\(0028,1051\)"),
    "table that is too short": (
        {"VOILUTSequence": [table(gamma(4096), count=4097)]}, r"\(0028,3006\)"),
    "table deeper than it states": (
        {"VOILUTSequence": [table(gamma(4096), bits=12)]}, r"\(0028,3006\)"),
    "table of 7 bits": (
        {"VOILUTSequence": [table(gamma(4096), bits=7)]}, r"\(0028,3002\)"),
    "high bit": ({"HighBit": 15}, r"\(0028,0102\)"),
    "17 bits": ({"BitsStored": 17, "HighBit": 16}, r"\(0028,0101\)"),
    "palette": ({"PhotometricInterpretation": "PALETTE COLOR"}, r"\(0028,0004\)"),
    "short": ({"PixelData": FILM[:-1].tobytes()}, r"\(7FE0,0010\)"),
    "long": ({"PixelData": FILM.tobytes() + b"Zebrafink "}, r"\(7FE0,0010\)"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_contradictions_are_refused_with_their_tag(tmp_path, kind):
    attributes, text = REFUSED[kind]
    save_dicom(tmp_path / "film.dcm", film(**attributes))
    _assert_refused(tmp_path, text)


def _assert_refused(tmp_path, text, **options):
    result, _ = prepare_film(tmp_path, **options)
    assert result.exit_code == 2
    assert result.exception is None or isinstance(result.exception, SystemExit)
    lines = result.stderr.replace("\r", "\n").splitlines()
    (line,) = [line for line in lines if line and not line.startswith("prepare:")]
    assert re.search(rf"row 2 of the cohort file, image: .*{text}", line)
    assert not list(tmp_path.glob("store*"))


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, RLELossless])
def test_pixels_that_are_not_compressed_as_stated_are_refused(tmp_path, syntax):
    path = save_dicom(tmp_path / "film.dcm", film())
    stated, native = (uid.encode() for uid in (syntax, ExplicitVRLittleEndian))
    meta = path.read_bytes()
    start = meta.index(b"\x02\0\x10\0UI")
    length = struct.unpack_from("<H", meta, start + 6)[0]
    stated += bytes(len(stated) % 2)
    changed = meta[:start] + b"\x02\0\x10\0UI" + struct.pack("<H", len(stated)) + stated
    changed += meta[start + 8 + length :]
    size = struct.unpack_from("<I", changed, 140)[0] + len(stated) - length
    changed = changed[:140] + struct.pack("<I", size) + changed[144:]
    path.write_bytes(changed)
    assert native not in changed
    _assert_refused(tmp_path, r"\(7FE0,0010\) PixelData has a stated length")


def test_a_rescaled_film_needs_a_spacing_that_can_be_used(tmp_path):
    config = CONFIG + (
        "cohort: {image_size: 64, other_sizes: rescale, pixel_spacing_mm: 0.2}\n"
    )
    images = {}
    for number in range(4):
        dataset = film(np.roll(FILM, number), ImagerPixelSpacing=[0.2, 0.2])
        dataset.add_new("PixelSpacing", "DS", ["0", "0"] if number else "0.148")
        save_dicom(tmp_path / f"{number}.dcm", dataset)
        images[f"{number}.dcm"] = FILM.shape
    result, _ = prepare(tmp_path, images, config=config)
    assert result.exit_code == 0, result.output  # the next attribute is taken
    (tmp_path / "again").mkdir()
    save_dicom(tmp_path / "again" / "film.dcm", film(ImagerPixelSpacing=[0, 0]))
    _assert_refused(
        tmp_path / "again", r"\(0018,1164\) ImagerPixelSpacing", config=config
    )


def test_a_png_of_12_bits_in_16_is_named_by_its_row(tmp_path, caplog):
    Image.fromarray(FILM).save(tmp_path / "film.png")
    result, stored = prepare_film(tmp_path, suffix="png")
    assert result.exit_code == 0
    (warning,) = [m for m in caplog.messages if m.endswith("cohort file: 2")]
    assert "1 of 4 images have values of 12 bits in files of 16" in warning
    np.testing.assert_allclose(stored("film.png"), FILM / 257, atol=0.501)


@pytest.mark.parametrize(
    "is_small", [True, pytest.param(False, marks=pytest.mark.slow)]
)
def test_every_file_that_pydicom_decodes_is_stored_as_it_is_shown(
    shared_dir, tmp_path, is_small
):
    folder = shared_dir / "data" / "dicom_flavours"
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if _is_radiograph(row)]
    wanted = {}
    for row in rows:
        path = folder / row["file"]
        if (path.stat().st_size < 200_000) != is_small:
            continue
        dataset = pydicom.dcmread(path)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                stored = dataset.pixel_array
        except (RuntimeError, ValueError, AttributeError):
            continue  # it lacks a decoder, or the file is damaged
        for number, frame in enumerate(np.atleast_3d(stored.T).T, start=1):
            if frame.min() == frame.max():
                continue  # a blank frame, which is refused
            name = f"{path}#{number}" if stored.ndim == 3 else str(path)
            wanted[name] = (row["ts_uid"], dataset, frame)
    assert len(wanted) > (30 if is_small else 10)
    shown = {}
    for name, (_, dataset, frame) in wanted.items():
        shown[name] = displayed(_of_frame(dataset, name), frame)
    for number, names in enumerate(_cohorts(shown)):
        folder = tmp_path / str(number)
        folder.mkdir()
        result, stored = prepare(folder, {name: shown[name].shape for name in names})
        assert result.exit_code == 0, (result.output, names)
        for name in names:
            # ITU-T T.83 allows a decoder one grey value
            atol = 1.501 if wanted[name][0] in LOSSY_JPEG else 0.501
            np.testing.assert_allclose(stored(name), shown[name], atol=atol)


def _cohorts(shown):
    """Deals images out, such that no cohort has one twice: those are refused."""
    contents = {name: np.rint(image).tobytes() for name, image in shown.items()}
    cohorts = [[] for _ in range(max(Counter(contents.values()).values()))]
    for name, content in contents.items():
        free = [c for c in cohorts if content not in {contents[n] for n in c}]
        min(free, key=len).append(name)
    return cohorts


def _is_radiograph(row):
    return row["photometric"].startswith("MONO")


def _of_frame(dataset, name=""):
    """Returns the attributes, with those of a frame where a file of one has them."""
    number = int(name.rpartition("#")[2]) if "#" in name else 1
    for groups in (
        *dataset.get("SharedFunctionalGroupsSequence", [])[:1],
        *dataset.get("PerFrameFunctionalGroupsSequence", [])[number - 1 : number],
    ):
        for macro in ("PixelValueTransformationSequence", "FrameVOILUTSequence"):
            for item in groups.get(macro, []):
                dataset.update(item)
    return dataset
