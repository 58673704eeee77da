"""docs/architecture.md against the tree, by reading the sources' own imports."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "gastritis_gan"


def _room_table() -> dict[str, list[str]]:
    text = (ROOT / "docs" / "architecture.md").read_text()
    table = text.split("| room | what it holds | imports |\n")[1].split("\n\n")[0]
    rows = {}
    for line in table.splitlines()[1:]:
        room, _, imports = (cell.strip() for cell in line.strip("|").split("|"))
        rows[room.strip("`")] = re.findall(r"`(\w+)`", imports)
    return rows


def _files(room: str) -> list[Path]:
    if room == "cli":
        return sorted((ROOT / "cli").rglob("*.py"))
    module = PACKAGE / f"{room}.py"
    return [module] if module.exists() else sorted((PACKAGE / room).rglob("*.py"))


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Yields every node that runs: bodies of `if TYPE_CHECKING` do not."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for statement in node.orelse:
                yield statement
                yield from _statements(statement)
        else:
            yield node
            yield from _statements(node)


def _imported_names(path: Path) -> Iterator[str]:
    for node in _statements(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _imported_rooms(room: str) -> list[str]:
    rooms = {
        name.split(".")[1]
        for path in _files(room)
        for name in _imported_names(path)
        if name.startswith("gastritis_gan.")
    }
    return sorted(other for other in rooms - {room} if _files(other))


def test_every_room_stands_in_the_table_once():
    packages = {p.parent.name for p in PACKAGE.glob("*/__init__.py")}
    modules = {p.stem for p in PACKAGE.glob("*.py")} - {"__init__"}
    assert sorted(_room_table()) == sorted({"cli"} | packages | modules)


@pytest.mark.parametrize("room", _room_table())
def test_the_table_lists_exactly_what_a_room_imports(room):
    assert _room_table()[room] == _imported_rooms(room)


def test_the_documented_order_is_the_contract_of_the_import_linter():
    text = (ROOT / "docs" / "architecture.md").read_text()
    documented = text.split("(`pyproject.toml`):\n")[1].strip().split("\n\n")[0]
    contract = (ROOT / "pyproject.toml").read_text().split("layers = [")[1]
    names = re.findall(r'"([^"]+)"', contract.split("]")[0])
    assert [re.split(r",\s*", layer.strip()) for layer in documented.split(">")] == [
        [part.strip().removeprefix("gastritis_gan.") for part in name.split("|")]
        for name in names
    ]
