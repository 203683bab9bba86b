"""README and manual: every command exists, every block runs, and what stands beside a line is what it gives."""

from __future__ import annotations

import re
import shlex
import tomllib

import manual_pages as manual
import pytest
import typer

from separatrix.cli import fields
from separatrix.cli.main import app

SLOW = ("README.md", "constructions.md", "experiments.md", "first-ten-minutes.md")
"""Pages whose blocks take more than ten seconds."""
LONG = ("limits.md", "map.md")
"""Pages whose blocks take minutes."""


PLAIN = {"task": "parity", "model": "lstm"}
"""What has the fields that every task, or model, of one's own has."""
FOLDERS = ("tiny-mamba",)
"""Folders of models that a page makes."""


def name(page) -> str:
    return str(page.relative_to(manual.ROOT))


def called(*languages: str) -> list[object]:
    """The pages that have such blocks."""
    return [page for page in manual.PAGES if manual.blocks(page, *languages)]


@pytest.mark.parametrize(
    ("page", "line"), [(name(page), line) for page in manual.PAGES for line in manual.commands(page)]
)
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
    named = {
        slot: PLAIN[slot] if ".py:" in word or word in FOLDERS else word
        for slot, word in zip(slots, arguments, strict=False)
        if slot
    }
    known = {option.removeprefix("--") for _, config in fields.groups(getattr(command, "sections", ()), named)
             for option, _, _ in fields.options(config)}  # fmt: skip
    if words[0] == "frontier":
        return  # takes the fields of the models it names
    assert context and [each for each in given if each.removeprefix("no-") not in names | known] == [], line


def marked(page) -> object:
    slow = page.name in SLOW or page in manual.TUTORIALS
    marks = pytest.mark.long if page.name in LONG else pytest.mark.slow if slow else ()
    return pytest.param(page, marks=marks, id=name(page))


@pytest.mark.parametrize("page", [marked(page) for page in called("python", "sh")])
@pytest.mark.filterwarnings("ignore")
def test_every_block_runs(page, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    left = manual.play(page, tmp_path)
    assert not left or page not in manual.TUTORIALS, left


@pytest.mark.parametrize("page", called("python", "py"), ids=name)
def test_every_python_block_is_python(page):
    assert page not in manual.TUTORIALS or not manual.blocks(page, "py")
    for text in manual.blocks(page, "python", "py"):
        compile(text, page.name, "exec")


@pytest.mark.parametrize("page", called("toml"), ids=name)
def test_every_toml_block_is_toml(page):
    for text in manual.blocks(page, "toml"):
        assert tomllib.loads(text)


@pytest.mark.parametrize("page", called("sh"), ids=name)
def test_every_target_of_make_is_one(page):
    targets = set(re.findall(r"^(\w[\w-]*):", (manual.ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    asked = [
        line.split()[1:] for text in manual.blocks(page, "sh") for line in manual.lines(text) if line[:5] == "make "
    ]
    assert {target for line in asked for target in line} <= targets


def test_a_wrong_value_beside_a_line_is_noticed():
    manual.run_python("1 + 1  # 2: as it is", "page", {})
    manual.run_python("3.0, 'a'  # 3.0, 'a'", "page", {})
    for wrong in ("1 + 1  # 3: as it is not", "2, 7  # 2, and 8", "'a'  # 'b'"):
        with pytest.raises(AssertionError, match="page: "):
            manual.run_python(wrong, "page", {})


def test_what_is_only_parsed_is_what_the_rule_says(tmp_path):
    page = manual.ROOT / "docs" / "card.md"
    for line in ("separatrix card mamba", "separatrix audit config.json", "separatrix recall runs/x"):
        assert not manual.runs(line, page, tmp_path)
    assert manual.runs("separatrix bounds parity --length 8", page, tmp_path)
    assert manual.runs("separatrix sweep sweep.toml", manual.TUTORIALS[0], tmp_path)


def test_every_page_is_in_the_navigation():
    listed = (manual.ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert not [page.name for page in manual.PAGES[1:] if page.name not in listed]
