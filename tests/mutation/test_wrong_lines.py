"""The wrong lines that a test has to notice are lines that there are, and the manual says which test does."""

from __future__ import annotations

from pathlib import Path

import pytest
from mutation.lines import SOURCE, WRONG_LINES

ROOT = Path(__file__).parents[2]
MANUAL = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("line", WRONG_LINES, ids=lambda line: line.what)
def test_every_wrong_line_replaces_one_line_and_is_told(line):
    assert (ROOT / SOURCE / line.file).read_text(encoding="utf-8").count(line.right) == 1
    (told,) = [row.split("`")[3::2] for row in MANUAL.splitlines() if row.startswith(f"| {line.what} |")]
    named = [name for name in told if name.startswith("test_")]
    assert named
    tests = "".join((ROOT / name).read_text(encoding="utf-8") for name in line.tests.split())
    assert all(f"def {name}(" in tests for name in named)
