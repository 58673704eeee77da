"""Hand-made results of GAN-train."""

from __future__ import annotations


def make_result(positive_votes: list[int], **changes: object) -> dict:
    """Returns a result on 20 images of 20 patients, 5 patches each, half positive."""
    row = {
        "name": "LC-PGGAN",
        "harmonic_mean": 0.5,
        "positive_votes": positive_votes,
        "mean_scores": [0.0] * 20,
    }
    return {
        "format": 3,
        "store": {"split_hash": "a"},
        "protocol": {"seed": 0, "svm_c": 1.0},
        "images": [
            {
                "key": f"i{number}",
                "patient": number,
                "label": "positive" if number < 10 else "negative",
                "patches": 5,
            }
            for number in range(20)
        ],
        "extractors": [
            {
                "extractor": {"name": "texture", "dim": 43},
                "rows": [row, row | {"name": "Real data (Ideal)"}],
            }
        ],
        **changes,
    }
