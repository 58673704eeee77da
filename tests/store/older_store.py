"""Stores of earlier format versions, by their documentation."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def make_older(store: Path, version: int) -> dict[str, Any]:
    """Turns a store into one of version 1, 2 or 3; returns its facts."""
    path = store / "store.json"
    facts: dict[str, Any] = json.loads(path.read_text())
    facts["format_version"] = version
    if version < 3:
        rows = sorted(
            [i["key"], i["sha256"], i["label"], i["split"]] for i in facts["images"]
        )
        text = json.dumps(rows, separators=(",", ":"))
        facts["split_hash"] = hashlib.sha256(text.encode()).hexdigest()
    if version == 1:
        for key in ("image_size", "cohort", "inputs"):
            del facts[key]
        shutil.rmtree(store / "outlines")
    for image in (store / "images").iterdir():
        with Image.open(image) as file:
            np.save(image.with_suffix(".npy"), np.array(file))
        image.unlink()
    path.write_text(json.dumps(facts))
    return facts
