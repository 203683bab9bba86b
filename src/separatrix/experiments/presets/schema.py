"""What a preset file says: panels, each a grid of trials drawn as one figure."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from separatrix.config import Config
from separatrix.errors import InputError, unknown
from separatrix.experiments.config import TrialConfig

OWN = ("lengths", "seeds", "training")
"""What a model of a panel may override."""


class Panel(Config):
    """One figure: every model at every length with every seed, on one task."""

    id: str = Field(description="short name, used in file names")
    figure: str = Field(description="the figure of the paper it belongs to, e.g. figure2")
    title: str
    about: str = Field("", description="what to see in it, one or two sentences")
    draw: Literal["heatmap", "curves"] = Field(description="accuracy by model and length, or accuracy over training")
    task: dict[str, Any] = Field(description="the task's name and parameters, without its length")
    lengths: list[int] = Field(min_length=1)
    models: list[dict[str, Any]] = Field(min_length=1)
    seeds: list[int] = Field(min_length=1)
    training: dict[str, Any] = {}

    def trials(self, training: dict[str, Any]) -> list[TrialConfig]:
        """The panel's trials. Its training settings override the preset's.

        A model may have `lengths`, `seeds` and `training` of its own, which override the panel's.
        """
        return [
            TrialConfig(
                task={**self.task, "length": length},
                model={key: value for key, value in model.items() if key not in OWN},
                training={**training, **self.training, **model.get("training", {})},
                seed=seed,
            )
            for model in self.models
            for length, seed in product(model.get("lengths", self.lengths), model.get("seeds", self.seeds))
        ]


class Preset(Config):
    """A named set of panels."""

    name: str
    about: str
    training: dict[str, Any] = {}
    panels: list[Panel] = Field(min_length=1)

    def trials(self) -> list[TrialConfig]:
        """All trials of all panels, the longest lengths first so that the cores end together."""
        trials = [trial for panel in self.panels for trial in panel.trials(self.training)]
        return sorted(trials, key=lambda trial: -trial.task.length)

    def only(self, figure: str) -> Preset:
        """The panels of one figure. Raises InputError naming the nearest valid figure."""
        figures = sorted({panel.figure for panel in self.panels})
        if figure not in figures:
            raise unknown(f"figure (in preset {self.name})", figure, [*figures, "all"])
        return self.replace(panels=[panel for panel in self.panels if panel.figure == figure])


def names() -> list[str]:
    """The presets that come with separatrix."""
    return sorted(
        path.name.removesuffix(".toml") for path in files(__package__).iterdir() if path.name.endswith(".toml")
    )


def load(name: str) -> Preset:
    """A preset by name, or from a TOML file by its path. Raises InputError for an unknown name or a wrong file."""
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise InputError(f"no preset file at {name}")
        text, name = path.read_text(), path.stem
    elif name in names():
        text = files(__package__).joinpath(f"{name}.toml").read_text()
    else:
        raise unknown("preset", name, names())
    try:
        return Preset(name=name, **tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"preset {name} is not valid TOML: {error}") from None
