"""The manual as scripts: a page's blocks in order, run in a folder that holds nothing but what the page itself made.

Python is run, and a number or word that a comment gives beside an expression has to be its value. A block that begins
with `# name.py` or `# name.toml` is that file. A line that calls `separatrix` is run, with two exceptions: what names a
file that the reader has and the page does not make, and what takes minutes (`LONG`, `--rates`, `train` without
`--steps`). Those are parsed, as every command is. A block of `py` needs something of the reader's, and is compiled.
Tutorials have no exceptions: all they show is run.
"""

from __future__ import annotations

import ast
import math
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from separatrix.cli.main import main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TUTORIALS = [page for page in PAGES if page.parent.name == "tutorials"]

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^    (separatrix .*)$", re.MULTILINE)
NAMED = re.compile(r"# ([\w./-]+\.(?:py|toml))\b")
LITERAL = re.compile(r"(-?\d{1,3}(?:,\d{3})+|-?\d+(?:\.\d+)?|'[^']*'|True|False|None)(?=$|[\s,;:.])(?:, (?:and )?)?")

LONG = ("card", "frontier", "reproduce", "sweep")
"""Commands that take minutes; a dry run times every model, and is no shorter."""
APART = ("convert",)
"""Commands that are run in a process of their own: exporters do not follow functions whose arguments are checked."""
PRODUCED = ("--save", "--output", "--html", "--figure", "--page", "--draw")
"""Options whose value is a file to be written."""
OUTPUTS = {"convert": 1, "export": 1}
"""Commands whose arguments from the second on are files to be written."""
READERS = {"mamba-130m", "pythia-160m", "leaderboard"}
"""Folders of the reader's that do not look like paths."""


def blocks(page: Path, *languages: str) -> list[str]:
    """The text of a page's blocks in these languages."""
    return [text for language, text in parts(page) if language in languages]


def parts(page: Path) -> list[tuple[str, str]]:
    """A page's blocks in order, commands that stand indented among the text too: language and content."""
    text = page.read_text(encoding="utf-8")
    found = [(match.start(), match[1] or "sh", match[2]) for match in BLOCK.finditer(text)]
    found += [(match.start(), "sh", match[1] + "\n") for match in INDENTED.finditer(BLOCK.sub(_blank, text))]
    return [(language, content) for _, language, content in sorted(found)]


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])


def lines(text: str) -> list[str]:
    """The commands of a shell block without their comments; a line may go on after a backslash."""
    whole = re.sub(r"\\\n\s*", "", text).splitlines()
    return [line for line in (re.split(r"\s+# ", each)[0].strip() for each in whole) if line and line[0] != "#"]


def commands(page: Path) -> Iterator[str]:
    """Every line of a page that calls the command line."""
    for text in blocks(page, "sh"):
        yield from (line for line in lines(text) if line.startswith("separatrix "))


def files(page: Path) -> Iterator[tuple[str, str]]:
    """The files that a page shows whole: name and content."""
    for language, text in parts(page):
        if language in ("python", "toml") and (named := NAMED.match(text)):
            yield named[1], text


def play(page: Path, folder: Path) -> list[str]:
    """Run a page in a folder, which is the working directory; returns the commands that were only to be parsed."""
    for name, text in files(page):
        for place in (folder / name, folder / "path" / "to" / name):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
    scope: dict[str, object] = {"__name__": "manual"}
    left = []
    for language, text in parts(page):
        if language == "python":
            run_python(text, page.name, scope)
        for line in lines(text) if language == "sh" else ():
            if line.startswith("separatrix ") and not runs(line, page, folder):
                left.append(line)
            elif line.startswith("separatrix "):
                run_command(line)
    return left


def runs(line: str, page: Path, folder: Path) -> bool:
    """Whether a command is run, and not only parsed."""
    name, *words = shlex.split(line)[1:]
    if page in TUTORIALS:
        return True
    if name in LONG or "--rates" in words or (name == "train" and "--steps" not in words):
        return False
    given = words[: OUTPUTS.get(name, len(words))]
    read = [word for before, word in zip([name, *given], given, strict=False) if before not in PRODUCED]
    return not any(_of_the_reader(word, folder) for word in read)


def _of_the_reader(word: str, folder: Path) -> bool:
    path = word.removeprefix("hf:").partition(":")[0] if not re.match(r"\w+://", word) else word
    looks = "/" in path or re.search(r"\.[a-z]\w+$", path) is not None
    return word in READERS or (looks and not word[0].isdigit() and not (folder / path).exists())


def run_command(line: str) -> None:
    """Run a command; anything but success fails the test."""
    words = shlex.split(line)[1:]
    if words[0] in APART:
        subprocess.run([sys.executable, "-W", "ignore", "-m", "separatrix", *words], check=True)
        return
    try:
        main(words)
    except SystemExit as ended:
        assert not ended.code, f"{line}: ended with {ended.code}"


def run_python(text: str, name: str, scope: dict[str, object]) -> None:
    """Run a block statement by statement; a comment that begins with a value must give the expression's."""
    said = text.splitlines()
    for statement in ast.parse(text).body:
        if not isinstance(statement, ast.Expr):
            exec(compile(ast.Module([statement], []), name, "exec"), scope)
            continue
        value = eval(compile(ast.Expression(statement.value), name, "eval"), scope)
        comment = said[(statement.end_lineno or 1) - 1][(statement.end_col_offset or 0) :].partition("# ")[2]
        for claimed, found in zip(claims(comment), leaves(value), strict=False):
            same = math.isclose(claimed, found) if isinstance(claimed, float) else claimed == found
            assert same, f"{name}: {said[(statement.end_lineno or 1) - 1].strip()}: it is {value!r}"


def claims(comment: str) -> list[object]:
    """The values that a comment begins with.

    >>> claims("100 units of one bit; 36.0 bits are necessary"), claims("'all', 'stack rules'"), claims("2, and 8: x")
    ([100], ['all', 'stack rules'], [2, 8])
    """
    found = []
    while match := LITERAL.match(comment):
        found.append(ast.literal_eval(match[1] if match[1][0] == "'" else match[1].replace(",", "")))
        comment = comment[match.end() :]
        if not match[0].endswith((", ", "and ")):
            break
    return found


def leaves(value: object) -> list[object]:
    """The values of nested tuples, lists and tensors, one after the other."""
    if isinstance(value, torch.Tensor):
        value = value.tolist()
    return [leaf for each in value for leaf in leaves(each)] if isinstance(value, tuple | list) else [value]
