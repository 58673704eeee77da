"""Synthetic gastritis images by a loss function-based conditional PGGAN."""

__version__ = "0.1.0"
