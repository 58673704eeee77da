from __future__ import annotations

import ast
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

import gastritis_gan as gg

_IMPORT = """
import json, sys
import gastritis_gan
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def test_the_import_loads_nothing_else():
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT], capture_output=True, check=True, text=True
    )
    loaded = set(json.loads(done.stdout))

    assert not loaded & {"tensorflow", "keras", "numpy", "yaml", "click", "pydicom"}


@pytest.mark.parametrize("name", gg.__all__)
def test_every_name_is_there_and_described(name):
    found = getattr(gg, name)

    assert inspect.getdoc(found)
    assert found.__name__ == name


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = gg.trian


def test_no_name_is_that_of_a_room(repository):
    # The lazy name would be overwritten by the module at its first import.
    rooms = {path.stem for path in (repository / "gastritis_gan").iterdir()}

    assert not rooms & set(gg.__all__)


def test_type_checkers_see_the_same_names():
    tree = ast.parse(Path(gg.__file__).read_text(encoding="utf-8"))
    (typed,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        (alias.asname, statement.module)
        for statement in typed.body
        for alias in statement.names
    }

    assert seen == {(name, getattr(gg, name).__module__) for name in gg.__all__}
