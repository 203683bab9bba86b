"""The page of a map: nothing foreign in it, and a place for every cell that says something."""

from __future__ import annotations

import html
import re

from separatrix.experiments.map import make_map, standard_models, standard_tasks
from separatrix.experiments.map.cells import Fact, Map, MapCell, MapColumn, MapRow
from separatrix.report.map.write import lines, map_page, write_map_page

HOSTILE = "<script>alert(1)</script>"


def test_every_cell_that_says_something_opens_its_evidence(tmp_path):
    rows = [row for row in standard_models() if row.name in ("transformer", "elman", "gla")]
    made = make_map(rows, standard_tasks(16), length=16)
    page = write_map_page(made, tmp_path / "map.html").read_text()
    places = re.findall(r'id="(cell-\d+-\d+)"', page)
    assert re.findall(r'href="#(cell-\d+-\d+)"', page) == places
    assert len(places) == sum(bool(cell.facts) for row in made.cells for cell in row)
    for row in made.cells:
        for cell in row:
            for fact in cell.facts:
                assert html.escape(fact.words, quote=False).replace("&#39;", "'") in page.replace("&#39;", "'").replace(
                    "&#34;", '"'
                )
    assert "<script" not in page and "http" not in re.sub(r"Content-Security.*?>", "", page).replace("http-equiv", "")


def test_what_others_wrote_is_escaped():
    fact = Fact(kind="found", words=HOSTILE, evidence={"store": HOSTILE, HOSTILE: 1})
    row, column = MapRow(label=HOSTILE, model={"name": HOSTILE}), MapColumn(label=HOSTILE, short="x", task={})
    cell = MapCell(model=HOSTILE, task=HOSTILE, facts=(fact,))
    made = Map(
        length=8, precision=16, number_format=HOSTILE, rows=(row,), columns=(column,), cells=((cell,),), shipped="-"
    )
    assert "<script" not in map_page(made)


def test_evidence_in_words():
    told = {"width": 1024, "share": 0.5, "plan": {"a": 1, "b": None}, "trials": ["x", "y"], "empty": [], "on": True}
    assert lines(told) == [("width", "1,024"), ("share", "0.5"), ("plan", "a 1"), ("trials", "x, y"), ("on", "yes")]
