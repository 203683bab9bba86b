"""README and manual: the commands exist, Python blocks are Python, and those of the first pages run."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer

from separatrix.cli import fields
from separatrix.cli.main import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
RUN = ("concepts.md", "first-ten-minutes.md")
"""Pages whose Python is run; that of the others trains, and is compiled."""


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")) if kind == language]


def commands() -> list[tuple[str, str]]:
    """Every line of a shell block that calls the command line, with its page."""
    lines = [(page.name, line) for page in PAGES for block in blocks(page, "sh") for line in block.splitlines()]
    return [(page, line.split("  #")[0].split(" #")[0]) for page, line in lines if line.startswith("separatrix ")]


@pytest.mark.parametrize(("page", "line"), commands())
def test_every_command_is_one(page, line):
    group = typer.main.get_command(app)
    words = shlex.split(line)[1:]
    if words[0].startswith("-"):
        return
    command = group.commands[words[0]]
    context = command.make_context(words[0], words[1:], resilient_parsing=True)
    names = {"help", *(option.removeprefix("--") for each in command.params for option in each.opts)}
    given = [word.partition("=")[0].removeprefix("--") for word in words[1:] if word.startswith("--")]
    arguments = [word for word in words[1:] if not word.startswith("-")]
    slots = [fields.SLOTS.get(each.name) for each in command.params if each.param_type_name == "argument"]
    named = {slot: word for slot, word in zip(slots, arguments, strict=False) if slot and ".py" not in word}
    known = {option.removeprefix("--") for _, config in fields.groups(getattr(command, "sections", ()), named)
             for option, _, _ in fields.options(config)}  # fmt: skip
    if words[0] == "frontier":
        return  # takes the fields of the models it names
    assert context and [each for each in given if each.removeprefix("no-") not in names | known] == [], line


@pytest.mark.parametrize("page", [ROOT / "docs" / name for name in RUN], ids=lambda page: page.name)
def test_every_python_block_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {"__name__": "manual"}
    for text in blocks(page, "python"):
        exec(compile(text, page.name, "exec"), scope)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.name)
def test_every_python_block_is_python(page):
    for text in blocks(page, "python"):
        compile(text, page.name, "exec")


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "toml")], ids=lambda page: page.name)
def test_every_toml_block_is_toml(page):
    for text in blocks(page, "toml"):
        assert tomllib.loads(text)


def test_every_page_is_in_the_navigation():
    listed = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert not [page.name for page in PAGES[1:] if page.name not in listed]
