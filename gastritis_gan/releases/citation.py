"""`CITATION.cff`: how to cite a release (Citation File Format 1.2.0)."""

from __future__ import annotations

import yaml

from gastritis_gan.releases.datasheet import ReleaseMetadata

VERSION = "1.0.0"
"""Of the data set: what changes in a release makes another one."""

LICENCES = {
    "CC0-1.0": "cc0-1.0",
    "CC-BY-4.0": "cc-by-4.0",
    "CC-BY-SA-4.0": "cc-by-sa-4.0",
    "CC-BY-ND-4.0": "cc-by-nd-4.0",
    "CC-BY-NC-4.0": "cc-by-nc-4.0",
    "CC-BY-NC-SA-4.0": "cc-by-nc-sa-4.0",
    "CC-BY-NC-ND-4.0": "cc-by-nc-nd-4.0",
    "ODC-By-1.0": "odc-by",
    "ODbL-1.0": "odbl",
    "PDDL-1.0": "pddl",
}
"""The licences of data: SPDX's name of each, and the Hugging Face Hub's."""


def citation(metadata: ReleaseMetadata, *, identity: str, summary: str) -> str:
    """Returns the file.

    Args:
        metadata: Of the release.
        identity: Of `mix.release_id`.
        summary: Of the datasheet.
    """
    authors = [{"name": name} for name in metadata.authors]
    content = {
        "cff-version": "1.2.0",
        "message": "If you use this data set, please cite it as below.",
        "type": "dataset",
        "title": metadata.title,
        "abstract": summary,
        # the format requires one
        "authors": authors or [{"name": "publisher not stated"}],
        "version": VERSION,
        "date-released": metadata.date,
        "keywords": ["synthetic data"],
        "identifiers": [
            {
                "type": "other",
                "value": identity,
                "description": "Of models, seeds and truncation.",
            }
        ],
    }
    if metadata.licence in LICENCES:
        content["license"] = metadata.licence
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
