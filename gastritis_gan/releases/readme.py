"""`README.md` of a release, with the front matter of the Hugging Face Hub."""

from __future__ import annotations

from typing import Any

import yaml

from gastritis_gan.releases.citation import LICENCES
from gastritis_gan.releases.datasheet import ReleaseMetadata

_SIZES = (("n<1K", 1_000), ("1K<n<10K", 10_000), ("10K<n<100K", 100_000))
_LARGEST = "100K<n<1M"

_LOADING = {
    "png": """
    from datasets import load_dataset
    images = load_dataset("FOLDER")["train"]  # "image", "label"

    import keras
    images = keras.utils.image_dataset_from_directory(
        "FOLDER/images", color_mode="grayscale", image_size=(SIZE, SIZE)
    )
""",
    "tfrecord": """
    import tensorflow as tf
    records = tf.data.TFRecordDataset(tf.io.gfile.glob("FOLDER/images/*.tfrecord"))
""",
    "dicom": """
    from pathlib import Path
    import pydicom
    paths = sorted(Path("FOLDER").rglob("*.dcm"))
    images = [pydicom.dcmread(path).pixel_array for path in paths]
""",
}


def readme(
    metadata: ReleaseMetadata, *, summary: str, total: int, resolution: int
) -> str:
    """Returns the page.

    Args:
        metadata: Of the release.
        summary: Of the datasheet.
        total: Number of images.
        resolution: Side of the images in pixels.
    """
    front: dict[str, Any] = {
        "pretty_name": metadata.title,
        "license": LICENCES.get(metadata.licence, "other"),
        "task_categories": ["image-classification"],
        "tags": ["synthetic", "medical", metadata.image_format],
        "size_categories": [next((s for s, n in _SIZES if total < n), _LARGEST)],
    }
    if metadata.image_format == "png":  # the Hub reads no other format of images
        files = [{"split": "train", "path": "images/**"}]
        # a single class is a label, too
        config = {"config_name": "default", "data_files": files, "drop_labels": False}
        front["configs"] = [config]
    if front["license"] == "other":
        front["license_name"] = metadata.licence or "none stated"
    loading = _LOADING[metadata.image_format].replace("SIZE", str(resolution))
    return (
        f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---\n\n"
        f"# {metadata.title}\n\n{summary}\n\n"
        "[DATASHEET.md](DATASHEET.md) explains the images and what was measured; "
        "[CITATION.cff](CITATION.cff) has how to cite them; "
        "[croissant.json](croissant.json) describes the files to machines.\n\n"
        f"To load them:\n{loading}"
    )
