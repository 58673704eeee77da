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


def make_tables(cards: list[dict]) -> dict[str, tuple[str, str, dict]]:
    """Returns by command the smallest results of which a table can be made.

    Returns:
        Name of the JSON file, of the table, and the results.
    """
    numbers = dict.fromkeys(
        ("sensitivity", "specificity", "harmonic_mean", "auc", "retention"), 0.5
    )
    counts = dict.fromkeys(
        ("num_positive_patches", "num_negative_patches", "num_positive", "num_negative",
         "num_patients", "true_positives", "false_negatives", "true_negatives",
         "false_positives", "ties", "sample_seed"), 3,
    )  # fmt: skip
    row = {
        "name": "Real data (Ideal)",
        "generator_seed": None,
        "svm_converged": True,
        "variants": [],
        **numbers,
        **{f"{key}_interval": [0.25, 0.75] for key in numbers},
        **counts,
    }
    gan_train = {
        "format": 3,
        "generators": cards,
        "store": {
            "positive": "gastritis", "negative": "normal", "test_patients": 6,
            "test_images": 6, "test_positive_images": 3, "test_negative_images": 3,
            "excluded_images": 0,
        },
        "protocol": {"resolution": 16, "vote": "inside", "svm_c": 0.001},
        "notes": [],
        "extractors": [
            {
                "extractor": {"name": "texture", "dim": 43},
                "rows": [row],
                "means": [],
                "differences": [],
            }
        ],
    }  # fmt: skip
    metrics = {
        "format": 1, "generators": cards, "resolution": 16, "notes": [], "classes": {},
        "pixels": {}, "extractors": [],
    }  # fmt: skip
    return {
        "gan-train": ("results.json", "table.md", gan_train),
        "image-metrics": ("metrics.json", "metrics.md", metrics),
    }
