"""The parts of a preset: panels, each a grid of trials drawn as one figure, and searches for the smallest model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, Literal

from pydantic import Field

from separatrix.config import Config
from separatrix.errors import InputError
from separatrix.experiments.search.frontier import WIDTHS, FrontierPlan
from separatrix.experiments.search.tuning import Tuning
from separatrix.experiments.trial.config import TrialConfig

OWN = ("lengths", "widths", "seeds", "training", "training_at")
"""What a model of a panel may override."""

Settings = dict[str, Any]


class Panel(Config):
    """One figure: every model of every width at every length with every seed, on one task.

    >>> panel = sx.experiments.presets.load("quick").panels[0]
    >>> len(panel.trials({})) == len(panel.models) * len(panel.lengths) * len(panel.seeds)
    True
    """

    id: str = Field(description="short name, used in file names")
    figure: str = Field(description="the figure of the paper it belongs to, e.g. figure2")
    title: str
    about: str = Field("", description="what to see in it, one or two sentences")
    draw: Literal["heatmap", "curves", "state"] = Field(
        description="accuracy by model and length, over training, or against the size of the state"
    )
    task: Settings = Field(description="the task's name and parameters, without its length")
    task_at: dict[int, Settings] = Field({}, description="parameters of the task at one length, over those at all")
    lengths: list[int] = Field(min_length=1)
    models: list[Settings] = Field(min_length=1)
    widths: list[int] = Field([], description="of every model; none: each model says its own")
    seeds: list[int] = Field(min_length=1)
    training: Settings = {}
    training_at: dict[int, Settings] = Field({}, description="training settings of one length, over those of all")
    tuning: Tuning | None = Field(None, description="choose learning rates, in place of the preset's way to")
    recall: list[int] = Field([], description="lengths at which bits recalled and rate–accuracy curves are measured")

    def trials(self, training: Settings) -> list[TrialConfig]:
        """The panel's trials. Its training settings override the preset's, those of a length override both.

        A model may have `lengths`, `widths`, `seeds`, `training` and `training_at` of its own, which override the
        panel's. Raises InputError, naming the panel, for settings that contradict one another.
        """
        return [
            self._trial(sized, length, seed, training)
            for model in self.models
            for sized in self._sized(model)
            for length, seed in product(model.get("lengths", self.lengths), model.get("seeds", self.seeds))
        ]

    def _sized(self, model: Settings) -> list[Settings]:
        """The model at every width asked for; itself where it says its width."""
        widths = model.get("widths", [] if "width" in model else self.widths)
        return [{**model, "width": width} for width in widths] or [model]

    def _trial(self, model: Settings, length: int, seed: int, training: Settings) -> TrialConfig:
        own = {int(at): settings for at, settings in model.get("training_at", {}).items()}
        layers = (training, self.training, self.training_at.get(length), model.get("training"), own.get(length))
        try:
            return TrialConfig(
                task={**self.task, **self.task_at.get(length, {}), "length": length},
                model={key: value for key, value in model.items() if key not in OWN},
                training={key: value for layer in layers for key, value in (layer or {}).items()},
                seed=seed,
            )
        except InputError as error:
            raise InputError(f"panel {self.id}, {model.get('name')} at length {length}: {error}") from None

    def check(self, training: Settings) -> None:
        """Raises InputError for what no panel can mean: settings of a length it lacks, the same trial twice."""
        for part in ("training_at", "task_at"):
            self._check_lengths(part, getattr(self, part), self.lengths)
        for model in self.models:
            own = model.get("lengths", self.lengths)
            self._check_lengths(f"training_at of {model.get('name')}", model.get("training_at", {}), own)
        for length in self.recall:
            if length not in self.lengths:
                raise InputError(f"panel {self.id}: recall names length {length}, which is not in {self.lengths}")
        seen: set[str] = set()
        for trial in self.trials(training):
            if (identity := trial.identity()) in seen:
                raise InputError(f"panel {self.id} asks twice for {trial.label}: name each model and seed once")
            seen.add(identity)

    def _check_lengths(self, part: str, settings: Mapping[Any, Any], lengths: Sequence[int]) -> None:
        for length in settings:
            if int(length) not in lengths:
                raise InputError(f"panel {self.id}: {part} names length {length}, which is not in {lengths}")


class FrontierPanel(Config):
    """A search for the smallest model that training finds, with its place on the page.

    >>> [each.id for each in sx.experiments.presets.load("quick").frontiers]
    ['lookup-frontier', 'lookup-frontier-families']
    """

    id: str = Field(description="short name, used in file names")
    figure: str = Field("frontier", description="the figure it belongs to")
    title: str
    about: str = ""
    task: Settings
    models: list[Settings] = Field(min_length=1, description="models without their width")
    lengths: list[int] = Field(min_length=1)
    own_lengths: dict[str, list[int]] = Field({}, description="lengths of single models, in place of those of all")
    widths: list[int] = list(WIDTHS)
    seeds: list[int] = [0, 1, 2]
    needed: int = 2
    target: float = 0.99
    training: Settings = {}
    tuning: Tuning | None = Field(None, description="in place of the preset's")
    wall: list[int] = Field([], description="lengths at which all trained widths are set beside the memory wall")

    def plan(self, training: Settings, tuning: Tuning | None) -> FrontierPlan:
        """The search, with the preset's training settings and tuning under its own."""
        asked = {name: getattr(self, name) for name in FrontierPlan.model_fields if name not in ("training", "tuning")}
        return FrontierPlan(**asked, training={**training, **self.training}, tuning=self.tuning or tuning)


def spread(panel: Panel, field: str, values: Sequence[int]) -> Panel:
    """The panel with other lengths or seeds, for all its models."""
    models = [{key: value for key, value in model.items() if key != field} for model in panel.models]
    return panel.replace(models=models, **{field: list(values)})


def with_task(panel: Panel, field: str, value: Any) -> Panel:
    """The panel with one parameter of its task, at every length."""
    at = {length: {key: said for key, said in own.items() if key != field} for length, own in panel.task_at.items()}
    return panel.replace(task={**panel.task, field: value}, task_at=at)


def with_model(panel: Panel, field: str, value: Any) -> Panel:
    """The panel with one option of all its models; a width stands for all the widths they had."""
    dropped = "widths" if field == "width" else ""
    kept = [{key: said for key, said in model.items() if key != dropped} for model in panel.models]
    return panel.replace(models=[{**model, field: value} for model in kept])


def without(panel: Panel, field: str) -> Panel:
    """The panel with nothing of its own to say about one field of the training."""

    def cleaned(settings: Settings) -> Settings:
        kept = {key: value for key, value in settings.items() if key not in ("training", "training_at")}
        kept["training"] = {key: value for key, value in settings.get("training", {}).items() if key != field}
        kept["training_at"] = {
            at: {key: value for key, value in own.items() if key != field}
            for at, own in settings.get("training_at", {}).items()
        }
        return {key: value for key, value in kept.items() if value or key not in ("training", "training_at")}

    own = cleaned({"training": panel.training, "training_at": panel.training_at})
    models = [cleaned(model) for model in panel.models]
    return panel.replace(training=own.get("training", {}), training_at=own.get("training_at", {}), models=models)
