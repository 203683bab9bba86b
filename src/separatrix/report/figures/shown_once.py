"""Recall of language models against length, beside what was shown and what their states could hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import vl_convert

from separatrix.atomic import write_whole
from separatrix.errors import InputError
from separatrix.experiments.measure.shown_once import Kind, ShownOnce
from separatrix.report.figures import theme
from separatrix.report.figures.charts import ROWS
from separatrix.report.figures.export import png
from separatrix.report.figures.scaling import PROVED, scaling
from separatrix.report.figures.series import Row

ENDINGS = (".svg", ".png", ".pdf")
SHOWN = "all there is to recall"
WIDTH = 520
LEAST = 0.5
"""Bits at which a curve on a logarithmic axis ends that goes to 0."""

TITLES: dict[Kind, str] = {"string": "A string shown once", "pairs": "Values asked for by their keys"}


def check_ending(path: Path) -> None:
    """Raise InputError for a file that is no figure's."""
    if path.suffix not in ENDINGS:
        raise InputError(f"expected a figure ending in {', '.join(ENDINGS)}, got {path.name[:80]!r}")


def write_shown_once(found: Sequence[ShownOnce], path: Path) -> Path:
    """Draw the measurements of one or several models. Raises InputError for other endings than .svg, .png and .pdf."""
    check_ending(path)
    spec = specification(found)
    if path.suffix == ".pdf":
        return write_whole(path, vl_convert.vegalite_to_pdf(spec))
    svg = vl_convert.vegalite_to_svg(spec)
    return write_whole(path, png(svg) if path.suffix == ".png" else svg.encode())


def specification(found: Sequence[ShownOnce]) -> dict[str, Any]:
    """The figure in Vega-Lite: a panel for strings and one for pairs, those that were measured."""
    names = list(dict.fromkeys(each.model for each in found))
    hues = theme.hues([names])
    panels = []
    for kind, title in TITLES.items():
        rows = _rows(found, kind)
        if not rows:
            continue
        ceilings = [f"{name}: its state" for name in names]
        known = {SHOWN: PROVED, **dict.fromkeys(ceilings, PROVED)}
        drawn = {row["model"] for row in rows}
        chart = scaling(
            rows, names, {name: sort for name, sort in known.items() if name in drawn}, hues, "tokens shown, N",
            "bits recalled",
        )  # fmt: skip
        spec = chart.to_dict(validate=False)
        spec.pop("config", None)
        panels.append(spec | {"datasets": {ROWS: rows}, "width": WIDTH, "title": title})
    datasets = {f"{ROWS}{i}": panel.pop("datasets")[ROWS] for i, panel in enumerate(panels)}
    for i, panel in enumerate(panels):
        panel["layer"] = [layer | {"data": {"name": f"{ROWS}{i}"}} for layer in panel["layer"]]
        panel.pop("data", None)
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json", "hconcat": panels, "datasets": datasets,
        "config": theme.config("light"), "padding": 16,
        "resolve": {"scale": {"color": "independent", "strokeDash": "independent"}},
    }  # fmt: skip


def _rows(found: Sequence[ShownOnce], kind: Kind) -> list[Row]:
    """Points with their intervals, what was shown, and each state's bits where these are less than twice that."""
    rows: list[Row] = []
    shown: dict[int, float] = {}
    for each in found:
        for point in (point for point in each.points if point.kind == kind):
            shown[point.length] = point.shown_bits
            said = f"{point.recalled_bits:,.1f} of {point.shown_bits:,.0f} bits at N = {point.length}"
            base = {"x": point.length, "short": False}
            rows.append(base | {
                "model": each.model, "kind": "observed", "y": max(LEAST, point.recalled_bits),
                "low": max(LEAST, point.low), "high": max(LEAST, point.high), "text": said,
            })  # fmt: skip
            if point.state_bits < 2 * point.shown_bits:
                text = f"its state has {point.state_bits:,} bits"
                rows.append(base | {"model": f"{each.model}: its state", "kind": PROVED, "y": point.state_bits,
                                    "text": text})  # fmt: skip
    rows += [
        {"x": length, "y": bits, "model": SHOWN, "kind": PROVED, "text": f"{bits:,.0f} bits", "short": False}
        for length, bits in sorted(shown.items())
    ]
    return rows if len(rows) > len(shown) else []
