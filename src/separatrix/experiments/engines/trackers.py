"""Telling TensorBoard or Weights & Biases of trials as they end. The store stays the record; these are views of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from separatrix.errors import InputError, unknown
from separatrix.experiments.store.folder import Store
from separatrix.experiments.trial.config import TrialConfig
from separatrix.experiments.trial.result import Result

History = list[dict[str, Any]]
"""Rows of step, train_loss_bits, accuracy, loss_bits and learning_rate."""


@runtime_checkable
class Tracker(Protocol):
    """Is told of each trial that ends."""

    def ended(self, config: TrialConfig, result: Result, history: History) -> None:
        """Take a trial's curves and its result."""
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
        self._writer = SummaryWriter

    def ended(self, config: TrialConfig, result: Result, history: History) -> None:
        """Write the curves, the configuration and the final test."""
        with self._writer(f"{self.folder}/{config.label} {result.identity}") as writer:
            for row in history:
                for name, value in row.items():
                    if name != "step":
                        writer.add_scalar(name, value, row["step"])
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

    def ended(self, config: TrialConfig, result: Result, history: History) -> None:
        """Log the curves and put the result into the run's summary."""
        run = self._wandb.init(
            project=os.environ.get("WANDB_PROJECT", "separatrix"),
            id=result.identity,
            name=config.label,
            group=self.store.url,
            config=config.model_dump(mode="json"),
            dir=self.store.root if self.store.local else None,
        )
        for row in history:
            run.log({name: value for name, value in row.items() if name != "step"}, step=row["step"])
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


def tell(tracker: Tracker, store: Store, config: TrialConfig, result: Result) -> None:
    """Tell a tracker of a trial that has ended, with its history from the store."""
    history = store.history(result.identity)
    tracker.ended(config, result, [] if history is None else history.to_dicts())
