"""Layers of Mamba whose steps are exact, as a machine: h' = exp(-delta exp(A)) h + delta u b^T.

A state is the windows of the convolutions and the memories of all layers. Steps delta are 0, and all is kept, or so
large that all is forgotten, as the format rounds it; SiLUs are 0 or what they are given, taps 0 or 1. All products and
sums that follow must be exact, in any order, those of the residual stream, too.
"""

from __future__ import annotations

import numpy as np

from separatrix.constructions.certificate import CertificateError
from separatrix.constructions.check.arguments.exactness import vanishes
from separatrix.constructions.check.arguments.memories import MemoryNetwork
from separatrix.constructions.check.arguments.readout import silu


class SelectiveNetwork(MemoryNetwork):
    """The machine. CertificateError, when met, for results that are not exact."""

    def empty(self) -> np.ndarray:
        """[layers, inner * (taps - 1 + states)]"""
        self.inner, self.count, self.taps = (
            self.told["expand"] * self.told["width"],
            self.told["state"],
            self.told["taps"],
        )
        for number in range(self.told["layers"]):
            self._require_plain(f"blocks.{number}.mixer")
        self.walked: dict[tuple[int, bytes, bytes], tuple[np.ndarray, np.ndarray]] = {}
        return np.zeros((self.told["layers"], self.inner * (self.taps - 1 + self.count)))

    def _require_plain(self, mixer: str) -> None:
        """exp(A), of which only 1 is exact, and taps."""
        if self.weights[f"{mixer}.A_log"].any() or self.weights[f"{mixer}.D"].any():
            raise CertificateError("rates must be 1, and nothing may pass the memory by")
        if not np.isin(self.weights[f"{mixer}.conv1d.weight"], (0, 1)).all():
            raise CertificateError("a tap must pass on what enters it")

    def after(self, state: np.ndarray, token: int) -> np.ndarray:
        return self._walk(state, token)[0]

    def read(self, state: np.ndarray, token: int) -> np.ndarray:
        x = self._walk(state, token)[1]
        return self.linear(x, self.weights["head.weight"], "the logits", self.weights["head.bias"])

    def _walk(self, state: np.ndarray, token: int) -> tuple[np.ndarray, np.ndarray]:
        """The state after one more token, and what the last layer makes of it, [D]."""
        x, after = self.weights["embed.weight"][token], []
        for number, before in enumerate(state):
            if (met := (number, x.tobytes(), before.tobytes())) not in self.walked:
                self.walked[met] = self._layer(f"blocks.{number}.mixer", x, before)
            told, held = self.walked[met]
            after.append(held)
            x = self._sum(x, told, what="the residual stream") if self.told["residual"] else told
        return np.stack(after), x

    def _layer(self, mixer: str, x: np.ndarray, before: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What a mixer tells of a token, [D], and what it holds after it."""
        cut = self.inner * (self.taps - 1)
        window, memory = before[:cut].reshape(-1, self.inner), before[cut:].reshape(self.inner, self.count)
        entered, gate = np.split(self.linear(x, self.weights[f"{mixer}.in_proj.weight"], "what enters"), 2)
        window = np.concatenate([window, entered[None]])  # [taps, I]
        taps, bias = self.weights[f"{mixer}.conv1d.weight"][:, 0].T, self.weights[f"{mixer}.conv1d.bias"]
        u = silu(self.format, self._sum(*(window * taps), bias, what="what a convolution adds up"))
        delta, b, c = self._selected(mixer, u)
        kept = np.where(self._forgotten(delta)[:, None], 0, memory)
        added = np.outer(self._product(delta, u), b)
        held = self._sum(kept.ravel(), added.ravel(), what="the memory")
        row = self._product(self.linear(c, held.reshape(added.shape), "what is read"), silu(self.format, gate))
        told = self.linear(row, self.weights[f"{mixer}.out_proj.weight"], "the output")
        return told, np.concatenate([window[1:].ravel(), held])

    def _selected(self, mixer: str, u: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of a token: steps delta [I], b and c [S]."""
        told = self.linear(u, self.weights[f"{mixer}.x_proj.weight"], "what is selected")
        into = self.weights[f"{mixer}.dt_proj.weight"]
        step, b, c = np.split(told, [into.shape[1], into.shape[1] + self.count])
        size = self.linear(step, into, "steps", self.weights[f"{mixer}.dt_proj.bias"])
        return np.maximum(self.sure(size, "steps"), 0), b, c  # softplus: 0, or what it is given

    def _forgotten(self, delta: np.ndarray) -> np.ndarray:
        """[I] where a memory is forgotten whole; CertificateError where it is neither that nor kept whole."""
        if not all(vanishes(self.format, rate) for rate in np.unique(delta[delta != 0]).tolist()):
            raise CertificateError("a memory must be kept whole, or forgotten")
        return np.asarray(delta != 0)

    def _sum(self, *terms: np.ndarray, what: str) -> np.ndarray:
        """The sum of vectors, of which CertificateError unless none rounds."""
        return self.arithmetic.add(*(each[None] for each in terms), what=what)[0]

    def _product(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Products of which CertificateError unless one factor of each is 0 or a power of two."""
        if not (np.isin(np.abs(np.frexp(x)[0]), (0, 0.5)) | np.isin(np.abs(np.frexp(y)[0]), (0, 0.5))).all():
            raise CertificateError("products with the memory must be exact")
        return x * y
