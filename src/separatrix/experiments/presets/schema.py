"""What a preset file says: panels and searches, with what is common to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from separatrix.config import Config, parse_toml
from separatrix.errors import InputError, unknown
from separatrix.experiments.presets.panel import FrontierPanel, Panel, Settings, spread, with_model, with_task, without
from separatrix.experiments.search.frontier import FrontierPlan
from separatrix.experiments.search.tuning import Tuning
from separatrix.experiments.trial.config import TrialConfig
from separatrix.experiments.trial.seal import read_as


class Preset(Config):
    """A named set of panels and searches.

    >>> preset = sx.experiments.presets.load("smoke")
    >>> len(preset.trials()) == len({trial.identity() for trial in preset.trials()})
    True
    """

    name: str
    about: str
    training: Settings = {}
    tuning: Tuning | None = Field(None, description="choose the learning rate of every model at every length")
    theorems: bool = Field(False, description="whether the theorems are run too, and stand on the page")
    frontiers: list[FrontierPanel] = []
    panels: list[Panel] = []

    @model_validator(mode="after")
    def _something(self) -> Preset:
        if not (self.panels or self.frontiers):
            raise ValueError("a preset needs [[panels]] or [[frontiers]], got none")
        return self

    def plans(self) -> list[FrontierPlan]:
        """The searches of all its frontiers."""
        return [frontier.plan(self.training, self.tuning) for frontier in self.frontiers]

    def tuning_of(self, panel: Panel) -> Tuning | None:
        """How a panel's learning rates are chosen; None where they are given."""
        return panel.tuning or self.tuning

    def tuned_panels(self) -> list[tuple[Tuning, list[TrialConfig]]]:
        """The trials whose learning rates are chosen, with how; their own rates mean nothing."""
        asked = [(self.tuning_of(panel), panel.trials(self.training)) for panel in self.panels]
        return [(tuning, trials) for tuning, trials in asked if tuning is not None]

    def trials(self) -> list[TrialConfig]:
        """All distinct trials of all panels, the longest first, then the widest, so that the cores end together.

        Where learning rates are chosen, `tuned_panels` says how; the rates of those trials stand for the one chosen.
        """
        trials = {trial.identity(): trial for panel in self.panels for trial in panel.trials(self.training)}
        return sorted(trials.values(), key=lambda trial: (-trial.task.length, -trial.model.width))

    def only(self, figure: str) -> Preset:
        """The panels of one figure, or one panel by its id. Raises InputError naming the nearest valid name."""
        parts = [(part.figure, part.id) for part in self.panels] + [(part.figure, part.id) for part in self.frontiers]
        names = sorted({name for part in parts for name in part})
        if figure not in names:
            raise unknown(f"figure (in preset {self.name})", figure, [*names, "all", "theorems"])
        return self.replace(
            panels=[panel for panel in self.panels if figure in (panel.figure, panel.id)],
            frontiers=[frontier for frontier in self.frontiers if figure in (frontier.figure, frontier.id)],
        )

    def changed(self, settings: Mapping[str, Any]) -> Preset:
        """A preset with some settings changed in all panels, whatever the file says of single models and lengths.

        settings: `lengths`, `seeds`, `training.FIELD`, `task.FIELD` or `model.FIELD` -> value
        Raises InputError for other names.
        """
        preset = self
        for name, value in settings.items():
            preset = preset._with(name, value)
        return preset

    def _with(self, name: str, value: Any) -> Preset:
        section, _, field = name.partition(".")
        if section in ("lengths", "seeds") and not field:
            wanted = value if isinstance(value, list) else [value]
            panels = [spread(panel, section, wanted) for panel in self.panels]
            everywhere: dict[str, Any] = {section: wanted} | ({"own_lengths": {}} if section == "lengths" else {})
            return self.replace(panels=panels, frontiers=[f.replace(**everywhere) for f in self.frontiers])
        if section not in ("training", "task", "model") or not field:
            raise InputError(
                f"no setting {name!r}: expected lengths, seeds, training.FIELD, task.FIELD or model.FIELD, "
                "such as training.steps=500"
            )
        if section == "task":
            panels = [with_task(panel, field, value) for panel in self.panels]
            frontiers = [each.replace(task={**each.task, field: value}) for each in self.frontiers]
        elif section == "model":
            panels = [with_model(panel, field, value) for panel in self.panels]
            own = {} if field == "width" else {field: value}  # the width is what a frontier searches
            frontiers = [each.replace(models=[{**m, **own} for m in each.models]) for each in self.frontiers]
        else:
            panels = [without(panel, field) for panel in self.panels]
            frontiers = [each.replace(training={**each.training, field: value}) for each in self.frontiers]
            return self.replace(training={**self.training, field: value}, panels=panels, frontiers=frontiers)
        return self.replace(panels=panels, frontiers=frontiers)


def names() -> list[str]:
    """The presets that come with separatrix.

    >>> "quick" in sx.experiments.presets.names()
    True
    """
    return sorted(
        path.name.removesuffix(".toml") for path in files(__package__).iterdir() if path.name.endswith(".toml")
    )


def load(name: str) -> Preset:
    """A preset by name, or from a TOML file by its path.

    Raises InputError for an unknown name, a wrong file, or a preset that contradicts itself.

    >>> sx.experiments.presets.load("quick").name
    'quick'
    """
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise InputError(f"no preset file at {name}")
        text, name = path.read_bytes(), path.stem
    elif name in names():
        text = files(__package__).joinpath(f"{name}.toml").read_bytes()
    else:
        raise unknown("preset", name, names())
    return checked(read_as(Preset, {"name": name} | parse_toml(text, f"preset {name}")))


def checked(preset: Preset) -> Preset:
    """The preset itself. Raises InputError when it contradicts itself: ids used twice, trials that cannot be."""
    ids = Counter([*(panel.id for panel in preset.panels), *(frontier.id for frontier in preset.frontiers)])
    repeated = [name for name, times in ids.items() if times > 1]
    if repeated:
        raise InputError(f"preset {preset.name} has two panels {repeated[0]!r}: give each an id of its own")
    for panel in preset.panels:
        panel.check(preset.training)
    for frontier in preset.frontiers:
        for cell in frontier.plan(preset.training, preset.tuning).cells():
            cell.trials(cell.grid()[0])
    return preset
