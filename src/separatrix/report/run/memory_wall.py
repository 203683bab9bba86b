"""The memory wall as the first section of the page: bits recalled against bits sent, under the line no code passes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from separatrix.bounds.known_upper import recurrent_upper
from separatrix.config import canonical_json
from separatrix.errors import InputError
from separatrix.experiments.measure.memory_wall import MemoryWall, WallPoint
from separatrix.experiments.trial.result import Result
from separatrix.report.figures.panel_data import runs_code
from separatrix.report.figures.series import Row
from separatrix.report.figures.wall import CERTIFIED, wall_chart
from separatrix.report.html.labels import count, family_name, short_name, slug
from separatrix.report.html.section import Column, Figure, Section, Table
from separatrix.tasks import create
from separatrix.words import plural

TITLE = "No state recalls more bits than it holds"
"""The picture's title, of at most twelve words."""

LEAST = 0.5
"""Bits recalled below which a point is not drawn: the axes are logarithmic."""

Measured = tuple[Result, MemoryWall]


def sections(measured: Sequence[Measured], hues: Mapping[str, int]) -> list[Section]:
    """One section for each task and length whose models were measured, the one with the most models first."""
    return [_section(group, hues) for group in _groups(measured)]


def families(measured: Sequence[Measured]) -> list[list[str]]:
    """The families of each section."""
    return [list(dict.fromkeys(family(result) for result, _ in group)) for group in _groups(measured)]


def _groups(measured: Sequence[Measured]) -> list[list[Measured]]:
    groups: dict[str, list[Measured]] = defaultdict(list)
    for one in measured:
        task = one[0].config["task"]
        if not runs_code(task):
            groups[canonical_json(task)].append(one)
    found = sorted(groups.values(), key=lambda group: -len({family(result) for result, _ in group}))
    return [group for group in found if rows(group)]


def family(result: Result) -> str:
    """What joins the widths of one architecture."""
    model = result.config["model"]
    layers = model.get("layers", 1)
    return family_name(model["name"]) + (f", {plural(layers, 'layer')}" if layers > 1 else "")


def rows(group: Sequence[Measured]) -> list[Row]:
    """Every message of every model, and for each family the best of its messages up to each length."""
    found: list[Row] = []
    families: dict[str, list[tuple[Result, WallPoint]]] = defaultdict(list)
    for result, wall in group:
        families[family(result)] += [(result, point) for point in wall.points if point.recalled >= LEAST]
    for name, points in families.items():
        best = 0.0
        for result, point in sorted(points, key=lambda one: (one[1].sent, -one[1].recalled)):
            leads = point.recalled > best
            best = max(best, point.recalled)
            width = result.config["model"].get("width", "?")
            found.append(
                {
                    "model": name,
                    "kind": "observed",
                    "x": point.sent,
                    "y": round(point.recalled, 3),
                    "low": round(max(point.low, LEAST), 3),
                    "high": round(point.high, 3),
                    "leads": leads,
                    "text": f"width {width}, {point.precision} bits a scalar: {count(round(point.recalled, 1))} bits "
                    f"recalled of {count(point.sent)} sent, seed {result.config['seed']}",
                }
            )
    return found


def certified(task: dict[str, Any]) -> list[Row]:
    """Constructions on the wall: what they hold is what they send, for every context."""
    try:
        built = recurrent_upper(create(**task))
    except InputError:
        return []
    if built is None or built.construction != "shift register":
        return []
    text = f"shift register: {count(built.size)} bits sent, all of them recalled, certified for every context"
    return [{"model": CERTIFIED, "kind": "certified", "x": built.size, "y": built.size, "text": text}]


def _section(group: Sequence[Measured], hues: Mapping[str, int]) -> Section:
    task, whole = group[0][0].config["task"], group[0][1].context_bits
    name, length = short_name(task["name"]).replace("-", " "), task["length"]
    about = (
        f"{name.capitalize()} over {length} tokens, {count(whole)} bits to hold. Each trained model's state is sent in "
        "1 to 12 bits a scalar and answered from. Nothing can lie above the line: what is recalled was sent. A "
        "construction lies on it."
    )
    return Section(
        id=f"memory-wall-{slug(task['name'])}-{length}",
        title=TITLE,
        kicker="The memory wall",
        about=about,
        measured=_words(group),
        figures=[_figure(group, hues)],
        tables=[_table(group)],
    )


def _words(group: Sequence[Measured]) -> str:
    models = len({canonical_json(result.config["model"]) for result, _ in group})
    seeds = sorted({result.config["seed"] for result, _ in group})
    contexts = min(wall.contexts for _, wall in group)
    return (
        f"{plural(len(group), 'trained state')} of {plural(models, 'model')}, seeds {', '.join(map(str, seeds))}; "
        f"{contexts:,} contexts each, never trained on; as many others fixed each scalar's range, the positions "
        "counted and one temperature."
    )


def _figure(group: Sequence[Measured], hues: Mapping[str, int]) -> Figure:
    drawn = rows(group)
    task, whole = group[0][0].config["task"], group[0][1].context_bits
    names = list(dict.fromkeys(row["model"] for row in drawn))
    ends = [
        f"{name}: {max((row for row in drawn if row['model'] == name), key=lambda row: row['y'])['text']}"
        for name in names
    ]
    known = certified(task)
    see = (
        "Both axes are logarithmic. Dot: one message of one trained model. Line: the most that any width of the family "
        f"recalls from so many bits. Grey: no code gets there, proved. Dashed: all there is, {count(whole)} bits."
    )
    return Figure(
        name="wall",
        title="Bits recalled against bits sent",
        see=see + (" Diamond: a construction, certified." if known else ""),
        alt_text=f"Bits recalled against bits sent, under the line recalled = sent. {'; '.join(ends)}.",
        rows=[*drawn, *known],
        chart=wall_chart([*drawn, *known], names, {name: hues.get(name, index) for index, name in enumerate(names)},
                         whole),
    )  # fmt: skip


def _table(group: Sequence[Measured]) -> Table:
    by_model: dict[tuple[str, Any], list[Measured]] = defaultdict(list)
    for one in group:
        by_model[family(one[0]), one[0].config["model"].get("width")].append(one)
    return Table(
        caption="The message with the most recalled for each bit sent, model by model (best seed)",
        columns=(
            Column("Model"),
            Column("Width", numeric=True),
            Column("Scalars of state", "observed", numeric=True),
            Column("Bits a scalar", numeric=True),
            Column("Bits sent", "proved", numeric=True),
            Column("Bits recalled (interval)", "observed", numeric=True),
            Column("Recalled for each bit sent", "observed", numeric=True),
        ),
        rows=[_row(name, width, each) for (name, width), each in by_model.items()],
        folded=len(by_model) > 12,
    )


def _row(name: str, width: Any, group: Sequence[Measured]) -> list[str]:
    half = max(point.recalled for _, wall in group for point in wall.points) / 2
    numbers = group[0][1].numbers
    best = max(
        (point for _, wall in group for point in wall.points if point.recalled >= half),
        key=lambda point: point.recalled / point.sent,
    )
    interval = f"{count(round(best.recalled, 1))} ({count(round(best.low, 1))} … {count(round(best.high, 1))})"
    share = f"{best.recalled / best.sent:.2f}"
    return [name, str(width), count(numbers), str(best.precision), count(best.sent), interval, share]
