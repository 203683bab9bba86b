"""The trials of a store, sorted into the panels they belong to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from separatrix.config import canonical_json
from separatrix.errors import InputError
from separatrix.experiments.measure.recall import recallable, stored
from separatrix.experiments.presets import Panel, Preset
from separatrix.experiments.search.frontier import Frontier
from separatrix.experiments.search.frontier_files import kept
from separatrix.experiments.search.tuning import Choice, known_choice, tuned
from separatrix.experiments.store.folder import Store
from separatrix.experiments.theorems.findings import kept as kept_theorems
from separatrix.experiments.trial.config import TrialConfig
from separatrix.experiments.trial.result import Result
from separatrix.experiments.trial.seeds import is_tuning
from separatrix.report.figures.panel_data import Collection, PanelTrial, PanelTrials, runs_code
from separatrix.report.html.labels import distinct_labels, short_name, slug, variant_key
from separatrix.words import plural


def collect(store: Store) -> Collection:
    """Sort a store's trials into the panels of the preset that was run, and the others by task.

    Raises InputError when no trial has finished and no theorem was run.
    """
    every = store.results()
    results = {result.identity: result for result in every if not is_tuning(result.config["seed"])}
    theorems = kept_theorems(store)
    if not (results or theorems):
        raise InputError(
            f"{store.url} holds no finished trial, so there is nothing to report: "
            "run `separatrix reproduce` or `separatrix train` into it first, or to its end"
        )
    panels: list[PanelTrials] = []
    notes: list[str] = []
    taken: set[str] = set()
    alike: dict[tuple, list[Result]] = defaultdict(list)
    for result in results.values():
        alike[_outline(result.config)].append(result)
    preset = _preset(store, notes)
    for panel in preset.panels if preset else []:
        if runs_code(panel.task, *panel.models):
            notes.append(f"“{panel.title}” comes from a Python file, which a report does not run: see it by its task.")
            continue
        found: list[Result] = []
        missing: list[str] = []
        choices: dict[str, Choice] = {}
        tuning = preset.tuning_of(panel) if preset else None
        for asked in panel.trials(preset.training if preset else {}):
            choice = known_choice(store, asked, tuning) if tuning else None
            if tuning and choice is None:
                missing.append(f"{asked.label} (its learning rate is not chosen yet)")
                continue
            config = asked if choice is None else tuned(asked, choice)
            choices |= {} if choice is None else {config.identity(): choice}
            if (one := results.get(config.identity()) or _older(config, alike)) is None:
                missing.append(_unfinished(store, config))
            else:
                found.append(one)
        if found:
            panels.append(_panel(store, panel, found, missing, choices))
            taken.update(result.identity for result in found)
        else:
            notes.append(f"“{panel.title}” is not drawn: none of its {plural(len(missing), 'trial')} has finished.")
    searched = _in_order(kept(store), preset)
    taken |= {identity for found in searched for identity in _searched(found)}
    others = [result for result in results.values() if result.identity not in taken]
    panels += [_panel(store, panel, group, [], {}) for panel, group in _by_task(others)]
    notes += [f"{path} is damaged ({why}): left out." for path, why in store.left_out.items()]
    tuned_with = [result for result in every if is_tuning(result.config["seed"])]
    held = [(result, stored(store, result)) for result in recallable(list(results.values()))]
    walls = [(result, recall.wall) for result, recall in held if recall is not None and recall.wall is not None]
    whole = list(results.values())
    return Collection(preset, _distinct_ids(panels), whole, notes, searched, theorems, tuned_with, walls)


def _in_order(searched: Sequence[Frontier], preset: Preset | None) -> list[Frontier]:
    """The searches, those of the preset first and in its order."""
    asked = [plan.content_hash() for plan in preset.plans()] if preset else []
    named = [(found.plan.content_hash(), found) for found in searched]
    first = sorted((one for one in named if one[0] in asked), key=lambda one: asked.index(one[0]))
    return [found for _, found in [*first, *(one for one in named if one[0] not in asked)]]


def _searched(found: Frontier) -> list[str]:
    """The reported trials of a search, which stand in its section."""
    if runs_code(found.plan.task, *found.plan.models):
        return []
    cells = {(str(cell.model), cell.length): cell for cell in found.plan.cells()}
    return [
        trial.identity()
        for point in found.points
        for seen in point.tried
        for trial in cells[str(point.model), point.length].trials(seen.width, seen.choice)
    ]


def _preset(store: Store, notes: list[str]) -> Preset | None:
    """The preset that was run, if there was one and this version can read it."""
    try:
        if (stored := store.read_json("preset.json")) is None:
            return None
        preset = Preset(**stored)
        for panel in preset.panels:
            if not runs_code(panel.task, *panel.models):
                panel.trials(preset.training)
    except (InputError, TypeError, ValueError) as error:
        notes.append(f"This version cannot read the preset these trials come from ({error}): they are grouped by task.")
        return None
    return preset


def _outline(config: dict[str, Any]) -> tuple:
    """What the trials of all versions say of themselves."""
    task, model = config["task"], config["model"]
    return task["name"], task["length"], model["name"], model.get("width"), config["seed"]


def _older(config: TrialConfig, alike: dict[tuple, list[Result]]) -> Result | None:
    """The result of the same trial from a version that knew fewer settings, these being at their defaults now."""
    wanted = config.model_dump(mode="json")
    candidates = alike.get(_outline(wanted), [])
    return next((result for result in candidates if _within(result.config, wanted)), None)


def _within(part: Any, whole: Any) -> bool:
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and _within(value, whole[key]) for key, value in part.items())
    return part == whole


def _unfinished(store: Store, config: TrialConfig) -> str:
    said = store.progress(config.identity())
    return f"{config.label} ({'not started' if said is None else 'at step {step} of {steps}'.format(**said)})"


def _panel(
    store: Store, panel: Panel, results: Sequence[Result], missing: Sequence[str], choices: dict[str, Choice]
) -> PanelTrials:
    labels = distinct_labels(
        (result.config["model"], result.config["training"], result.config["task"]["length"]) for result in results
    )
    trials = [
        PanelTrial(
            result,
            labels[variant_key(result.config["model"], result.config["training"])],
            [] if (history := store.history(result.identity)) is None else history.to_dicts(),
            stored(store, result),
            choices.get(result.identity),
        )
        for result in results
    ]
    measured = [trial for trial in trials if trial.result.test is not None]
    failed = [trial for trial in trials if trial.result.test is None]
    return PanelTrials(slug(panel.id), panel, measured, failed, missing)


def _by_task(results: Sequence[Result]) -> list[tuple[Panel, list[Result]]]:
    """Panels for trials that belong to none: one for each task, whatever its length."""
    grouped: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        task = {name: value for name, value in result.config["task"].items() if name != "length"}
        grouped[canonical_json(task)].append(result)
    panels = []
    for group in grouped.values():
        group.sort(key=lambda r: (r.config["model"]["name"], r.config["model"].get("layers", 0),
                                  r.config["model"].get("width", 0), r.config["seed"]))  # fmt: skip
        task = {name: value for name, value in group[0].config["task"].items() if name != "length"}
        lengths = sorted({result.config["task"]["length"] for result in group})
        telling = {
            key: value for key, value in task.items() if key != "name" and value and isinstance(value, str | int)
        }
        parameters = ", ".join(key if value is True else f"{key} {value}" for key, value in telling.items())
        name = short_name(task["name"]).replace("-", " ").capitalize()
        panel = Panel(
            id=task["name"],
            figure="",
            title=f"{name} ({parameters})" if parameters else name,
            draw="heatmap" if len(lengths) > 1 or task["name"] == "index-lookup" else "curves",
            task=task,
            lengths=lengths,
            models=[result.config["model"] for result in group],
            seeds=sorted({result.config["seed"] for result in group}),
        )
        panels.append((panel, group))
    return panels


def _distinct_ids(panels: Sequence[PanelTrials]) -> list[PanelTrials]:
    """The same panels, none sharing an id (ids are file names)."""
    seen: dict[str, int] = defaultdict(int)
    distinct = []
    for panel in panels:
        seen[panel.id] += 1
        again = seen[panel.id]
        distinct.append(
            panel
            if again == 1
            else PanelTrials(f"{panel.id}-{again}", panel.panel, panel.measured, panel.failed, panel.missing)
        )
    return distinct
