"""Writing the page: everything of a store's results in one HTML file, with PNG and SVG of each figure beside it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import vl_convert

from separatrix import __version__, trust
from separatrix.experiments.store.folder import Store
from separatrix.experiments.store.table import frame
from separatrix.experiments.trial.result import Result
from separatrix.report.figures import export, theme, wall
from separatrix.report.figures.panel_data import Collection
from separatrix.report.figures.series import by_position
from separatrix.report.html import document
from separatrix.report.html.labels import count, model_label, percent
from separatrix.report.html.planner import plan_data
from separatrix.report.html.section import MEANING, Figure, Section
from separatrix.report.run import frontiers, memory_wall, panels, theorems, trials
from separatrix.report.run import summary as answer
from separatrix.report.run.collect import collect
from separatrix.words import plural

FOLDER = "report"
PREVIEW = "picture.png"


@dataclass(frozen=True)
class DrawnPanels:
    """A figure on its way to the page: its files' names, and its SVG for print and for pages without scripts."""

    figure: Figure
    id: str
    specification: dict[str, Any]
    svg: str


def write_report(store: Store) -> str:
    """Write `report/index.html`, and PNG and SVG of each figure, into a store; returns the page's path or URL.

    The page is one file that opens from disk and loads nothing. Raises InputError when nothing was measured or run.
    """
    with trust.reading(store.url):  # whoever made the store: a report runs nobody's Python files
        return write_collection(store, collect(store))


def figures_of(store: Store) -> dict[str, tuple[Section, Figure]]:
    """Every figure of a store's page by its name, with its section."""
    with trust.reading(store.url):
        parts = _sections(collect(store))
    return {f"{section.id}-{figure.name}": (section, figure) for section in parts for figure in section.figures}


def _sections(collection: Collection) -> list[Section]:
    """What the page is made of, from the memory wall to the theorems."""
    searched = [[frontiers.label(model) for model in each.plan.models] for each in collection.frontiers]
    families = memory_wall.families(collection.walls)
    hues = theme.hues([*families, *(panel.labels for panel in collection.panels), *searched])
    sections = memory_wall.sections(collection.walls, hues)
    sections += [frontiers.section(each, hues) for each in collection.frontiers]
    sections += [panels.section(panel, hues) for panel in collection.panels]
    return sections + ([theorems.section(collection.theorems)] if collection.theorems else [])


def write_collection(store: Store, collection: Collection) -> str:
    """The same of what was gathered."""
    sections = _sections(collection)
    drawn = {section.id: [_draw(store, section, figure) for figure in section.figures] for section in sections}
    if top := lead_figures(sections, drawn, ("memory-wall", "frontier")):
        _write_picture(store, *top[0])
    table = frame(collection.results).write_csv().encode()
    store.write(f"{FOLDER}/results.csv", table)
    store.write(f"{FOLDER}/index.html", _page(store, collection, sections, drawn, table).encode())
    return f"{store.url.rstrip('/')}/{FOLDER}/index.html"


def _write_picture(store: Store, section: Section, drawn: DrawnPanels) -> None:
    """The page's first figure as a picture of its own, 1200 × 630: what pages that link here show."""
    svg = wall.picture(drawn.specification, section.title, section.about.partition(". Each")[0])
    shown = vl_convert.svg_to_png(svg, scale=1)
    store.write(f"{FOLDER}/{PREVIEW}", shown)
    if section.id.startswith("memory-wall"):
        store.write(f"{FOLDER}/memory-wall.svg", svg.encode())
        store.write(f"{FOLDER}/memory-wall.png", shown)


def _draw(store: Store, section: Section, figure: Figure) -> DrawnPanels:
    """Write a figure's files."""
    specification = export.specification(figure)
    svg = export.svg(figure, specification, section.title)
    drawn = DrawnPanels(figure, f"{section.id}-{figure.name}", specification, svg)
    store.write(f"{FOLDER}/{drawn.id}.svg", drawn.svg.encode())
    store.write(f"{FOLDER}/{drawn.id}.png", export.png(drawn.svg))
    return drawn


def _page(
    store: Store, collection: Collection, sections: Sequence[Section], drawn: dict[str, list[DrawnPanels]], table: bytes
) -> str:
    scripts = document.scripts()
    figures = [one for group in drawn.values() for one in group]  # before the lead leaves its sections
    return document.template("index.html").render(
        title=_title(collection),
        preset=collection.preset.name if collection.preset else None,
        url=store.url,
        version=__version__,
        headline=answer.headline(collection),
        criterion=answer.CRITERION if collection.panels else "",
        answers=answer.answers(collection),
        facts=_facts(collection),
        notes=collection.notes,
        lead=_lead(sections, drawn),
        preview=PREVIEW if figures else None,
        files=True,
        sections=sections,
        drawn=drawn,
        meaning=MEANING,
        labels={label for section in sections for label in section.labels},
        environments=_environments(collection),
        style=document.asset("style.css"),
        scripts=scripts,
        policy=document.policy(scripts),
        **trials.of_page(
            {one.id: one.specification for one in figures},
            sorted((_trial_row(result) for result in collection.results), key=_order),
            {result.identity: _details(result) for result in collection.results},
            table,
            plan_data(collection.frontiers),
        ),
    )


def lead_figures(
    sections: Sequence[Section], drawn: Mapping[str, list[DrawnPanels]], first: Sequence[str]
) -> list[tuple[Section, DrawnPanels]]:
    """The pictures that stand above everything: the first figure of each kind of section named; else of any.

    first: how the ids of sections begin
    """
    found = []
    for kind in first:
        section = next((each for each in sections if each.id.startswith(kind) and drawn[each.id]), None)
        found += [(section, drawn[section.id][0])] if section else []
    anything = next((each for each in sections if drawn[each.id]), None)
    return found or ([(anything, drawn[anything.id][0])] if anything else [])


def _lead(sections: Sequence[Section], drawn: dict[str, list[DrawnPanels]]) -> list[tuple[Section, DrawnPanels]]:
    """The memory wall, and the first frontier under it. They leave their own sections: a figure stands once."""
    found = lead_figures(sections, drawn, ("memory-wall", "frontier"))
    for section, one in found:
        drawn[section.id] = [each for each in drawn[section.id] if each is not one]
    return found


def _title(collection: Collection) -> str:
    if collection.preset:
        return collection.preset.about
    return "What was measured here" if collection.results else "The paper's theorems, run on this machine"


def _facts(collection: Collection) -> list[tuple[str, str]]:
    """The run in a few numbers."""
    results = collection.results
    if not results:
        return []
    failed = sum(result.status == "failed" for result in results)
    missing = sum(len(panel.missing) for panel in collection.panels)
    facts = [
        (f"{len(results) - failed:,}", "trials measured"),
        (count(sum(result.tokens for result in results) / 1e6), "million tokens trained on"),
        (count(round(sum(result.seconds for result in results) / 60, 1)), "minutes of training, summed over cores"),
    ]
    facts += [(f"{failed:,}", "failed")] if failed else []
    facts += [(f"{missing:,}", "not finished")] if missing else []
    return facts


def _trial_row(result: Result) -> dict[str, Any]:
    config = result.config
    return {
        "identity": result.identity,
        "task": config["task"]["name"],
        "length": config["task"]["length"],
        "model": model_label(config["model"]),
        "seed": config["seed"],
        "accuracy": None if result.test is None else result.test.accuracy,
        "accuracy_text": "–" if result.test is None else percent(result.test.accuracy),
        "status": result.status,
        "error": result.error,
        "state_bits": result.state_bits,
        "steps": result.steps,
        "seconds": result.seconds,
    }


def _order(row: dict[str, Any]) -> tuple[str, str, int, int]:
    return row["task"], row["model"], row["length"], row["seed"]


def _details(result: Result) -> dict[str, Any]:
    """What the page shows of one trial when asked: everything, its groups in a short form."""
    whole = result.model_dump(mode="json", exclude={"test", "config", "environment", "identity"}, exclude_none=True)
    task, label = result.config["task"], model_label(result.config["model"])
    details: dict[str, Any] = {
        "name": f"{label}, {task['name']}, length {task['length']}, seed {result.config['seed']}",
        "result": whole,
        "config": result.config,
        "environment": result.environment,
    }
    if result.test is not None:
        test = result.test
        measured = {"test_accuracy": test.accuracy, "test_loss_bits": test.loss_bits, "test_answers": test.answers}
        details["result"] = {"status": result.status} | measured | whole
        details["groups"] = [] if by_position(result) else list(test.accuracy_by_group)
        details["accuracy"] = [round(accuracy, 4) for accuracy in test.accuracy_by_group.values()]
        details["loss_bits"] = [round(test.loss_bits_by_group[group], 3) for group in test.accuracy_by_group]
    return details


def _environments(collection: Collection) -> list[tuple[str, str]]:
    """Each environment that trials ran in, with how many did, and that of the theorems."""
    met = Counter(json.dumps(result.environment, sort_keys=True) for result in collection.results)
    ran = [(plural(number, "trial"), _listed(json.loads(text))) for text, number in met.most_common()]
    return [*ran, ("Theorems", _listed(collection.theorems.environment))] if collection.theorems else ran


def _listed(environment: dict[str, Any]) -> str:
    return ", ".join(f"{name} {environment[name]}" for name in sorted(environment))
