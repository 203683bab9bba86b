"""One-layer LSTM and GRU networks whose gates are saturated, read from their weights: machines over -1, 0 and 1.

Where a sum into a gate is so far from 0 that its exponential vanishes, a sigmoid is 0 or 1 and a tanh ±1, rounded.
Then a GRU's h' is h or ±1, an LSTM's c' is a sum of -1, 0 and 1, which must be one of them again: nothing is rounded.
With its output gate open an LSTM hears tanh(c), 0 or ± one number, the same up to rounding. Sums are rounded, in any
order: what that may come to is taken from their distances. States are given as bits: where units are 1, and where -1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np

from separatrix.constructions.certificate import CertificateError
from separatrix.constructions.check.arguments.exactness import vanishes
from separatrix.models import SequenceModel
from separatrix.numerics import FloatingPoint, Format, parse

CELL = "blocks.0.mixer.cell"
LARGEST = 2.0**60
"""Sums stay below this: none overflows."""


class SaturatedNetwork:
    """The machine. CertificateError for other architectures, and, when met, for gates that are not saturated.

    exact: what is kept is never rounded, in any order of the sums
    slack: by how much a logit met so far may be off
    """

    exact = True

    def __init__(self, model: SequenceModel, number_format: str | Format) -> None:
        config, self.format = model.config.model_dump(), parse(number_format)
        wanted = {"layers": 1, "norm": "none", "residual": False, "mlp": 0, "positions": "none"}
        wrong = [f"{key}={config.get(key)}" for key, value in wanted.items() if config.get(key) != value]
        if wrong or config["name"] not in ("lstm", "gru"):
            raise CertificateError(f"the argument is about one plain layer of lstm or gru, got {', '.join(wrong)}")
        if not isinstance(self.format, FloatingPoint) or self.format.unit > 2.0**-20:
            raise CertificateError(f"gates are 0 or 1 in fp32: in {self.format} they are not certified")
        self.model, self.lstm = model, config["name"] == "lstm"
        weights = {name: value.detach().double().numpy() for name, value in model.state_dict().items()}
        enter, self.hear = weights[f"{CELL}.weight_ih_l0"], weights[f"{CELL}.weight_hh_l0"]  # [G D, D]
        biases = [weights[f"{CELL}.bias_ih_l0"], weights[f"{CELL}.bias_hh_l0"]]
        tokens, width = weights["embed.weight"], config["width"]
        new = slice(2 * width, 3 * width)  # a GRU's reset gate multiplies what its new values hear, bias included
        self.heard_bias = np.where(self._inside(len(self.hear), new), biases[1], 0)
        outside = biases[0] + biases[1] - self.heard_bias
        self.drive = tokens @ enter.T + outside  # [vocabulary, G D]
        self.mass = np.abs(tokens) @ np.abs(enter).T + np.abs(biases[0]) + np.abs(biases[1])
        self.units, self.width, self.largest, self.slack = 2 * width, width, 0.0, 0.0
        self.head, self.head_bias = weights["head.weight"], weights["head.bias"]
        self.grown = (1 + self.format.unit) ** (2 * width + 16) - 1  # a sum of 2 D + 3 terms and as many products

    def _inside(self, rows: int, new: slice) -> np.ndarray:
        inside = np.zeros(rows, dtype=bool)
        inside[new] = not self.lstm
        return inside

    def _values(self, vectors: np.ndarray) -> np.ndarray:
        """[B, D] -1, 0 or 1."""
        return vectors[:, : self.width] - vectors[:, self.width :]

    def _heard(self, values: np.ndarray) -> np.ndarray:
        """[B, D] what units of these values tell the others."""
        return values * math.tanh(1) if self.lstm else values

    def _signs(self, sums: np.ndarray, error: np.ndarray, what: str, used: np.ndarray | bool = True) -> np.ndarray:
        """The signs of sums that saturate; CertificateError for others, where they are used."""
        sure = np.where(used, np.abs(sums) - error, np.inf)
        least = float(sure.min(initial=math.inf))
        if not (least > 0 and vanishes(self.format, least)):
            raise CertificateError(f"{what} of {least:g} is not saturated in {self.format}")
        return np.sign(sums)

    def steps(self, vectors: np.ndarray, tokens: Iterable[int]) -> Iterator[np.ndarray]:
        """States [B, 2 D] after one more token, for each of several tokens of the vocabulary."""
        values = self._values(vectors)
        heard, size = self._heard(values) @ self.hear.T + self.heard_bias, np.abs(values) @ np.abs(self.hear).T
        for token in tokens:
            mass = size + self.mass[token]
            self.largest = max(self.largest, float(mass.max()))
            if not self.largest <= LARGEST:
                raise CertificateError(f"sums into gates go up to {self.largest:g}: expected {LARGEST:g} at most")
            error = mass * self.grown + 1e-30
            after = (self._lstm if self.lstm else self._gru)(values, heard, self.drive[token], error)
            yield np.concatenate([after == 1, after == -1], axis=1).astype(float)

    def _lstm(self, values: np.ndarray, heard: np.ndarray, drive: np.ndarray, error: np.ndarray) -> np.ndarray:
        sums, names = np.split(heard + drive, 4, axis=1), ("input gate", "forget gate", "new value", "output gate")
        signs = [self._signs(*each) for each in zip(sums, np.split(error, 4, axis=1), names, strict=True)]
        enter, forget, new, leave = signs
        if (leave < 0).any():
            raise CertificateError("an output gate is shut: the checker knows networks that always tell their cells")
        after = np.where(forget > 0, values, 0) + np.where(enter > 0, new, 0)
        if (np.abs(after) > 1).any():
            raise CertificateError("a cell counts beyond 1: the checker knows cells of -1, 0 and 1")
        return after

    def _gru(self, values: np.ndarray, heard: np.ndarray, drive: np.ndarray, error: np.ndarray) -> np.ndarray:
        heard, off = np.split(heard, 3, axis=1), np.split(error, 3, axis=1)
        told = np.split(np.broadcast_to(drive, (len(values), len(drive))), 3, axis=1)
        reset = self._signs(heard[0] + told[0], off[0], "reset gate") > 0
        keep = self._signs(heard[1] + told[1], off[1], "update gate") > 0
        new = self._signs(told[2] + np.where(reset, heard[2], 0), off[2], "new value", ~keep)
        return np.where(keep, values, new)

    def logits(self, vectors: np.ndarray, query: int) -> np.ndarray:
        """Logits [B, answers] of the answers to a query; how far they may be off is added to `slack`."""
        (after,) = self.steps(vectors, [query + self.model.query_offset])
        values = self._values(after)
        size = np.abs(values) @ np.abs(self.head).T + np.abs(self.head_bias)
        self.slack = max(self.slack, float(size.max()) * self.grown)
        return self._heard(values) @ self.head.T + self.head_bias
