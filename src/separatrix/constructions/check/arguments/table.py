"""Argument "linear table": linear attention without decay, one row of its state for every place of the context.

S' = diag(alpha) S + k v^T. Read from the weights: every decay is 1, as the format rounds it; the key of a place is a
unit vector of its own, whatever token stands there, and the value a code of 0 and ± one power of two, whatever the
place. By induction row i of S is the code of token i, or 0: nothing is rounded. A query reads the row of its place, and
its own value is 0. What follows, a scale, a norm, a gate and two maps, is computed for every token, and what rounding
may do to it is bounded.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from separatrix.constructions.certificate import Certificate, CertificateError
from separatrix.constructions.check.arguments import readout
from separatrix.constructions.check.arguments.exactness import Exactness, vanishes
from separatrix.constructions.check.arguments.readout import FINITE, MIXER, accurate, power_of_two, silu, units
from separatrix.constructions.check.kernel.claims import Proved
from separatrix.models import SequenceModel
from separatrix.numerics import parse
from separatrix.tasks.index_lookup import IndexLookup

ARGUMENT = "linear table"


def claim(task: IndexLookup) -> str:
    """What the argument proves, as a sentence."""
    return f"every place of every context of 1 to {task.length} tokens over {task.alphabet} is answered with its token"


def allowed(certificate: Certificate) -> Collection[str]:
    """Of recurrent networks the argument itself bounds all sums."""
    return ()


def verify(model: SequenceModel, certificate: Certificate) -> Proved:
    """What holds of all inputs. CertificateError for what the weights do not bear out."""
    task = model.task
    if not isinstance(task, IndexLookup):
        raise CertificateError(f"{ARGUMENT} is about index-lookup, got {task.name}")
    table = Table(model, certificate.number_format)
    return Proved(
        claim=claim(task),
        scope="lengths up to N",
        margin=table.margin,
        equal={"width": model.config.width, "key_width": table.keys, "decay": table.decay},
    )


class Table:
    """The memory, read from its weights in float64. decay: the least logit of a decay; margin: that of the answers."""

    def __init__(self, model: SequenceModel, number_format: str) -> None:
        told, task = model.config.model_dump(), model.task
        if told["name"] != "gla" or told["heads"] != 1 or told["positions"] != "learned":
            raise CertificateError(f"{ARGUMENT} is about one head of gla with learned positions")
        self.format = accurate(parse(number_format))
        self.weights = {name: value.detach().double().numpy() for name, value in model.state_dict().items()}
        self.exact, self.keys = Exactness(self.format), told["key_width"] or max(1, told["width"] // 2)
        tokens, places = self.weights["embed.weight"], self.weights["positions.table.weight"]
        first = task.query_offset + task.query_values[0]
        asked = tokens[first : first + task.query_count]
        tokens = tokens[: task.alphabet_size]
        if (tokens.any(axis=0) & places.any(axis=0)).any():
            raise CertificateError("tokens and places must have coordinates of their own")
        self.decay = self._decay(tokens, places)
        at, codes = self._map("key", places), self._map("value", tokens)
        if self._map("key", tokens).any() or self._map("value", places).any() or self._map("value", asked).any():
            raise CertificateError("keys must come from places alone, values from tokens alone")
        if not units(at) or at.max() != 1:
            raise CertificateError("places must have different unit vectors for keys")
        if not np.isin(codes, (-(size := np.abs(codes).max()), 0, size)).all() or not power_of_two(size):
            raise CertificateError("values must be vectors of 0 and one power of two, of either sign")
        if self._map("query", asked).shape != at.shape or (self._map("query", asked) != at).any():
            raise CertificateError("a query must ask for the unit vector of its place")
        gates = silu(self.format, self._map("gate", asked))
        if (gates != gates[:1]).any():
            raise CertificateError("gates must be the same for all queries")
        if max(float(np.abs(self._map("key", asked)).max()), float(size)) > FINITE:
            raise CertificateError(f"keys of queries, and values, must be at most {FINITE:g}")
        self.margin = readout.margin(self.weights, self.format, codes, self.keys, gates[0])

    def _map(self, name: str, rows: np.ndarray) -> np.ndarray:
        weight = self.weights[f"{MIXER}.{name}.weight"]
        return self.exact.linear(rows, weight, np.zeros(len(weight)), f"what {name} makes")

    def _decay(self, tokens: np.ndarray, places: np.ndarray) -> float:
        """The least logit of a decay at any token of any place, or query; CertificateError unless all decays are 1."""
        inner, outer = self.weights[f"{MIXER}.decay.0.weight"], self.weights[f"{MIXER}.decay.1.weight"]
        bias = self.weights[f"{MIXER}.decay.1.bias"]
        if inner.any() or outer.any():
            raise CertificateError("decays must depend on nothing")
        if not vanishes(self.format, least := float(bias.min())):
            raise CertificateError(f"a decay's logit of {least:g} makes it less than 1 in {self.format}")
        return least
