"""The documentation against the code: what it quotes and names exists."""

from __future__ import annotations

import dataclasses
import html
import importlib.util
import re

import click
import pytest

import gastritis_gan as gg
from gastritis_gan.cli.main import main
from gastritis_gan.config import ExperimentConfig
from gastritis_gan.storage import parse_yaml

VARIES = "…"


@pytest.fixture(scope="module")
def pages(repository) -> dict[str, str]:
    """The text of every page that is written by hand."""
    paths = [
        *(repository / "docs").glob("*.md"),
        *(repository / "docs" / "studies").glob("*.md"),
        repository / "README.md",
        repository / "CONTRIBUTING.md",
    ]
    return {
        path.relative_to(repository).as_posix(): path.read_text(encoding="utf-8")
        for path in paths
    }


def options_of(command: click.Command) -> set[str]:
    members = command.commands.values() if isinstance(command, click.Group) else ()
    own = {option for parameter in command.params for option in parameter.opts}
    return own.union({"--help"}, *(options_of(member) for member in members))


def test_commands_and_options_in_the_pages_exist(pages):
    context = click.Context(main)
    known = {
        name: options_of(main.get_command(context, name))
        for name in main.list_commands(context)
    }
    unknown = [
        (page, name, option)
        for page, text in pages.items()
        for name, words in re.findall(
            r"gastritis-gan ([a-z-]+)([^`\n]*)", text.replace("\\\n", " ")
        )
        for option in re.findall(r"(?<![\w-])--[a-z-]{2,}", words.split(" -- ")[0])
        if option not in known.get(name, ())
    ]

    assert unknown == []


def test_keys_in_the_pages_exist(pages):
    known = {
        f"{section.name}.{key.name}"
        for section in dataclasses.fields(ExperimentConfig)
        for key in dataclasses.fields(type(section.default))
    }
    sections = "|".join({key.partition(".")[0] for key in known})
    files = {"audit.json", "cohort.csv", "patches.npz", "patches.py", "split.py"}
    unknown = [
        (page, key)
        for page, text in pages.items()
        for key in re.findall(rf"`((?:{sections})\.[a-z_0-9]+)", text)
        if key not in known | files and not key.endswith("_")
    ]

    assert unknown == []


def test_functions_in_the_pages_exist(pages):
    unknown = [
        (page, name)
        for page, text in pages.items()
        for name in re.findall(r"\bgg\.(\w+)", text)
        if name not in gg.__all__
    ]

    assert unknown == []


def test_every_page_is_in_the_navigation(repository, pages):
    site = (repository / "mkdocs.yml").read_text(encoding="utf-8")
    listed = {f"docs/{name}" for name in re.findall(r"^ +- .+: (\S+\.md)$", site, re.M)}

    written = {page for page in pages if page.startswith("docs/")}
    assert listed - written == {page for page in listed if "/reference/" in page}
    assert written <= listed


@pytest.fixture(scope="module")
def made(repository):
    """The script that makes the pages of the reference."""
    path = repository / "docs" / "reference_pages.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_reference_has_every_command_and_option(made):
    page = made.commands_page()

    context = click.Context(main)
    for name in main.list_commands(context):
        _, text = page.split(f"## `{name}`\n", 1)
        text = text.split("\n## ")[0]
        options = options_of(main.get_command(context, name)) - {"--help"}
        listed = set(re.findall(r"[` ](--[a-z-]+)", text))
        assert {option for option in options if option.startswith("--")} <= listed


def test_reference_has_every_key_with_its_default(made):
    page = made.configuration_page()

    for section in dataclasses.fields(ExperimentConfig):
        for key in dataclasses.fields(type(section.default)):
            (row,) = re.findall(rf'id="{section.name}.{key.name}"></span>(.+)', page)
            _, kind, default, meaning = row.removesuffix(" |").split(" | ")
            assert kind
            assert meaning.endswith(".")
            if isinstance(key.default, int | float):
                assert parse_yaml(default.strip("`").encode()) == key.default


def test_reference_has_every_public_name(made):
    listed = [name for names in made.PUBLIC_NAMES.values() for name in names]

    assert sorted(listed) == sorted(gg.__all__)


def slugs(text: str) -> set[str]:
    """Returns the anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"(?ms)^```.*?^```$", "", text), re.M)
    plain = [re.sub(r"[^\w\- ]", "", html.unescape(heading)) for heading in headings]
    return {heading.lower().replace(" ", "-") for heading in plain}


def test_links_and_pictures_exist_on_github_too(repository, pages):
    # `make docs` checks those between pages of the site, whose anchors may differ.
    broken = []
    for page, text in pages.items():
        for link in re.findall(r"\]\(\s*([^)\s]+)\)", text):
            name, _, anchor = link.partition("#")
            path = (repository / page).parent / name if name else repository / page
            is_made = page == "docs/reference.md" and name.startswith("reference/")
            if "://" in link or is_made or (path.exists() and not anchor):
                continue
            if not path.exists() or anchor not in slugs(path.read_text("utf-8")):
                broken.append((page, link))

    assert broken == []


def test_files_in_the_pages_exist(repository, pages):
    folders = (repository, repository / "gastritis_gan", repository / "docs")
    missing = [
        (page, name)
        for page, text in pages.items()
        for name in re.findall(r"`((?:[\w.-]+/)+[\w-]+\.(?:py|j2))\b", text)
        if not any((folder / name).exists() for folder in folders)
    ]

    assert missing == []


def test_troubleshooting_quotes_messages_that_exist(repository, pages):
    quoted = re.findall(r"^### (.+)$", pages["docs/troubleshooting.md"], re.MULTILINE)
    quoted.remove("The audit is undecided (exit code 4)")
    code = "".join(
        source.read_text(encoding="utf-8")
        for folder in ("gastritis_gan", "cli")
        for source in (repository / folder).rglob("*.py")
    )
    code = re.sub(r'"\s+f?"', "", code)  # a message takes several lines
    code = re.sub(r"\{[^{}]*\}", VARIES, code)
    code = re.sub(f"{VARIES}+", VARIES, code).replace(r"\"", '"')

    assert len(quoted) > 40
    assert [text for text in quoted if text.removeprefix(VARIES) not in code] == []
