"""The figure of position codes shows every kind and the bound."""

from __future__ import annotations

from separatrix.constructions import codes
from separatrix.report.figures.codes import svg, widths_chart


def test_the_figure_has_a_line_for_every_code_and_for_the_bound():
    rows = codes.widths([1, 4, 64, 2**20], measured_to=64)
    spec = widths_chart(rows).to_dict()
    drawn = spec["layer"][1]["data"]["values"]
    assert {row["kind"] for row in drawn} == {"binary digits", "dual BCH", "random signs"}
    assert [row["width"] for row in spec["layer"][0]["data"]["values"]] == [2, 6, 20]
    image = svg(rows)
    assert all(word in image for word in ("binary digits", "dual BCH", "random signs", "log2 N"))
