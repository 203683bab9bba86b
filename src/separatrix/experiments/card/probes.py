"""What a card asks of an architecture: a fixed battery of probes, in a fixed order, the same for everybody."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from separatrix.config import Config, parse_toml
from separatrix.errors import InputError
from separatrix.experiments.search.tuning import Tuning
from separatrix.experiments.trial.config import TrialConfig
from separatrix.models import measured_numbers, size_for_state

STANDARD = "probes.toml"

Ability = Literal["recall", "brackets", "equality", "state tracking"]


class Probe(Config):
    """One ability, put to the test at one or several lengths.

    >>> probe = sx.experiments.card.Probe(
    ...     id="parity", title="Parity", about="", ability="state tracking", task={"name": "parity"}, lengths=[8, 32]
    ... )
    >>> probe.lengths
    [8, 32]
    """

    id: str = Field(description="short name")
    title: str
    about: str = Field(description="what the answer shows, one sentence")
    ability: Ability
    task: dict[str, Any] = Field(description="the task's name and parameters, without its length")
    lengths: list[int] = Field(min_length=1, description="context lengths, the one that is tried first in front")
    training: dict[str, Any] = {}
    recalled: bool = Field(False, description="measure the bits recalled (index lookup only)")
    state_numbers: int | None = Field(
        None, ge=1, description="compare at equal state: take the least width whose state holds so many scalars"
    )


class Planned(Config):
    """A trial with its place in the battery."""

    probe: Probe
    length: int
    config: TrialConfig
    impossible: str = Field("", description="why this cannot be asked of the model, if so")

    @property
    def key(self) -> tuple[str, int]:
        """Probe and length."""
        return self.probe.id, self.length


class Battery(Config):
    """The probes of a card. A trial's settings never depend on the time given: less time means fewer trials.

    >>> conditions = {"title": "Parity", "about": "", "ability": "state tracking", "task": {"name": "parity"}}
    >>> probe = sx.experiments.card.Probe(id="parity", lengths=[8, 32], **conditions)
    >>> battery = sx.experiments.card.Battery(seeds=[0, 1, 2], training={"steps": 1000}, probes=[probe])
    >>> len(battery.trials({"name": "gru", "width": 8}))
    6
    """

    seeds: list[int] = Field(min_length=1)
    training: dict[str, Any] = {}
    tuning: Tuning | None = Field(None, description="choose the learning rate of every question on other seeds")
    probes: list[Probe] = Field(min_length=1)

    def trials(self, model: dict[str, Any]) -> list[Planned]:
        """All trials of a model in the order they are taken up: by seed, then by rank of the length, then by probe."""
        models: dict[str, tuple[dict[str, Any], str]] = {}
        for probe in self.probes:
            try:
                models[probe.id] = resized(model, probe), ""
            except InputError as error:
                if probe.state_numbers is None:
                    raise
                models[probe.id] = model, str(error)
        return [
            Planned(
                probe=probe,
                length=length,
                config=TrialConfig(
                    task={**probe.task, "length": length},
                    model=models[probe.id][0],
                    training={**self.training, **probe.training},
                    seed=seed,
                ),
                impossible=models[probe.id][1],
            )
            for seed in self.seeds
            for probe, length in self.questions()
        ]

    def questions(self) -> Iterator[tuple[Probe, int]]:
        """Every probe at its first length, then every probe that has one at its second, and so on."""
        for rank in range(max(len(probe.lengths) for probe in self.probes)):
            for probe in self.probes:
                if rank < len(probe.lengths):
                    yield probe, probe.lengths[rank]


def resized(model: dict[str, Any], probe: Probe) -> dict[str, Any]:
    """The model a probe is put to: as it is, or at the least width whose state reaches the probe's size.

    Widths are multiples of the number of heads. Where an architecture refuses some of them (odd heads, say), a size is
    looked for among multiples of twice or four times that, and then every smaller width that it accepts.
    Raises InputError when no width is possible.
    """
    if probe.state_numbers is None:
        return model
    asked = TrialConfig(task={**probe.task, "length": probe.lengths[0]}, model=model)
    heads = int(getattr(asked.model, "heads", None) or 1)
    options = {key: value for key, value in model.items() if key not in ("name", "width", "code")}
    refused = None
    for factor in (1, 2, 4):
        try:
            width = size_for_state(
                model["name"], asked.task, numbers=probe.state_numbers, multiple=factor * heads, **options
            )
        except (InputError, RuntimeError) as error:
            refused = refused or error
        else:
            return {
                **model,
                "width": width if factor == 1 else _smaller(asked, options, probe.state_numbers, heads, width),
            }
    raise InputError(f"{model['name']}: no width has a state of {probe.state_numbers} numbers ({refused})")


def _smaller(asked: TrialConfig, options: dict[str, Any], numbers: int, heads: int, width: int) -> int:
    """The least accepted multiple of `heads`, up to `width`, whose state holds so many numbers."""
    for smaller in range(heads, width, heads):
        try:
            if measured_numbers(asked.model.name, asked.task, width=smaller, **options) >= numbers:
                return smaller
        except (InputError, RuntimeError):
            continue
    return width


@cache
def standard() -> Battery:
    """The battery that comes with separatrix, and that the stored references were put to."""
    return parse(files(__package__).joinpath(STANDARD).read_text(encoding="utf-8"), STANDARD)


def load(path: str | Path) -> Battery:
    """A battery of one's own, from a TOML file (see `probes.toml` beside this module).

    Raises InputError for a wrong one.

    >>> import importlib.resources
    >>> from separatrix.experiments.card.probes import load
    >>> shipped = importlib.resources.files("separatrix.experiments.card") / "probes.toml"
    >>> [probe.id for probe in load(str(shipped)).probes][:2]
    ['multi-query-recall', 'recall']
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:  # none, or a name that no file can have, or no text
        raise InputError(f"cannot read {str(path)!r}: {getattr(error, 'strerror', None) or error}") from None
    return parse(text, str(path))


def parse(text: str, name: str) -> Battery:
    """A battery from TOML."""
    return Battery(**parse_toml(text, name))
