"""Bits a language model holds of what it was shown once, measured without training it.

A string of N symbols, drawn uniformly and independently from T tokens, is shown; the state S is what the model hands
over then. The string is shown again, and what the model pays to predict it is what S did not tell: by the chain rule
and Gibbs' inequality `I(string; S) >= N log2 T - bits paid`, for any predictor of a symbol from S and the symbols
before it. The predictor here is the model's distribution restricted to the T tokens and hedged (see `hedging`). Of
pairs, each value is asked for by its key from the one state, and `I(values; S)` is at least the sum over them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from separatrix.config import Config
from separatrix.errors import InputError
from separatrix.experiments.measure.capacity import mean_and_margin
from separatrix.experiments.measure.hedging import hedged, predictors
from separatrix.experiments.measure.strings import Drawn, draw_pairs, drawn
from separatrix.models.huggingface.pretrained import Pretrained
from separatrix.models.huggingface.streamed import Streamed
from separatrix.notebook import Shown
from separatrix.notices import notice
from separatrix.tasks import stream

STRINGS, CONFIDENCE = 8, 0.95
ASKED = 32
"""Pairs of each context that are asked for, drawn at random, at most."""

PLACES = 32
"""Groups of neighbouring positions that a curve by position has, at most."""

Kind = Literal["string", "pairs"]

ASSUMPTIONS = (
    "Strings are drawn uniformly and independently, so there are N log2 T bits to hold; keys of pairs are known.",
    "A lower bound, estimated: the state holds at least this; a model that never learned to copy shows little.",
    "Predictions are restricted to the T tokens and hedged with guessing, so nothing is gained by choosing afterwards.",
)
"""What a figure of recall rests on, in words."""


class Place(Config):
    """What is held of one stretch of positions: bits a symbol, of log2 T."""

    first: int = Field(description="position of its first symbol, from 0")
    last: int
    bits: float | None = Field(description="mean over strings and positions; may lie a little below 0; None: not asked")


class RecallPoint(Shown, Config):
    """One length."""

    kind: Kind
    length: int = Field(description="tokens shown")
    symbols: int = Field(description="symbols to recall: all tokens, or the values of the pairs")
    shown_bits: float = Field(description="bits there are to recall")
    recalled_bits: float = Field(description="estimated lower bound on the mutual information with the state")
    low: float
    high: float
    state_bits: int = Field(description="bits of the tensors handed over, measured, each in its own type")
    by_position: list[Place]

    @property
    def utilisation(self) -> float:
        """Bits recalled per bit of the state; 0 where there is no state."""
        return self.recalled_bits / self.state_bits if self.state_bits else 0.0


class ShownOnce(Shown, Config):
    """What one model holds of strings shown once, by length."""

    model: str
    weights: Literal["trained", "random"]
    parameters: int
    tokens: int = Field(description="T, the tokens strings are drawn from")
    separator: int = Field(description="the token between the two showings")
    strings: int
    seed: int
    confidence: float = CONFIDENCE
    reads_pieces: bool = Field(description="whether it was read in pieces, or token by token")
    points: list[RecallPoint]


def recall_shown_once(
    found: Pretrained,
    lengths: Sequence[int],
    tokens: int = 64,
    strings: int = STRINGS,
    seed: int = 0,
    kinds: Sequence[Kind] = ("string", "pairs"),
    separator: int | None = None,
    finished: Callable[[RecallPoint], None] | None = None,
) -> ShownOnce:
    """Measure a language model at several lengths; `finished` is called after each.

    strings:   how many are drawn at each length; the interval is Student's t over them
    separator: the token between the showings [default: one drawn like the others, and none of them]
    A length that the model cannot read is named in a notice and ends the curve. Raises InputError when none can be
    read, for fewer than 2 strings, and for more tokens than the vocabulary has.
    """
    if strings < 2:
        raise InputError(f"strings must be at least 2, so that there is a spread, got {strings}")
    if not lengths or min(lengths) < 2:
        raise InputError(f"lengths must be at least 2, got {list(lengths)}")
    model, alphabet = Streamed(found), drawn(found.config, tokens, seed, separator)
    points: list[RecallPoint] = []
    for index, length in enumerate(sorted(set(lengths))):
        generator = stream(seed, "test", index)
        try:
            for kind in kinds:
                measure = _of_string if kind == "string" else _of_pairs
                points.append(measure(model, alphabet, length, strings, generator))
                if finished:
                    finished(points[-1])
        except InputError as error:
            if not points:
                raise
            notice(f"{found.name}: length {length} was not measured, nor longer ones: {error}")
            break
    return ShownOnce(
        model=found.name, weights=found.weights, parameters=found.parameters, tokens=tokens,
        separator=alphabet.separator, strings=strings, seed=seed, reads_pieces=model.in_pieces, points=points,
    )  # fmt: skip


def _of_string(model: Streamed, alphabet: Drawn, length: int, strings: int, generator: torch.Generator) -> RecallPoint:
    symbols = torch.randint(len(alphabet.tokens), (strings, length), generator=generator)
    shown = alphabet.tokens[symbols]
    held = model.hold(alphabet.begun(shown))
    bits = held.bits
    again = torch.cat([alphabet.separators(strings), shown[:, :-1]], dim=1)
    paid = predictors(model.go_on(held, again, alphabet.tokens), symbols)
    gains = math.log2(len(alphabet.tokens)) - hedged(paid)
    return _point("string", length, gains, torch.arange(length).expand(strings, -1), bits, alphabet, length)


def _of_pairs(model: Streamed, alphabet: Drawn, length: int, strings: int, generator: torch.Generator) -> RecallPoint:
    drawn_pairs = draw_pairs(alphabet, length, strings, generator)
    held = model.hold(alphabet.begun(drawn_pairs.shown))
    bits, count = held.bits, drawn_pairs.values.shape[1]
    order = torch.stack([torch.randperm(count, generator=generator)[:ASKED] for _ in range(strings)])
    logits = []
    for which in order.unbind(dim=1):  # each from the same state
        key = drawn_pairs.keys[torch.arange(strings), which]
        asked = torch.cat([alphabet.separators(strings), key], dim=1)
        logits.append(model.go_on(model.copy(held), asked, alphabet.tokens, last=True))
    truth = drawn_pairs.values.gather(1, order)
    gains = math.log2(len(alphabet.tokens)) - hedged(predictors(torch.cat(logits, dim=1), truth))
    return _point("pairs", length, gains, order, bits, alphabet, count)


def _point(
    kind: Kind,
    length: int,
    gains: Float[Tensor, "B M"],
    positions: Int[Tensor, "B M"],
    state_bits: int,
    alphabet: Drawn,
    symbols: int,
) -> RecallPoint:
    """Gains of M of the symbols stand for all of them: those asked are a uniform sample."""
    total = gains.sum(dim=1) * symbols / gains.shape[1]
    mean, margin = mean_and_margin(total, CONFIDENCE)
    shown = symbols * math.log2(len(alphabet.tokens))
    return RecallPoint(
        kind=kind, length=length, symbols=symbols, shown_bits=shown, recalled_bits=max(0.0, mean),
        low=max(0.0, mean - margin), high=min(shown, max(0.0, mean + margin)), state_bits=state_bits,
        by_position=_places(gains, positions, symbols),
    )  # fmt: skip


def _places(gains: Float[Tensor, "B M"], positions: Int[Tensor, "B M"], symbols: int) -> list[Place]:
    size = -(-symbols // PLACES)
    found = []
    for first in range(0, symbols, size):
        inside = gains[(positions >= first) & (positions < first + size)]
        mean = float(inside.mean()) if len(inside) else None
        found.append(Place(first=first, last=min(symbols, first + size) - 1, bits=mean))
    return found
