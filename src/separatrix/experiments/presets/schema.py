"""What a preset file says: panels, each a grid of trials drawn as one figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from separatrix.config import Config, parse_toml
from separatrix.errors import InputError, unknown
from separatrix.experiments.search.frontier import WIDTHS, FrontierPlan
from separatrix.experiments.search.tuning import Tuning
from separatrix.experiments.trial.config import TrialConfig
from separatrix.experiments.trial.seal import read_as

OWN = ("lengths", "seeds", "training", "training_at")
"""What a model of a panel may override."""

Settings = dict[str, Any]


class Panel(Config):
    """One figure: every model at every length with every seed, on one task.

    >>> panel = sx.experiments.presets.load("quick").panels[0]
    >>> len(panel.trials({})) == len(panel.models) * len(panel.lengths) * len(panel.seeds)
    True
    """

    id: str = Field(description="short name, used in file names")
    figure: str = Field(description="the figure of the paper it belongs to, e.g. figure2")
    title: str
    about: str = Field("", description="what to see in it, one or two sentences")
    draw: Literal["heatmap", "curves"] = Field(description="accuracy by model and length, or accuracy over training")
    task: Settings = Field(description="the task's name and parameters, without its length")
    lengths: list[int] = Field(min_length=1)
    models: list[Settings] = Field(min_length=1)
    seeds: list[int] = Field(min_length=1)
    training: Settings = {}
    training_at: dict[int, Settings] = Field({}, description="training settings of one length, over those of all")
    tuning: Tuning | None = Field(None, description="choose learning rates, in place of the preset's way to")
    recall: list[int] = Field([], description="lengths at which bits recalled and rate–accuracy curves are measured")

    def trials(self, training: Settings) -> list[TrialConfig]:
        """The panel's trials. Its training settings override the preset's, those of a length override both.

        A model may have `lengths`, `seeds`, `training` and `training_at` of its own, which override the panel's.
        Raises InputError, naming the panel, for settings that contradict one another.
        """
        return [
            self._trial(model, length, seed, training)
            for model in self.models
            for length, seed in product(model.get("lengths", self.lengths), model.get("seeds", self.seeds))
        ]

    def _trial(self, model: Settings, length: int, seed: int, training: Settings) -> TrialConfig:
        own = {int(at): settings for at, settings in model.get("training_at", {}).items()}
        layers = (training, self.training, self.training_at.get(length), model.get("training"), own.get(length))
        try:
            return TrialConfig(
                task={**self.task, "length": length},
                model={key: value for key, value in model.items() if key not in OWN},
                training={key: value for layer in layers for key, value in (layer or {}).items()},
                seed=seed,
            )
        except InputError as error:
            raise InputError(f"panel {self.id}, {model.get('name')} at length {length}: {error}") from None

    def check(self, training: Settings) -> None:
        """Raises InputError for what no panel can mean: settings of a length it lacks, the same trial twice."""
        self._check_lengths("", self.training_at, self.lengths)
        for model in self.models:
            own = model.get("lengths", self.lengths)
            self._check_lengths(f" of {model.get('name')}", model.get("training_at", {}), own)
        for length in self.recall:
            if length not in self.lengths:
                raise InputError(f"panel {self.id}: recall names length {length}, which is not in {self.lengths}")
        seen: set[str] = set()
        for trial in self.trials(training):
            if (identity := trial.identity()) in seen:
                raise InputError(f"panel {self.id} asks twice for {trial.label}: name each model and seed once")
            seen.add(identity)

    def _check_lengths(self, of: str, settings: Mapping[Any, Any], lengths: Sequence[int]) -> None:
        for length in settings:
            if int(length) not in lengths:
                raise InputError(f"panel {self.id}: training_at{of} names length {length}, which is not in {lengths}")


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
            panels = [_spread(panel, section, wanted) for panel in self.panels]
            everywhere: dict[str, Any] = {section: wanted} | ({"own_lengths": {}} if section == "lengths" else {})
            return self.replace(panels=panels, frontiers=[f.replace(**everywhere) for f in self.frontiers])
        if section not in ("training", "task", "model") or not field:
            raise InputError(
                f"no setting {name!r}: expected lengths, seeds, training.FIELD, task.FIELD or model.FIELD, "
                "such as training.steps=500"
            )
        if section == "task":
            panels = [panel.replace(task={**panel.task, field: value}) for panel in self.panels]
            frontiers = [each.replace(task={**each.task, field: value}) for each in self.frontiers]
        elif section == "model":
            panels = [
                panel.replace(models=[{**model, field: value} for model in panel.models]) for panel in self.panels
            ]
            own = {} if field == "width" else {field: value}  # the width is what a frontier searches
            frontiers = [each.replace(models=[{**m, **own} for m in each.models]) for each in self.frontiers]
        else:
            panels = [_without(panel, field) for panel in self.panels]
            frontiers = [each.replace(training={**each.training, field: value}) for each in self.frontiers]
            return self.replace(training={**self.training, field: value}, panels=panels, frontiers=frontiers)
        return self.replace(panels=panels, frontiers=frontiers)


def _spread(panel: Panel, field: str, values: Sequence[int]) -> Panel:
    """The panel with other lengths or seeds, for all its models."""
    models = [{key: value for key, value in model.items() if key != field} for model in panel.models]
    return panel.replace(models=models, **{field: list(values)})


def _without(panel: Panel, field: str) -> Panel:
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
