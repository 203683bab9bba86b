"""What training found in a cell, from the stores that are given: frontiers first, single trials beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from separatrix.errors import InputError
from separatrix.experiments.map.cells import Fact, MapRow
from separatrix.experiments.search.frontier import Frontier
from separatrix.experiments.search.frontier_files import kept
from separatrix.experiments.store.folder import Store
from separatrix.experiments.trial.result import Result
from separatrix.tasks import Problem, create
from separatrix.trust import names_code

TARGET = 0.99
"""Test accuracy from which a single trial counts as having found the task."""


class TrainedModels:
    """Frontiers and finished trials of several stores.

    >>> TrainedModels([]).facts(MapRow(label="lstm", model={"name": "lstm"}), create("parity", length=8))
    ()
    """

    def __init__(self, urls: Sequence[str]) -> None:
        stores = [(url, Store(url, create=False)) for url in urls]
        self.frontiers = [(url, each) for url, store in stores for each in kept(store)]
        self.results = [(url, each) for url, store in stores for each in store.results() if each.test is not None]

    def facts(self, row: MapRow, task: Problem) -> tuple[Fact, ...]:
        """What was found of one cell: the frontier's point, or the trial of the smallest state."""
        points = [fact for url, each in self.frontiers for fact in of_frontier(url, each, row, task)]
        reached = [fact for fact in points if fact.kind == "found"]
        return tuple(reached or of_trials(self.results, row, task))


def of_frontier(url: str, frontier: Frontier, row: MapRow, task: Problem) -> Iterator[Fact]:
    """The points of one search that reached its target at exactly this task."""
    plan = frontier.plan
    if names_code(plan.task["name"]) or not _same(plan.task, task, plan.lengths):
        return
    for point in frontier.points:
        if point.length == task.length and point.width is not None and _is(row, point.model):
            words = (
                f"width {point.width:,} ({point.state_bits or 0:,} bits of state) reached {plan.target:.0%} with "
                f"{point.reached} of {point.seeds} seeds"
            )
            evidence = point.model_dump(mode="json") | {
                "store": url, "plan": plan.content_hash(), "target": plan.target, "training": plan.training,
                "command": f"separatrix report {url}",
            }  # fmt: skip
            yield Fact(kind="found", words=words, evidence=evidence)


def of_trials(results: Sequence[tuple[str, Result]], row: MapRow, task: Problem) -> tuple[Fact, ...]:
    """Of the single trials that reached the target at exactly this task, that of the smallest state."""
    config = task.model_dump(mode="json")
    same = [
        (url, each) for url, each in results
        if each.test is not None and each.test.accuracy >= TARGET
        and each.config["task"] == config and _is(row, each.config["model"])
    ]  # fmt: skip
    if not same:
        return ()
    url, best = min(same, key=lambda found: (found[1].state_bits, found[1].identity))
    alike = [other.identity for _, other in same if _seedless(other) == _seedless(best)]
    assert best.test is not None
    words = (
        f"width {best.config['model']['width']:,} ({best.state_bits:,} bits of state) scored {best.test.accuracy:.2%} "
        f"on {best.test.answers:,} answers ({len(alike)} seed{'' if len(alike) == 1 else 's'})"
    )
    evidence: dict[str, Any] = {
        "store": url, "trials": alike, "target": TARGET, "steps": best.steps, "tokens": best.tokens,
        "training": best.config["training"], "model": best.config["model"], "state_bits": best.state_bits,
        "command": f"separatrix report {url}",
    }  # fmt: skip
    return (Fact(kind="found", words=words, evidence=evidence),)


def _seedless(result: Result) -> dict[str, Any]:
    return {name: value for name, value in result.config.items() if name != "seed"}


def _is(row: MapRow, model: dict[str, Any]) -> bool:
    return row.name == model["name"] and row.layers in (None, model.get("layers", 1))


def _same(fields: dict[str, Any], task: Problem, lengths: Sequence[int]) -> bool:
    try:
        return task.length in lengths and create(**{**fields, "length": task.length}) == task
    except InputError:
        return False
