"""Whether a trial fits a machine, told from its configuration before any work.

What is counted is what every architecture needs at least, so that nothing is refused that would run: a trial that is
let through and still runs out of memory is a failure of the machine, and is not stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from separatrix.errors import InputError
from separatrix.experiments.trial.config import TrialConfig
from separatrix.experiments.trial.evaluation import CHUNK
from separatrix.machine import memory

DENSE = {"transformer", "elman", "gru", "lstm"}
"""Architectures whose every layer has a square matrix of its width at least."""

TOKENS_PER_SECOND = 1e9
"""More than any machine trains on."""

LONGEST_SECONDS = 365 * 86400.0


@dataclass(frozen=True)
class Size:
    """What decides a trial's least size."""

    length: int
    width: int
    layers: int
    batch_size: int
    contexts: int
    vocabulary: int
    dense: bool

    @classmethod
    def of(cls, config: TrialConfig) -> Size:
        """The size of a trial."""
        task, model, training = config.task, config.model, config.training
        contexts = max(training.batch_size, min(CHUNK, max(training.validation_contexts, training.test_contexts)))
        return cls(
            length=task.length,
            width=model.width,
            layers=model.layers,
            batch_size=training.batch_size,
            contexts=contexts,
            vocabulary=task.vocabulary if task.vector_size is None else task.vector_size,
            dense=model.name in DENSE,
        )

    @property
    def weights(self) -> int:
        """Bytes of weights, gradients and two moments of each, in 32 bits, at least."""
        return 16 * self.width * (self.vocabulary + self.layers * (self.width if self.dense else 1))

    @property
    def activations(self) -> int:
        """Bytes of the contexts and of what each layer keeps of them for the backward pass, at least."""
        kept = 4 * self.batch_size * self.length * self.width * self.layers
        return 8 * self.contexts * self.length + kept

    @property
    def bytes(self) -> int:
        """All of it."""
        return self.weights + self.activations


def check_size(config: TrialConfig, have: int | None = None) -> None:
    """InputError, one line with the size needed and what would fit, when a trial cannot fit.

    have: bytes of the machine (default: this one's)
    """
    have, size = have or memory(), Size.of(config)
    training = config.training
    seconds = training.steps * training.batch_size * size.length / TOKENS_PER_SECOND
    if size.bytes > have:
        raise InputError(
            f"{config.label} needs {amount(size.bytes)} of memory at least ({amount(size.weights)} for weights, "
            f"{amount(size.activations)} for activations), and this machine has {amount(have)}: {_advice(size, have)}"
        )
    if seconds > LONGEST_SECONDS and training.lengths == "full":
        fitting = int(LONGEST_SECONDS * TOKENS_PER_SECOND / (training.batch_size * size.length))
        raise InputError(
            f"{config.label} needs {seconds / LONGEST_SECONDS:,.0f} years at least ({training.steps} steps of "
            f"{training.batch_size} contexts): {fitting:,} steps would take less than one"
        )


def check_room(needed: int, what: str, largest: int) -> None:
    """InputError when something of so many bytes cannot fit; `largest` is what would, of what `what` counts."""
    have = memory()
    if needed > have:
        raise InputError(
            f"{what} need {amount(needed)} of memory, and this machine has {amount(have)}: {largest:,} would fit"
        )


def _advice(size: Size, have: int) -> str:
    """The field that can be made smaller with the least loss, and the largest value of it that would fit."""
    makers: dict[str, Callable[[int], Size]] = {
        "length": lambda value: replace(size, length=value, vocabulary=min(size.vocabulary, max(value, 2))),
        "width": lambda value: replace(size, width=value),
        "layers": lambda value: replace(size, layers=value),
        "batch_size": lambda value: replace(size, batch_size=value, contexts=min(size.contexts, max(value, 1))),
    }
    largest = {name: _largest(make, getattr(size, name), have) for name, make in makers.items()}
    possible = {name: value for name, value in largest.items() if value}
    if not possible:
        return "make it smaller in several ways, its length, width and depth"
    name = max(possible, key=lambda each: possible[each] / getattr(size, each))
    return f"--{name.replace('_', '-')} {possible[name]} would fit"


def _largest(make: Callable[[int], Size], most: int, have: int) -> int:
    """The largest value up to `most` whose size fits, 0 for none."""
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if make(middle).bytes <= have else (low, middle)
    return low


def amount(count: int | float) -> str:
    """Bytes as people say them."""
    for unit in ("bytes", "KB", "MB", "GB", "TB", "PB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.3g} EB"
