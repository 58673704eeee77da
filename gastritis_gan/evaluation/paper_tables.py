"""The paper's Tables 1 to 3, to set beside one's own."""

from __future__ import annotations

from typing import NamedTuple


class PaperRow(NamedTuple):
    """A row of a table: training data, and what the classifier reached on it."""

    training_data: str
    sensitivity: float
    specificity: float
    harmonic_mean: float


PAPER_TABLES = {
    "VGG-16": (
        PaperRow("LC-PGGAN + PGGAN", 0.779, 0.747, 0.763),
        PaperRow("LC-PGGAN", 0.850, 0.716, 0.777),
        PaperRow("PGGAN", 0.807, 0.705, 0.753),
        PaperRow("DCGAN", 0.571, 0.619, 0.594),
        PaperRow("Real data (Ideal)", 0.879, 0.880, 0.879),
    ),
    "Inception-v3": (
        PaperRow("LC-PGGAN + PGGAN", 0.771, 0.912, 0.836),
        PaperRow("LC-PGGAN", 0.807, 0.720, 0.761),
        PaperRow("PGGAN", 0.843, 0.806, 0.824),
        PaperRow("DCGAN", 0.650, 0.651, 0.650),
        PaperRow("Real data (Ideal)", 0.943, 0.855, 0.897),
    ),
    "ResNet-50": (
        PaperRow("LC-PGGAN + PGGAN", 0.743, 0.851, 0.793),
        PaperRow("LC-PGGAN", 0.807, 0.749, 0.777),
        PaperRow("PGGAN", 0.636, 0.796, 0.707),
        PaperRow("DCGAN", 0.643, 0.749, 0.692),
        PaperRow("Real data (Ideal)", 0.821, 0.916, 0.866),
    ),
}
"""By the network whose features the classifier saw, in the paper's order."""

PAPER_NETWORKS = {
    "vgg16_fc2": "VGG-16",
    "inception_v3_pool": "Inception-v3",
    "resnet50_pool": "ResNet-50",
}
"""Extractors that give the paper's features."""
