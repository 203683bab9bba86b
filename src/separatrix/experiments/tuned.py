"""One tuned model from a script: what `separatrix train --rates` does, as a function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from separatrix.experiments.engines.base import Engine
from separatrix.experiments.engines.process import one_thread
from separatrix.experiments.engines.run_trial import load_trained, run_trial
from separatrix.experiments.search.tuning import RATES, Choice, Tuning, choose_rates, tuned
from separatrix.experiments.store.folder import Store
from separatrix.experiments.trial.config import TrialConfig
from separatrix.experiments.trial.result import Result
from separatrix.models import SequenceModel
from separatrix.notebook import bits, facts
from separatrix.tasks import Problem


@dataclass(frozen=True)
class Trained:
    """What `train` found: one result a seed, all at the rate that was chosen on other seeds.

    >>> found = sx.experiments.train(
    ...     {"name": "parity", "length": 2}, {"name": "gru", "width": 8}, rates=[0.02], steps=300, validate_every=50
    ... )
    >>> len(found.results), found.choice.rate
    (1, 0.02)
    """

    results: list[Result]
    choice: Choice
    store: Store

    @property
    def result(self) -> Result:
        """The first seed's result."""
        return self.results[0]

    @property
    def accuracies(self) -> list[float]:
        """Test accuracy of every seed that was measured, in [0, 1]."""
        return [result.test.accuracy for result in self.results if result.test is not None]

    def model(self, index: int = 0) -> SequenceModel:
        """The trained model of one seed."""
        return load_trained(self.store, self.results[index].identity)

    def _repr_html_(self) -> str:
        shown = ", ".join(f"{accuracy:.1%}" for accuracy in self.accuracies)
        window = ", ".join(f"{rate:g}" for rate in self.choice.window)
        return facts(
            TrialConfig(**self.result.config).model_label,
            {
                "test accuracy (observed)": shown,
                "ended": ", ".join(str(result.ending or result.status) for result in self.results),
                "learning rate": f"{self.choice.rate:g} (within two points: {window})",
                "state, bits (measured)": f"{self.result.state_bits:,}",
                "an exact recurrent state needs (proved)": bits(self.result.recurrent_bits),
            },
        )


def train(
    task: Problem | dict[str, Any],
    model: SequenceModel | dict[str, Any] | str,
    rates: Sequence[float] = RATES,
    seeds: Sequence[int] = (0,),
    folder: str | Path = "runs/train",
    tuning: Tuning | None = None,
    engine: Engine | None = None,
    **training: Any,
) -> Trained:
    """Choose a learning rate on seeds that are never reported, then train the reported seeds at it.

    task:     as `sx.tasks.create` makes it, or its name and parameters
    model:    as `sx.models.create` makes it (its configuration is what counts: every seed draws its own weights), or a
              name and options such as {"name": "lstm", "width": 32}
    rates:    learning rates that compete; one alone is taken as it is
    folder:   where trials are kept; the same call again finds them there
    tuning:   in place of `rates`, all of how the rate is chosen
    engine:   what runs the trials; None for this process, one after the other
    training: fields of the training, such as steps=2000
    Raises InputError for what cannot be trained.

    >>> task = sx.tasks.create("parity", length=2)
    >>> found = sx.train(task, {"name": "gru", "width": 8}, rates=[0.02], steps=300, validate_every=50)
    >>> found.accuracies
    [1.0]
    """
    named = {"name": model} if isinstance(model, str) else model
    config = named.config if isinstance(named, SequenceModel) else named
    trials = [TrialConfig(task=task, model=config, training=training, seed=seed) for seed in seeds]
    how = tuning or Tuning(rates=list(rates), first=max(1, trials[0].training.steps // 16))
    store = Store(folder)

    def run(some: Sequence[TrialConfig], until: int | None) -> list[Result]:
        if engine is not None:
            return engine.run(store, some, until=until)
        with one_thread():
            return [run_trial(store, trial, until=until) for trial in some]

    (choice,) = choose_rates(store, trials[:1], how, run)
    return Trained(run([tuned(trial, choice) for trial in trials], None), choice, store)
