"""The documentation against the code: what it quotes exists."""

from __future__ import annotations

import re

VARIES = "…"


def test_troubleshooting_quotes_messages_that_exist(repository):
    page = (repository / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    quoted = re.findall(r"^### (.+)$", page, re.MULTILINE)
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
