"""Hand-made results of GAN-train."""

from __future__ import annotations

from gastritis_gan.evaluation.rows import REAL_DATA_ROW


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


def make_row(name: str, harmonic_mean: float, **fields: object) -> dict:
    """Returns a row as in results.json, on 6 images of 6 patients."""
    return {
        "name": name,
        "generator_seed": None,
        "sample_seed": 0,
        "num_positive_patches": 5000,
        "num_negative_patches": 4990,
        "svm_converged": True,
        "num_positive": 4,
        "num_negative": 2,
        "num_patients": 6,
        "sensitivity": 0.75,
        "sensitivity_interval": (0.3006, 0.9544),
        "specificity": 0.5,
        "specificity_interval": (0.0945, 0.9055),
        "harmonic_mean": harmonic_mean,
        "harmonic_mean_interval": (0.4, 0.8),
        "auc": 0.875,
        "auc_interval": (0.6, 1.0),
        "true_positives": 3,
        "false_negatives": 1,
        "true_negatives": 1,
        "false_positives": 1,
        "ties": 2,
        "retention": 0.9,
        "retention_interval": (0.5, 1.25),
        "variants": [],
        **fields,
    }


def make_table_results() -> dict:
    """Returns a result of two generated rows and real data, as in results.json."""
    return {
        "store": {
            "positive": "gastritis",
            "negative": "non_gastritis",
            "test_patients": 6,
            "test_images": 6,
            "test_positive_images": 4,
            "test_negative_images": 2,
            "excluded_images": 1,
        },
        "protocol": {
            "resolution": 32,
            "vote": "inside",
            "svm_c": 0.001,
        },
        "notes": ["There is no pggan generator."],
        "extractors": [
            {
                "extractor": {"name": "vgg16_fc2", "dim": 4096, "weights": "ImageNet"},
                "rows": [
                    make_row("LC-PGGAN", 0.6, svm_converged=False, generator_seed=3),
                    make_row("PGGAN", 0.5, retention=None, retention_interval=None),
                    make_row(REAL_DATA_ROW, 0.9),
                ],
                "means": [],
                "differences": [],
            }
        ],
    }


def make_results_of(cards: list[dict]) -> dict[str, tuple[str, str, dict]]:
    """Returns by command the files and the smallest results of models.

    Returns:
        Name of the JSON file, of the table, and the results.
    """
    gan_train = {"format": 3, "generators": cards, **make_table_results()}
    metrics = {
        "format": 1, "generators": cards, "resolution": 16, "notes": [], "classes": {},
        "pixels": {}, "extractors": [],
    }  # fmt: skip
    return {
        "gan-train": ("results.json", "table.md", gan_train),
        "image-metrics": ("metrics.json", "metrics.md", metrics),
    }
