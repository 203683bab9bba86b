"""Telling TensorBoard or Weights & Biases of trials while they train and as they end.

The store stays the record; these are views of it. A trial is told of by whoever runs the engine, from what the trial
says in its store: workers need no tracker.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from separatrix.errors import InputError, unknown
from separatrix.experiments.store.folder import Store
from separatrix.experiments.trial.config import TrialConfig
from separatrix.experiments.trial.result import Result

History = list[dict[str, Any]]
"""Rows of step, train_loss_bits, accuracy, loss_bits and learning_rate."""


@runtime_checkable
class Tracker(Protocol):
    """Is told of each trial's validations, in order and each once, and of its end."""

    def validated(self, config: TrialConfig, rows: History) -> None:
        """Take rows of a curve that goes on."""
        ...

    def ended(self, config: TrialConfig, result: Result, history: History) -> None:
        """Take the rest of a trial's curve and its result."""
        ...


class TensorBoard:
    """One folder of events a trial, in `tensorboard/` of a local store: `tensorboard --logdir runs/x/tensorboard`.

    Raises InputError when TensorBoard is not installed, or the store is not a local folder.
    """

    def __init__(self, store: Store) -> None:
        if not store.local:
            raise InputError(f"TensorBoard writes to local folders, and {store.url} is none: track with wandb instead")
        self.folder = f"{store.root}/tensorboard"
        try:
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415
        except ImportError:
            raise InputError("tracking needs TensorBoard: pip install 'separatrix[tensorboard]'") from None
        self._open = lambda config: SummaryWriter(f"{self.folder}/{config.label} {config.identity()}")
        self._writers: dict[str, Any] = {}

    def validated(self, config: TrialConfig, rows: History) -> None:
        """Write rows of the curves, and flush them, so that a browser sees them."""
        if (identity := config.identity()) not in self._writers:
            self._writers[identity] = self._open(config)
        for row in rows:
            for name, value in row.items():
                if name != "step":
                    self._writers[identity].add_scalar(name, value, row["step"])
        self._writers[identity].flush()

    def ended(self, config: TrialConfig, result: Result, history: History) -> None:
        """Write the rest of the curves, the configuration and the final test."""
        self.validated(config, history)
        with self._writers.pop(config.identity()) as writer:
            writer.add_text("configuration", f"```json\n{config.model_dump_json(indent=1)}\n```")
            writer.add_text("status", result.status if result.error is None else f"{result.status}: {result.error}")
            if result.test is not None:
                writer.add_scalar("test/accuracy", result.test.accuracy, result.steps)
                writer.add_scalar("test/loss_bits", result.test.loss_bits, result.steps)


class WeightsAndBiases:
    """One run a trial in the project `separatrix`, or what WANDB_PROJECT names; WANDB_MODE=offline keeps it here.

    Raises InputError when Weights & Biases is not installed.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        try:
            import wandb  # noqa: PLC0415
        except ImportError:
            raise InputError("tracking needs Weights & Biases: pip install 'separatrix[wandb]'") from None
        self._wandb = wandb
        self._runs: dict[str, Any] = {}

    def validated(self, config: TrialConfig, rows: History) -> None:
        """Log rows of the curves. Runs of several trials are open at a time."""
        if (identity := config.identity()) not in self._runs:
            self._runs[identity] = self._wandb.init(
                project=os.environ.get("WANDB_PROJECT", "separatrix"),
                id=identity,
                name=config.label,
                group=self.store.url,
                config=config.model_dump(mode="json"),
                dir=self.store.root if self.store.local else None,
                reinit="create_new",
            )
        for row in rows:
            self._runs[identity].log({name: value for name, value in row.items() if name != "step"}, step=row["step"])

    def ended(self, config: TrialConfig, result: Result, history: History) -> None:
        """Log the rest of the curves and put the result into the run's summary."""
        self.validated(config, history)
        run = self._runs.pop(config.identity())
        run.summary.update(result.model_dump(mode="json", exclude={"config", "environment"}))
        run.finish(exit_code=int(result.status == "failed"))


_TRACKERS: dict[str, Callable[[Store], Tracker]] = {"tensorboard": TensorBoard, "wandb": WeightsAndBiases}


def create(name: str, store: Store) -> Tracker:
    """A tracker by name: `tensorboard` or `wandb` (extras of these names).

    Raises InputError for an unknown name, or when what it needs is not installed.
    """
    check_name(name)
    return _TRACKERS[name](store)


def check_name(name: str) -> None:
    """InputError for an unknown tracker."""
    if name not in _TRACKERS:
        raise unknown("tracker", name, _TRACKERS)


class Live:
    """Tells a tracker of the validations of running trials as it finds them in the store, and of each trial that ends.

    A row is told once. Of a trial that says more than `RECENT` validations between two looks the tracker misses
    some until the end, where TensorBoard gets them; Weights & Biases takes no steps that lie back.
    """

    def __init__(self, tracker: Tracker, store: Store) -> None:
        self.tracker, self.store = tracker, store
        self._told: dict[str, set[int]] = {}

    def look(self, running: Sequence[TrialConfig]) -> None:
        """Tell of what running trials have said since the last look."""
        words = self.store.progress_of([config.identity() for config in running])
        for config in running:
            if said := words.get(config.identity()):
                self._tell(config, said.get("recent") or [])

    def _tell(self, config: TrialConfig, rows: History) -> None:
        if new := self._new(config, rows):
            self.tracker.validated(config, new)

    def _new(self, config: TrialConfig, rows: History) -> History:
        told = self._told.setdefault(config.identity(), set())
        new = [row for row in rows if row["step"] not in told]
        told.update(row["step"] for row in new)
        return new

    def ended(self, config: TrialConfig, result: Result) -> None:
        """Tell of a trial that has ended, with what of its history was not told yet."""
        history = self.store.history(result.identity)
        self.tracker.ended(config, result, self._new(config, [] if history is None else history.to_dicts()))
