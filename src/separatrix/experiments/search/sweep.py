"""Sweeps: grids and lists over any field of a trial's configuration."""

from __future__ import annotations

import copy
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from separatrix.config import Config, parse_toml
from separatrix.errors import InputError, unknown
from separatrix.experiments.search.halving import Halving
from separatrix.experiments.search.tuning import Tuning
from separatrix.experiments.trial.config import TrialConfig
from separatrix.experiments.trial.seal import read_as
from separatrix.experiments.trial.trainer import Trainer


class Sweep(Config):
    """Trials made from a base, a list of cases and a grid; fields are named by their path, e.g. `model.width`.

    A sweep file in TOML:

        [base]
        task = { name = "index-lookup", alphabet = 64 }
        training = { steps = 1000 }
        [[cases]]
        "model.name" = "lstm"
        [[cases]]
        "model.name" = "transformer"
        "model.heads" = 2
        [grid]
        "task.length" = [20, 50]
        "model.width" = [32, 64]
        "training.learning_rate" = [1e-3, 3e-3]
        seed = [0, 1, 2]
        [halving]  # only if the best learning rate is sought, not the results of all
        over = ["training.learning_rate"]
        first = 200

    >>> sweep = sx.experiments.Sweep(
    ...     base={"task": {"name": "parity", "length": 8}, "model": {"name": "gru"}},
    ...     grid={"model.width": [4, 8], "seed": [0, 1, 2]},
    ... )
    >>> len(sweep.trials()), sweep.trials()[0].label
    (6, 'gru-(1, 4) parity N=8 seed 0')
    """

    base: dict[str, Any] = {}
    cases: list[dict[str, Any]] = Field([{}], min_length=1, description="each changes the base in its own way")
    grid: dict[str, list[Any]] = Field({}, description="every combination of these values, for every case")
    halving: Halving | None = Field(None, description="give up the worse of competing trials early")
    tuning: Tuning | None = Field(
        None, description="choose the learning rate of every trial's cell on seeds that are not reported"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Sweep:
        varied = {field for fields in (self.grid, *self.cases) for field in fields}
        if self.tuning and (self.halving or "training.learning_rate" in varied):
            raise ValueError("[tuning] chooses learning rates: leave them out of the grid, and [halving] too")
        return self

    def trials(self) -> list[TrialConfig]:
        """All distinct trials, in the order of the file."""
        found: dict[str, TrialConfig] = {}
        for case in self.cases:
            for values in product(*self.grid.values()):
                changes = {**case, **dict(zip(self.grid, values, strict=True))}
                trial = TrialConfig(**changed(self.base, changes))
                found[trial.identity()] = trial
        return list(found.values())


def load_sweep(path: str | Path) -> Sweep:
    """A sweep from its TOML file. Raises InputError when there is none, or it is wrong.

    >>> import pathlib
    >>> trial = 'task = { name = "parity", length = 8 }, model = { name = "gru", width = 8 }'
    >>> _ = pathlib.Path("mine.toml").write_text(f"base = {{ {trial} }}")
    >>> [trial.label for trial in sx.experiments.load_sweep("mine.toml").trials()]
    ['gru-(1, 8) parity N=8 seed 0']
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"no sweep file at {path}")
    return read_as(Sweep, parse_toml(path.read_bytes(), f"sweep {path}"))


def changed(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A deep copy of nested dicts with the fields at dotted paths set."""
    result = copy.deepcopy(base)
    for path, value in changes.items():
        *sections, field = path.split(".")
        place = result
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise InputError(f"sweep: {path!r} goes through {section!r}, which is a value, not a section")
        place[field] = value
    return result


def select(trials: Sequence[TrialConfig], conditions: Sequence[str]) -> list[TrialConfig]:
    """The trials that meet every condition `path=value`, e.g. `model.width=64` or `model.name=lstm`.

    Raises InputError for other forms, and for fields that no trial has.
    """
    if not conditions:
        return list(trials)
    chosen = [(trial, dict(_fields(trial))) for trial in trials]
    known = {name for _, fields in chosen for name in fields}
    for condition in conditions:
        path, equals, text = condition.partition("=")
        if not equals:
            raise InputError(f"expected a condition such as model.width=64, got {condition!r}")
        if trials and path not in known:
            raise unknown("field", path, known)
        chosen = [(trial, fields) for trial, fields in chosen if path in fields and _is(fields[path], text)]
    return [trial for trial, _ in chosen]


def _fields(trial: TrialConfig) -> Iterator[tuple[str, Any]]:
    """Every field of a trial, and every section of fields, by its path."""

    def inside(section: dict[str, Any], above: str) -> Iterator[tuple[str, Any]]:
        for name, value in section.items():
            yield f"{above}{name}", value
            if isinstance(value, dict):
                yield from inside(value, f"{above}{name}.")

    return inside(trial.model_dump(mode="json"), "")


def _is(value: Any, text: str) -> bool:
    """Whether a value is that of a text, as JSON (1e-3, true, [1, 2]) or as it stands (lstm)."""
    try:
        return value == json.loads(text)
    except json.JSONDecodeError:
        return str(value) == text


def estimated_seconds(trials: Sequence[TrialConfig], probe_steps: int = 3) -> float:
    """Core seconds the trials take at most: a few steps of each distinct shape are timed on this machine."""
    per_step: dict[str, float] = {}
    total = 0.0
    for trial in trials:
        shape = trial.replace(seed=0, training=trial.training.replace(learning_rate=1e-3)).identity()
        if shape not in per_step:
            per_step[shape] = _seconds_per_step(trial, probe_steps)
        total += per_step[shape] * trial.training.steps
    return total


def _seconds_per_step(trial: TrialConfig, steps: int) -> float:
    trainer = Trainer(trial.replace(training=trial.training.replace(steps=steps + 1, warmup=0, validate_every=1)))
    trainer.train_to(1)  # the first step pays for set-up
    begun = time.perf_counter()
    trainer.train_to(1 + steps)
    return (time.perf_counter() - begun) / steps


def trial_labels(trials: Sequence[TrialConfig]) -> dict[str, str]:
    """Identity -> label, with the settings that tell apart trials which would have the same one."""
    alike: dict[str, dict[str, TrialConfig]] = defaultdict(dict)
    for trial in trials:
        alike[trial.label][trial.identity()] = trial
    labels: dict[str, str] = {}
    for label, group in alike.items():
        settings = {identity: dict(_fields(trial)) for identity, trial in group.items()} if len(group) > 1 else {}
        names = dict.fromkeys(name for each in settings.values() for name in each)
        varied = [name for name in names if len({str(each.get(name)) for each in settings.values()}) > 1]
        labels |= dict.fromkeys(group, label)
        for identity, each in settings.items():
            values = {name: each[name] for name in varied if name in each and not isinstance(each[name], dict)}
            told = [f"{name.rpartition('.')[2]}={value}" for name, value in values.items()]
            labels[identity] = " ".join([label, *told])
    return labels
