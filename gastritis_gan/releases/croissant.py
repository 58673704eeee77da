"""`croissant.json`: a release for machines that load data sets.

[Croissant 1.1](https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html) of
MLCommons: JSON-LD of schema.org's terms, with the files and the columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gastritis_gan.releases.citation import LICENCES, VERSION
from gastritis_gan.releases.datasheet import ReleaseMetadata

_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    **{
        term: f"cr:{term}"
        for term in (
            *("arrayShape", "citeAs", "column", "containedIn", "equivalentProperty"),
            *("extract", "field", "fileObject", "fileProperty", "fileSet", "format"),
            *("includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5"),
            *("parentField", "path", "recordSet", "references", "regex", "repeated"),
            *("replace", "samplingRate", "separator", "source", "subField"),
            "transform",
        )
    },
}
_FILES = {  # by format: the files, and their media type
    "png": ("images/*/*.png", "image/png"),
    "tfrecord": ("images/*.tfrecord", "application/octet-stream"),
    "dicom": ("images/*/*.dcm", "application/dicom"),
}
_COLUMNS = {  # of `manifest.csv`
    "file": ("sc:Text", "Path of the file that holds the image."),
    "number": ("sc:Integer", "Number of the image, from 0."),
    "class": ("sc:Text", "Class that the generator was trained on."),
    "model": ("sc:Text", "Name of the generator."),
    "version": ("sc:Integer", "Version of the generator."),
    "model_hash": ("sc:Text", "SHA-256 of the generator's graph and weights."),
    "seed": ("sc:Integer", "Seed that gives the image."),
    "truncation": ("sc:Float", "1: as trained; 0: the same image for every seed."),
    "pixels_sha256": ("sc:Text", "SHA-256 of the pixels."),
}


def croissant(
    metadata: ReleaseMetadata, *, identity: str, summary: str, manifest_sha256: str
) -> dict[str, Any]:
    """Returns the document; JSON-able.

    Args:
        metadata: Of the release.
        identity: Of `mix.release_id`.
        summary: Of the datasheet.
        manifest_sha256: Of `manifest.csv`.
    """
    includes, media_type = _FILES[metadata.image_format]
    document: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": metadata.title,
        "description": summary,
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "identifier": identity,
        "version": VERSION,
        "datePublished": metadata.date.isoformat(),
        "isLiveDataset": False,
        "keywords": ["synthetic data"],
        "citeAs": _bibtex(metadata, identity),
        "creator": [
            {"@type": "sc:Organization", "name": name} for name in metadata.authors
        ],
        "rai:personalSensitiveInformation": metadata.verdict,
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "manifest.csv",
                "name": "manifest.csv",
                "description": "One row per image.",
                "contentUrl": "manifest.csv",
                "encodingFormat": "text/csv",
                "sha256": manifest_sha256,
            },
            {
                "@type": "cr:FileSet",
                "@id": "image-files",
                "name": "image-files",
                "description": "The images.",
                "encodingFormat": media_type,
                "includes": includes,
            },
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "images",
                "name": "images",
                "description": "One record per image.",
                "key": {"@id": "images/number"},
                "field": [_column(name, *about) for name, about in _COLUMNS.items()],
            }
        ],
    }
    if metadata.licence:
        is_known = metadata.licence in LICENCES
        document["license"] = (
            f"https://spdx.org/licenses/{metadata.licence}"
            if is_known
            else metadata.licence
        )
    return {key: value for key, value in document.items() if value != []}


def _column(name: str, data_type: str, description: str) -> Mapping[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"images/{name}",
        "name": f"images/{name}",
        "description": description,
        "dataType": data_type,
        "source": {
            "fileObject": {"@id": "manifest.csv"},
            "extract": {"column": name},
        },
    }


def _bibtex(metadata: ReleaseMetadata, identity: str) -> str:
    authors = " and ".join(f"{{{name}}}" for name in metadata.authors)
    fields = {
        "author": authors,
        "title": metadata.title,
        "year": str(metadata.date.year),
        "note": f"Synthetic images, identity {identity}",
    }
    listed = ", ".join(f"{k} = {{{v}}}" for k, v in fields.items() if v)
    return f"@misc{{synthetic_{identity}, {listed}}}"
