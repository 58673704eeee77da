from __future__ import annotations

import json
import shutil

import pytest

from tests.helpers.browser import browser as browser
from tests.helpers.striped_store import CONFIG, make_workplace


@pytest.fixture(scope="session")
def workplace(tmp_path_factory):
    """A store of stripes and blotches, and `exported` with a model of either class."""
    path = tmp_path_factory.mktemp("workplace")
    return make_workplace(path, config=CONFIG)


@pytest.fixture(scope="session")
def models(workplace, exported, other_exported):
    """The session's two small generators, as if this store had trained them."""
    folder = workplace / "exported"
    store = json.loads((workplace / "store" / "store.json").read_text())
    for source, name, target, class_name in (
        (exported, "lc_striped", "positive", "striped"),
        (other_exported, "lc_blotched", "negative", "blotched"),
    ):
        shutil.copytree(source.parent, folder / name)
        card = folder / name / "1" / "assets.extra" / "model_card.json"
        changes = {
            "name": name,
            "target": target,
            "class_name": class_name,
            "split_hash": store["split_hash"],
        }
        card.write_text(json.dumps(json.loads(card.read_text()) | changes))
    return folder
