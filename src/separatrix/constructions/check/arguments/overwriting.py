"""Argument "overwriting memory": a DeltaNet whose keys are unit vectors holds the value each key was given last.

S' = S + beta k (v - S^T k)^T, where queries, keys and values are SiLUs of sums over two taps, queries and keys
normalised. Read from the weights, for all neighbouring tokens: a value writes (beta is 1 as the format rounds it) with
the unit vector of the key before it, a different one for every key, and its own code of 0 and one power of two; a key
writes nothing (beta is 0), nor does a query, which reads with its key's unit vector. Induction over the tokens: each
row of S is 0 or the code of the value that followed the row's key last. Differences of codes are held by the format,
all else is multiplied by 0 or 1: nothing is rounded before the row is read. What follows, a scale, a norm and two maps,
is computed for every value there is, and what rounding may do to it is bounded.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from separatrix.constructions.certificate import Certificate, CertificateError
from separatrix.constructions.check.arguments import readout
from separatrix.constructions.check.arguments.exactness import Exactness, vanishes
from separatrix.constructions.check.arguments.readout import FINITE, MIXER, accurate, power_of_two, silu, units
from separatrix.constructions.check.kernel.claims import Proved
from separatrix.models import SequenceModel
from separatrix.numerics import Format, parse
from separatrix.tasks.associative_recall import AssociativeRecall

ARGUMENT = "overwriting memory"


def claim(task: AssociativeRecall) -> str:
    """What the argument proves, as a sentence."""
    return (
        f"after any number of pairs of {task.keys} keys and {task.values} values, keys repeated or not, every key, "
        "present or absent, is answered with the value that followed it last"
    )


def allowed(certificate: Certificate) -> Collection[str]:
    """Of recurrent networks the argument itself bounds all sums."""
    return ()


def verify(model: SequenceModel, certificate: Certificate) -> Proved:
    """What holds of all inputs. CertificateError for what the weights do not bear out."""
    task = model.task
    if not isinstance(task, AssociativeRecall) or task.value_offset != task.keys:
        raise CertificateError(f"{ARGUMENT} is about associative-recall with values apart from keys, got {task.name}")
    memory = Memory(model, parse(certificate.number_format))
    memory.check_writes()
    memory.check_reads()
    return Proved(
        claim=claim(task),
        scope="all lengths",
        margin=memory.margin(),
        equal={"width": model.config.width, "key_width": memory.keys, "gate": memory.gate},
    )


@dataclass
class Memory:
    """One head of two taps, read from its weights in float64.

    before, here: [vocabulary, 2 K + D] what a token adds to queries, keys and values of the next token, and of its own
    """

    model: SequenceModel
    given: Format

    def __post_init__(self) -> None:
        self.format = accurate(self.given)
        told, task = self.model.config.model_dump(), self.model.task
        wanted = {"name": "deltanet", "layers": 1, "heads": 1, "taps": 2}
        if wrong := [f"{key}={told.get(key)}" for key, value in wanted.items() if told.get(key) != value]:
            raise CertificateError(f"{ARGUMENT} is about one head of two taps, got {', '.join(wrong)}")
        self.task: AssociativeRecall = task  # type: ignore[assignment]
        self.weights = {name: value.detach().double().numpy() for name, value in self.model.state_dict().items()}
        self.keys = told["key_width"] or told["width"]
        self.exact = Exactness(self.format)
        tokens, taps = self.weights["embed.weight"], self.weights[f"{MIXER}.conv.weight"][:, 0]  # [V, D], [I, 2]
        enter, zero = self.weights[f"{MIXER}.enter.weight"], np.zeros(len(taps))
        entering = self.exact.linear(tokens, enter, zero, "what enters the convolution")
        self.before, self.here = entering * taps[:, 0], entering * taps[:, 1]
        strength = self.weights[f"{MIXER}.strength.weight"]
        self.strength = self.exact.linear(tokens, strength, np.zeros(1), "the strengths of writing")[:, 0]
        largest = max(float(np.abs(each).max()) for each in (entering, self.before, self.here))
        if not largest <= FINITE:
            raise CertificateError(f"what enters the memory goes up to {largest:g}: expected {FINITE:g} at most")
        self.gate = float(np.abs(self.strength).min())
        if not vanishes(self.format, self.gate):
            raise CertificateError(f"strengths of {self.gate:g} leave gates between 0 and 1 in {self.format}")

    def _parts(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Queries, keys and values."""
        return rows[:, : self.keys], rows[:, self.keys : 2 * self.keys], rows[:, 2 * self.keys :]

    def check_writes(self) -> None:
        """CertificateError unless values, and nothing else, write: their codes, at the unit vectors of keys."""
        keys, values = slice(self.task.keys), slice(self.task.keys, self.task.alphabet_size)
        writes = self.strength > 0
        if not writes[values].all() or writes[keys].any() or writes[self.task.alphabet_size :].any():
            raise CertificateError("values must write, keys and queries must not")
        _, at, before_value = self._parts(self.before[keys])
        _, own_key, _ = self._parts(self.here[values])
        if own_key.any() or before_value.any():
            raise CertificateError("a value must write at the key before it alone, and itself alone")
        self.at = silu(self.format, at)
        if not units(self.at) or not power_of_two(self.at.max()):
            raise CertificateError("keys must be different unit vectors times one power of two")
        if not np.isin(self.codes, (0, size := self.codes.max())).all() or not power_of_two(size):
            raise CertificateError("values must be vectors of 0 and one power of two")

    def check_reads(self) -> None:
        """CertificateError unless each query reads the row of its key."""
        first = self.task.query_offset + self.task.query_values[0]
        asked, *_ = self._parts(self.here[first : first + self.task.query_count])
        left, *_ = self._parts(self.before[self.task.keys : self.task.alphabet_size])
        if left.any() or asked.shape != self.at.shape or (silu(self.format, asked) != self.at).any():
            raise CertificateError("a query must read where its key was written, whatever value stands before it")

    @property
    def codes(self) -> np.ndarray:
        """[values, D] what values write."""
        return silu(self.format, self._parts(self.here[self.task.keys : self.task.alphabet_size])[2])

    def margin(self) -> float:
        """The least difference of logits over all values, and absence."""
        rows = np.concatenate([self.codes, np.zeros((1, self.codes.shape[1]))])
        return readout.margin(self.weights, self.format, rows, self.keys)
