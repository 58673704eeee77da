"""Writes the pages of the site that come from code, into `docs/reference/`.

Commands come from click, keys from the config's dataclasses, the Python API from the
docstrings of public names, the notebook from `tutorial.py`. `make docs` runs it before
the site is built; the pages are not committed, so they cannot be out of date.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
import textwrap
import types
import typing
from collections.abc import Iterator
from pathlib import Path

import click
import yaml

import gastritis_gan as gg
from gastritis_gan.cli.main import main
from gastritis_gan.config import ExperimentConfig
from gastritis_gan.typed_config import to_plain

DOCS = Path(__file__).parent
ROOT = DOCS.parent
OUT = DOCS / "reference"

PUBLIC_NAMES = {
    "Cohort and store": [
        "make_phantom",
        "draft_cohort",
        "prepare",
        "open_store",
        "inspect_store",
        "trace_patient",
    ],
    "Experiment": ["load_config", "ExperimentConfig", "draft_experiment"],
    "Training": ["fit", "forecast", "open_run", "list_runs"],
    "Models and samples": ["open_model", "sample", "walk"],
    "Evaluation": ["gan_train", "image_metrics", "compare"],
    "Privacy and releases": ["audit", "release"],
    "Reports": ["report", "make_reading_study", "analyse_reading_study"],
    "The whole experiment": ["reproduce", "forecast_chain"],
    "Machine and errors": ["examine_machine", "InputError"],
}
# What these functions return, with the members that are meant for their callers.
OBJECTS = {
    "store.store.Store": [
        "patch_set",
        "patches_of_image",
        "read",
        "image",
        "outline",
        "window",
    ],
    "training.run.Run": [
        "state",
        "summary",
        "metrics",
        "last_metrics",
        "best_metrics",
        "sheets",
        "generator",
        "export",
    ],
    "serving.exported_model.ExportedModel": [
        "name",
        "version",
        "class_name",
        "resolution",
        "model_hash",
        "generate",
        "close",
    ],
    "serving.remote.RemoteModel": ["generate"],
    "evaluation.results.GanTrainResult": ["table", "summary", "save", "open"],
    "evaluation.results.ImageMetricsResult": ["table", "save"],
    "evaluation.results.CompareResult": ["table", "save"],
    "privacy.verdict.AuditResult": ["report", "metrics", "deviations"],
}
_SECTION = re.compile(r"^([A-Z][a-z]+):$", re.MULTILINE)


def commands_page() -> str:
    """Returns the page of every command, with the words of its --help."""
    context = click.Context(main, info_name="gastritis-gan")
    words = inspect.cleandoc(main.help or "").replace("\b\n", "")
    lines = ["# Commands", "", f"```text\n{words}\n```", ""]
    for name in main.list_commands(context):
        lines += _command(main.get_command(context, name), context, name, level=2)
    return "\n".join(lines)


def _command(
    command: click.Command, parent: click.Context, name: str, *, level: int
) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent)
    title = context.command_path.removeprefix("gastritis-gan ")
    yield f"{'#' * level} `{title}`"
    yield ""
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"```text\n{context.command_path} {usage}\n```"
    yield ""
    yield from _help_text(command.help)
    options = [
        record
        for parameter in command.params
        if (record := parameter.get_help_record(context)) and record[1]
    ]
    if options:
        yield "| option | meaning |"
        yield "|---|---|"
        for declaration, meaning in options:
            yield f"| `{declaration}` | {_escaped(meaning)} |"
        yield ""
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            member = command.get_command(context, child)
            yield from _command(member, context, child, level=level + 1)


def _help_text(text: str | None) -> Iterator[str]:
    """Yields click's help as Markdown; what it must not wrap keeps its lines."""
    for paragraph in inspect.cleandoc(text or "").split("\n\n"):
        if not paragraph.startswith("\b"):
            yield _escaped(paragraph)
        else:
            first, _, rest = paragraph.removeprefix("\b\n").partition("\n")
            language = "sh" if "gastritis-gan" in rest else "text"
            yield f"{first}\n\n```{language}\n{textwrap.dedent(rest)}\n```"
        yield ""


def configuration_page() -> str:
    """Returns the page of every key of an experiment file."""
    lines = [
        "# Configuration",
        "",
        "One YAML file is one experiment. Every key may be left out: its default counts, "
        "which is the paper's value where the paper states one. A key that does not "
        "exist, a wrong type or an impossible value is refused in one sentence. "
        "`--set SECTION.KEY=VALUE` changes a key for one command; `gastritis-gan init` "
        "drafts a file for a cohort.",
        "",
    ]
    for section in dataclasses.fields(ExperimentConfig):
        settings = type(section.default)
        summary, parts = _parts(inspect.getdoc(settings))
        described = dict(_items(parts["Attributes"]))
        annotations = typing.get_type_hints(settings)
        defaults = to_plain(section.default)
        lines += [f"## {section.name}", "", summary, ""]
        lines += ["| key | value | default | meaning |", "|---|---|---|---|"]
        for key, default in defaults.items():
            anchor = f'<span id="{section.name}.{key}"></span>'
            lines.append(
                f"| {anchor}`{key}` | {_kind(annotations[key])} | "
                f"{_yaml(default)} | {_escaped(described[key])} |"
            )
        lines.append("")
    lines += [
        "## The paper's experiment",
        "",
        "`configs/paper.yaml` has every key with the section of the paper that states "
        "its value, or what it follows where the paper leaves it open.",
        "",
        "```yaml",
        (ROOT / "configs" / "paper.yaml").read_text(encoding="utf-8").rstrip(),
        "```",
        "",
    ]
    return "\n".join(lines)


def _kind(annotation: typing.Any) -> str:
    """Returns what a value may be, in a word or two."""
    if annotation is None or annotation is type(None):
        return "null"
    names = {int: "integer", float: "number", bool: "true or false", str: "text"}
    if annotation in names:
        return names[annotation]
    arguments = typing.get_args(annotation)
    match typing.get_origin(annotation):
        case typing.Literal:
            return ", ".join(_yaml(argument) for argument in arguments)
        case types.UnionType | typing.Union:
            return " or ".join(_kind(argument) for argument in arguments)
    if typing.get_origin(annotation) is tuple:
        return f"list of {_kind(arguments[0])}"
    return f"mapping from resolution to {_kind(arguments[1])}"


def _yaml(value: object) -> str:
    """Returns a value as an experiment file has it."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=1000)
    return f"`{text.splitlines()[0]}`"


def python_page() -> str:
    """Returns the page of every public name, and of what the functions return."""
    lines = [
        "# Python",
        "",
        "`import gastritis_gan as gg` is the library that the commands call. Importing "
        "it loads no TensorFlow: the first call that needs it does. Paths are `str` or "
        "`os.PathLike`. Whatever cannot be used raises `gg.InputError`, with the "
        "sentence that the command would print.",
        "",
    ]
    for title, names in PUBLIC_NAMES.items():
        lines += [f"## {title}", ""]
        for name in names:
            lines += _described(getattr(gg, name), f"gg.{name}")
    lines += ["## What the functions return", ""]
    for path, members in OBJECTS.items():
        module, _, name = path.rpartition(".")
        cls = getattr(importlib.import_module(f"gastritis_gan.{module}"), name)
        lines += [f"### `{name}`", "", *_docstring(cls)]
        for member in members:
            lines += _described(
                inspect.getattr_static(cls, member), f"{name}.{member}", level=4
            )
    return "\n".join(lines)


def _described(found: typing.Any, name: str, *, level: int = 3) -> Iterator[str]:
    yield f"{'#' * level} `{name}`"
    yield ""
    found = getattr(found, "__func__", found)  # of a classmethod
    if inspect.isfunction(found):
        yield f"```python\n{_signature(found, name)}\n```"
        yield ""
    yield from _docstring(found)


def _signature(function: typing.Callable[..., object], name: str) -> str:
    """Returns a call as its source has it, one argument a line where it is long."""
    signature = inspect.signature(function)
    words, was_star = [], False
    for parameter in signature.parameters.values():
        if parameter.name in ("self", "cls"):
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not was_star:
            words.append("*")
            was_star = True
        word = parameter.name
        if parameter.annotation is not parameter.empty:
            word += f": {parameter.annotation}"
        if parameter.default is not parameter.empty:
            word += f" = {parameter.default!r}"
        words.append(word)
    returned = (
        ""
        if signature.return_annotation is signature.empty
        else f" -> {signature.return_annotation}"
    )
    line = f"{name}({', '.join(words)}){returned}"
    if len(line) <= 80:
        return line
    inner = "".join(f"    {word},\n" for word in words)
    return f"{name}(\n{inner}){returned}"


def _docstring(found: object) -> Iterator[str]:
    """Yields a docstring in Google's style as Markdown."""
    summary, parts = _parts(inspect.getdoc(found))
    yield summary
    yield ""
    for title, text in parts.items():
        if title == "Example":
            code = re.sub(r"\s*# doctest: .*", "", text)
            yield f"```pycon\n{code}\n```"
        elif title in ("Args", "Attributes", "Raises"):
            yield f"**{title}**"
            yield ""
            yield from (
                f"- `{name}`: {_escaped(meaning)}" for name, meaning in _items(text)
            )
        else:
            yield f"**{title}**\n\n{_escaped(text)}"
        yield ""


def _parts(text: str | None) -> tuple[str, dict[str, str]]:
    """Splits a docstring into its summary and its sections, dedented."""
    summary, *parts = _SECTION.split(text or "")
    return _escaped(summary.strip()), {
        title: textwrap.dedent(body.strip("\n")).rstrip()
        for title, body in zip(parts[::2], parts[1::2], strict=True)
    }


def _items(text: str) -> Iterator[tuple[str, str]]:
    """Yields name and meaning of every item of a section such as Args."""
    for item in re.split(r"\n(?=\S)", text):
        name, _, meaning = item.partition(":")
        yield name.strip(), " ".join(meaning.split())


def _escaped(text: str) -> str:
    """Escapes what Markdown would take for itself outside `code`."""
    words = re.split(r"(`[^`]*`)", text)
    for index in range(0, len(words), 2):
        word = words[index].replace("<", "&lt;")
        words[index] = re.sub(r"(\*|\b_|_\b)", r"\\\1", word)
    return "".join(words)


def tutorial_page() -> str:
    """Returns the notebook `tutorial.py` as a page."""
    cells = (DOCS / "tutorial.py").read_text(encoding="utf-8").split("\n# %%")[1:]
    page = []
    for cell in cells:
        kind, _, body = cell.partition("\n")
        if "[markdown]" in kind:
            page.append(re.sub(r"^# ?", "", body, flags=re.MULTILINE).strip())
        else:
            page.append(f"```python\n{body.strip()}\n```")
    return "\n\n".join(page) + "\n"


def copied_page(name: str) -> str:
    """Returns a page of the repository's root, its links seen from `docs/reference/`."""
    text = (ROOT / name).read_text(encoding="utf-8")
    text = text.replace("](docs/", "](../").replace("](CHANGELOG.md)", "](changes.md)")
    return text.replace("[Apache License 2.0](LICENSE)", "Apache License 2.0")


def write_pages() -> None:
    """Writes all pages, and removes those of an older version."""
    pages = {
        "commands": commands_page(),
        "configuration": configuration_page(),
        "python": python_page(),
        "tutorial": tutorial_page(),
        "changes": copied_page("CHANGELOG.md"),
        "contributing": copied_page("CONTRIBUTING.md"),
    }
    OUT.mkdir(exist_ok=True)
    for old in OUT.glob("*.md"):
        old.unlink()
    for name, text in pages.items():
        (OUT / f"{name}.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_pages()
