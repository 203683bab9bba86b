"""The envelope of a Transformer: everything it computes, op by op, in intervals that hold for all inputs.

Context tokens and queries are two streams. Both are walked as the network computes them: embedding, positions, queries,
keys, values, scores and their differences from the largest, exponentials, normaliser, average, output, residual, MLP,
head. No partial sum, in any order, overflows; and none is rounded but those an argument says it allows for. So what
an argument proves in exact arithmetic is what the format computes.

What is allowed for: `scores` (they may be rounded), `average` (so may the last layer's average and all that follows it;
`ties`: its weights are equal or 0), `inputs` (everything may be rounded, since inputs are).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from separatrix.constructions.certificate import CertificateError
from separatrix.constructions.check.kernel.claims import Proved
from separatrix.constructions.check.kernel.exact import may_overflow
from separatrix.constructions.check.kernel.ranges import Range, Rounding
from separatrix.numerics import FloatingPoint, Format
from separatrix.tasks import Task


@dataclass(frozen=True)
class Network:
    """A Transformer without norms: its maps by name in float64, and the ranges of its tables' rows.

    tokens, queries: what is embedded for context tokens and for queries, or, of vectors, what inputs are
    """

    task: Task
    weights: dict[str, np.ndarray]
    layers: int
    heads: int
    tokens: Range
    queries: Range
    positions: Range


class Envelope:
    """The walk. Raises CertificateError naming the first results that overflow, or are rounded and must not be."""

    def __init__(
        self,
        network: Network,
        number_format: Format,
        order: str,
        allowed: Collection[str],
        proved: Proved,
    ) -> None:
        self.network, self.arithmetic, self.order, self.allowed = network, Rounding(number_format), order, allowed
        self.proved = proved
        self.strict = "inputs" not in allowed

    def walk(self) -> None:
        """All layers of both streams, and the logits."""
        net, add = self.network, self.arithmetic.add
        context, query = self._embedded(net.tokens), self._embedded(net.queries)
        context = add(context, net.positions, what="embeddings", exact=self.strict)
        for layer in range(net.layers):
            last = layer == net.layers - 1
            name, ordinal = f"blocks.{layer}.mixer", f"layer {layer + 1}"
            maps = ("query", "key", "value")
            seen = {kind: self._linear(context, f"{name}.{kind}", f"{kind} of {ordinal}") for kind in maps}
            asked = {kind: self._linear(query, f"{name}.{kind}", f"{kind} of {ordinal}") for kind in maps}
            exact = "scores" not in self.allowed
            pairs = [(asked, seen), (asked, asked), *([] if last else [(seen, seen)])]
            for q, k in pairs if self.strict else []:  # of rounded inputs, inner products are bounded by norms
                self.arithmetic.scores(q["query"], k["key"], net.heads, f"scores of {ordinal}", exact)
            after = last and "average" in self.allowed
            query = self._block(layer, query, seen["value"].join(asked["value"]), after)
            if not last:
                context = self._block(layer, context, seen["value"], after)
            if layer == 0 and self.proved.streams is not None:
                context, query = context.meet(self.proved.streams[0]), query.meet(self.proved.streams[1])
        self._linear(query, "head", "logits", rounded="average" in self.allowed)

    def _embedded(self, rows: Range) -> Range:
        if self.network.task.vector_size is None:
            return rows
        return self._linear(rows, "embed", "embeddings")

    def _linear(self, x: Range, name: str, what: str, rounded: bool = False) -> Range:
        weights = self.network.weights
        bias = weights.get(f"{name}.bias", 0.0)
        return self.arithmetic.linear(x, weights[f"{name}.weight"], bias, what, self.strict and not rounded)

    def _block(self, layer: int, x: Range, values: Range, rounded: bool) -> Range:
        """The stream after one layer that reads these values."""
        name, ordinal = f"blocks.{layer}", f"layer {layer + 1}"
        mixed = self._averaged(values, ordinal) if rounded or not self.strict else values
        mixed = self._linear(mixed, f"{name}.mixer.out", f"outputs of {ordinal}", rounded)
        exact = self.strict and not rounded
        x = self.arithmetic.add(x, mixed, what=f"the residual stream of {ordinal}", exact=exact)
        if f"{name}.mlp.1.weight" not in self.network.weights:
            return x
        inside = self._linear(x, f"{name}.mlp.1", f"sums into the MLP of {ordinal}", rounded).cut()
        inside = self._linear(inside, f"{name}.mlp.3", f"sums out of the MLP of {ordinal}", rounded)
        return self.arithmetic.add(x, inside, what=f"the residual stream of {ordinal}", exact=exact)

    def _averaged(self, values: Range, ordinal: str) -> Range:
        """Averages, weights and sums rounded, none of which is larger than `growth` times the largest value."""
        found = self.arithmetic.format
        largest, growth = float(values.size.max(initial=0)), self.growth() if isinstance(found, FloatingPoint) else 1.0
        loudest = self.proved.loudest  # what is averaged; the query's own value has weight 1 then, or 0
        size = largest * growth if loudest is None else max(largest, loudest * growth)
        if may_overflow(found, size):
            raise CertificateError(
                f"averages of {ordinal} may overflow in {found}, sums in {self.order} order: they are bounded by "
                f"{size:g}; issue the certificate anew for sums in sequential order"
            )
        joined = values.within(size)
        return Range(joined.low, joined.high, np.full_like(joined.unit, found.smallest or 2.0**-200))

    def growth(self) -> float:
        """How much an average of m terms may exceed them when weights and sums are rounded to t bits, M = 2^t.

        A weight is at most 1; of k ties at most 1 / min(k, M), since rounded sums of ones reach that in any order. With
        m <= M / 2 terms a sum is off by a factor (1 + 1 / M)^m < 2. In any order a rounded sum of m terms of at most c
        is at most max(m, 2 m^2 / M) c: the error of a + b is at most min(a, b, (a + b) / M). In order of position, sums
        stop growing at 2 M c.
        """
        found, m = self.arithmetic.format, self.network.task.length + 1
        assert isinstance(found, FloatingPoint)
        most = 2.0 ** (found.mantissa + 1)
        if m <= most / 2:
            return 4.0
        total = min(2.0 * m, 2 * most) if self.order == "sequential" else max(float(m), 2.0 * m * m / most)
        return 2 * (total / min(float(m), most) if "ties" in self.allowed else total)
