import re

import pytest

from gastritis_gan.evaluation import plots
from gastritis_gan.images import drawable
from tests.helpers.gan_train_results import make_row


def results_of(positive):
    row = make_row("LC-PGGAN", 0.6, positive_votes=[4, 3, 1, 0])
    labels = ["positive", "positive", "negative", "negative"]
    return {
        "store": {
            "positive": positive,
            "negative": "<others>",
            "test_images": 4,
            "test_positive_images": 2,
            "test_negative_images": 2,
            "test_patients": 4,
        },
        "images": [{"label": label, "patches": 4} for label in labels],
        "extractors": [
            {"extractor": {"name": "texture", "dim": 43}, "rows": [row] * 9},
        ],
    }


@pytest.mark.parametrize("positive", ["胃炎", "\U000f1234"])
def test_plots_have_class_names_in_any_script(tmp_path, positive):
    """A letter that Matplotlib lacks is a warning, and warnings are errors here."""
    plots.write_plots(results_of(positive), tmp_path / "plots")
    shown = drawable(positive, "positive")
    for name, text in (
        ("confusion", f"{shown} or &lt;others&gt;? 4 real test images (2 + 2)"),
        ("roc", f"sensitivity: {shown} images found"),
        ("votes", shown),
    ):
        assert text in (tmp_path / "plots" / f"{name}_texture.svg").read_text()


def test_nine_lines_differ(tmp_path):
    """There are seven colours."""
    plots.write_plots(results_of("a"), tmp_path / "plots")
    svg = (tmp_path / "plots" / "roc_texture.svg").read_text()
    styles = set(re.findall(r'style="(fill: none; [^"]*stroke-width: 1\.5[^"]*)"', svg))
    assert len(styles) == 9
