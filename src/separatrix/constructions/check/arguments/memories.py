"""Memories whose steps are exact, as machines; DeltaNet and DeltaProduct that reflect, from their weights.

A state is the memory itself, and every state that is reached gets a number: its binary digits are the bits of which the
product of automata hears. One head, no tokens but the present one (a convolution of one tap). Sums into gates are so
far from 0 that they are 0 or 1, or twice that, as the format rounds them; SiLUs are 0 or what they are given; keys are
vectors of 0 and one power of two, 1 or 4 or 16 of them, so that their lengths are powers of two. All products and sums
that follow must be exact, in any order; what a norm and a head make of what is read is bounded (`readout`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator

import numpy as np

from separatrix.constructions.certificate import CertificateError
from separatrix.constructions.check.arguments import readout
from separatrix.constructions.check.arguments.exactness import Exactness, vanishes
from separatrix.constructions.check.arguments.readout import FINITE, MIXER, accurate, silu
from separatrix.models import SequenceModel
from separatrix.numerics import Format, parse

DIGITS = 20
"""Binary digits of the number of a state."""


class MemoryNetwork(ABC):
    """A memory as a machine. CertificateError for architectures, and, when met, for results, that are not exact.

    slack: by how much a logit met so far may be off; largest: number met so far in the memory
    """

    exact, units = True, DIGITS

    def __init__(self, model: SequenceModel, number_format: str | Format, **wanted: object) -> None:
        self.model, self.format, self.told = model, accurate(parse(number_format)), model.config.model_dump()
        wanted = {"norm": "none", "mlp": 0, "positions": "none", **wanted}
        if wrong := [f"{key}={self.told.get(key)}" for key, value in wanted.items() if self.told.get(key) != value]:
            raise CertificateError(f"the argument is about plain memories, got {', '.join(wrong)}")
        self.weights = {name: value.detach().double().numpy() for name, value in model.state_dict().items()}
        self.arithmetic, self.slack, self.largest = Exactness(self.format), 0.0, 0.0
        empty = self.empty()
        self.states, self.numbers = [empty], {empty.tobytes(): 0}
        self.known: dict[tuple[int, int], int] = {}

    @property
    def sizes(self) -> dict[str, float | int | str]:
        """What the certificate says of the state."""
        return {"state_numbers": self.states[0].size}

    @abstractmethod
    def empty(self) -> np.ndarray:
        """The memory before the first token."""

    @abstractmethod
    def after(self, state: np.ndarray, token: int) -> np.ndarray:
        """The memory after one more token."""

    @abstractmethod
    def read(self, state: np.ndarray, token: int) -> np.ndarray:
        """[answers] logits at this token, read in this state; adds to `slack`."""

    def steps(self, vectors: np.ndarray, tokens: Iterable[int]) -> Iterator[np.ndarray]:
        """States [B, digits] after one more token, for each of several tokens of the vocabulary."""
        before = self._numbers(vectors)
        for token in tokens:
            yield self._digits([self._step(number, token) for number in before])

    def logits(self, vectors: np.ndarray, query: int) -> np.ndarray:
        """Logits [B, answers] of the answers to a query."""
        token = query + self.model.query_offset
        return np.stack([self.read(self.states[number], token) for number in self._numbers(vectors)])

    def _step(self, number: int, token: int) -> int:
        if (number, token) not in self.known:
            state = self.after(self.states[number], token) + 0.0  # no -0
            self.largest = max(self.largest, float(np.abs(state).max()))
            if not self.largest <= FINITE:
                raise CertificateError(f"the memory holds up to {self.largest:g}: expected {FINITE:g} at most")
            found = self.numbers.setdefault(state.tobytes(), len(self.states))
            if found == len(self.states):
                self.states.append(state)
            if found >> DIGITS:
                raise CertificateError(f"the memory reaches more than {2**DIGITS:,} states")
            self.known[number, token] = found
        return self.known[number, token]

    def _numbers(self, vectors: np.ndarray) -> list[int]:
        return [int(number) for number in vectors @ 2.0 ** np.arange(DIGITS)]

    def _digits(self, numbers: list[int]) -> np.ndarray:
        return (np.array(numbers)[:, None] >> np.arange(DIGITS) & 1).astype(float)

    def linear(self, x: np.ndarray, weight: np.ndarray, what: str, bias: np.ndarray | None = None) -> np.ndarray:
        """W x + b of one vector, of which CertificateError unless no sum rounds."""
        zero = np.zeros(len(weight)) if bias is None else bias
        return self.arithmetic.linear(x[None], weight, zero, what)[0]

    def sure(self, gates: np.ndarray, what: str) -> np.ndarray:
        """Gates' logits, each so far from 0 that an exponential vanishes."""
        least = float(np.abs(gates).min())
        if not vanishes(self.format, least):
            raise CertificateError(f"{what} of {least:g} are neither shut nor open in {self.format}")
        return gates


class DeltaNetwork(MemoryNetwork):
    """S' = S + beta k (v - S^T k)^T, once a token or several times; read by q, normalised."""

    def __init__(self, model: SequenceModel, number_format: str | Format) -> None:
        super().__init__(model, number_format, heads=1, layers=1, residual=False, taps=1)

    def empty(self) -> np.ndarray:
        self.keys, self.width = self.told["key_width"] or self.told["width"], self.told["width"]
        self.count = self.told.get("reflections", 1)
        return np.zeros((self.keys, self.width))

    def _mixed(self, token: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The query [K], keys [n, K] and values [n, D] of a token."""
        x, taps = self.weights["embed.weight"][token], self.weights[f"{MIXER}.conv.weight"][:, 0, 0]
        if not np.isin(taps, (0, 1)).all():
            raise CertificateError("a tap must pass on what enters it")
        mixed = silu(self.format, self.linear(x, self.weights[f"{MIXER}.enter.weight"], "what enters") * taps)
        q, k, v = np.split(mixed, [self.keys, (1 + self.count) * self.keys])
        rows = np.concatenate([q[None], k.reshape(self.count, -1)])
        units = np.stack([self._unit(row) for row in rows])
        return units[0], units[1:], v.reshape(self.count, -1)

    def _unit(self, row: np.ndarray) -> np.ndarray:
        """A key over its length, which must be a power of two."""
        used = row[row != 0]
        if not len(used):
            return row
        root = float(np.sqrt(len(used)))
        if (used != used[0]).any() or np.frexp(used[0])[0] != 0.5 or np.frexp(root)[0] != 0.5 or used[0] < 1:
            raise CertificateError("keys must be vectors of 0 and one power of two, 1, 4, 16 … of them")
        return row / (used[0] * root)

    def after(self, state: np.ndarray, token: int) -> np.ndarray:
        _, keys, values = self._mixed(token)
        x, name = self.weights["embed.weight"][token], f"{MIXER}.strength.weight"
        gates = self.sure(self.linear(x, self.weights[name], "strengths of writing"), "strengths of writing")
        most = 2.0 if self.told["negative_eigenvalues"] else 1.0
        for key, value, gate in zip(keys, values, gates, strict=True):
            if gate > 0:
                held = self.linear(key, state.T, "what a key held")
                new = self.arithmetic.add(value[None], -held[None], what="what is new")[0]
                self.largest = max(self.largest, float(np.abs(new).max()))
                change = most * np.outer(key, new)
                state = self.arithmetic.add(state.reshape(1, -1), change.reshape(1, -1), what="the memory")
                state = state.reshape(change.shape)
        return state

    def read(self, state: np.ndarray, token: int) -> np.ndarray:
        query, *_ = self._mixed(token)
        row = self.linear(query, self.after(state, token).T, "what is read")
        logits, error = readout.logits(self.weights, self.format, row[None], self.keys)
        self.slack = max(self.slack, error)
        return np.asarray(logits[0])
