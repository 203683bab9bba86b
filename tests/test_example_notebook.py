"""The example notebook, cell by cell as a notebook runs it: from top to bottom, in an empty folder."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "examples" / "tour.ipynb"


def cells() -> list[str]:
    book = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 4)
    return ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code"]


def shown(text: str, scope: dict[str, object]) -> str:
    """What a notebook prints under a cell: its last expression, as a table where it has one."""
    *before, last = ast.parse(text).body
    if not isinstance(last, ast.Expr):
        before, last = [*before, last], None
    exec(compile(ast.Module(before, []), "cell", "exec"), scope)
    if last is None:
        return ""
    value = eval(compile(ast.Expression(last.value), "cell", "eval"), scope)
    draw = getattr(value, "_repr_html_", None)
    return draw() if draw else repr(value)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_notebook_runs_from_top_to_bottom(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {"__name__": "__main__"}
    said = [shown(text, scope) for text in cells()]
    assert "16 bits" in said[0]
    assert "width 6" in said[3]
    assert "{'lstm': 1024" in said[5]
    assert scope["trained"].accuracies and len(scope["table"]) == 2
    assert "<svg" in said[-1]


def test_the_notebook_is_stored_without_outputs():
    book = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert all(not cell.get("outputs") and not cell.get("execution_count") for cell in book["cells"])
