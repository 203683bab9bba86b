"""The best setting of each model of a sweep: over all that was varied, by the median over seeds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import median
from typing import Any

from separatrix.config import canonical_json
from separatrix.experiments.trial.result import Result

BEST = (
    *("task", "N", "model", "layers", "width", "rate"),
    *("accuracy", "lowest", "highest", "seeds", "state, bits", "ended"),
)
"""Columns of the table."""


def best_settings(results: Sequence[Result]) -> list[dict[str, Any]]:
    """For each model at each task and length the setting with the highest median accuracy; the first of equals.

    A setting is everything of a configuration but the seed; failed trials count for nothing.
    """
    settings: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        if result.test is not None:
            settings[canonical_json({**result.config, "seed": 0})].append(result)
    best: dict[str, list[Result]] = {}
    for seeds in settings.values():
        config = seeds[0].config
        name = canonical_json([config["task"], config["model"]["name"], config["model"].get("layers")])
        if name not in best or _median(seeds) > _median(best[name]):
            best[name] = seeds
    return [_row(seeds) for seeds in best.values()]


def _median(seeds: Sequence[Result]) -> float:
    return median(result.test.accuracy for result in seeds if result.test)


def _row(seeds: Sequence[Result]) -> dict[str, Any]:
    config, accuracies = seeds[0].config, [result.test.accuracy for result in seeds if result.test]
    endings = [str(result.ending or result.status) for result in seeds]
    ended = ", ".join(f"{endings.count(end)} {end}" for end in dict.fromkeys(endings))
    values = (config["task"]["name"], config["task"].get("length"), config["model"]["name"],
              config["model"].get("layers"), config["model"].get("width"), config["training"]["learning_rate"],
              median(accuracies), min(accuracies), max(accuracies), len(seeds), seeds[0].state_bits, ended)  # fmt: skip
    return dict(zip(BEST, values, strict=True))
