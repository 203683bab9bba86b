"""Theorem 1: one layer of one head looks up any of N tokens, at every length up to N, with width O(log N).

Coordinates: the code of the position (k signs), the code of the token (b signs), and a flag that context tokens carry
and queries do not. The query for position p carries the code of p. It scores position i by beta (<c(p), c(i)> + f) and
itself by beta k; f is the largest power of two within the code's gap. The output layer compares what was fetched with
the codes of all tokens. Width k + b + 1: with binary codes ceil(log2 N) + ceil(log2 S) + 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import Field, field_validator

from separatrix.constructions import codes
from separatrix.constructions.basis import Space, linear
from separatrix.constructions.certificate import Certificate, CertificateError
from separatrix.constructions.check.arguments import lookup
from separatrix.constructions.codes.binary import Binary, binary_signs
from separatrix.constructions.construction import Construction, Options, assemble
from separatrix.constructions.registry import Attempt, Theorem
from separatrix.models import SequenceModel
from separatrix.models.transformer import TransformerConfig
from separatrix.numerics import FloatingPoint, parse
from separatrix.tasks.index_lookup import IndexLookup

NAME = "index-lookup"
POWERS = range(-24, 128)
"""Exponents of the inverse temperatures that are tried: the least first."""
SMALL_LEAK = 1 / 16
"""In real arithmetic, the inverse temperature is the least at which wrong positions weigh no more than this."""
LONGEST_TRIAL = 13
"""Inputs that fail are looked for in contexts of fewer than two to this power tokens."""


class IndexLookupOptions(Options):
    """Which position code, and how sharp attention is."""

    code: codes.Kind = Field("binary", description="position code: binary, jl or algebraic")
    gamma: float = Field(
        0.5, gt=0, lt=1, description="largest cross product of jl and algebraic codes, over their width"
    )
    seed: int = Field(0, ge=0, description="seed of the draws of jl")
    beta: float | None = Field(
        None, gt=0, description="inverse temperature, a power of two; None for the least that is proved"
    )

    @field_validator("beta")
    @classmethod
    def _power_of_two(cls, beta: float | None) -> float | None:
        if beta is not None and math.frexp(beta)[0] != 0.5:
            raise ValueError(f"beta must be a power of two, so that no format rounds it, got {beta}")
        return beta


@dataclass(frozen=True)
class Proof:
    """What is proved at an inverse temperature: the least difference of logits, and the numbers of the argument."""

    beta: float
    margin: float
    order: Literal["any", "sequential"]
    quantities: dict[str, float]


class Lookup:
    """Everything about one lookup but its weights, at any N."""

    def __init__(self, task: IndexLookup, options: IndexLookupOptions) -> None:
        self.task, self.options = task, options
        self.format = parse(options.format)
        self.code = codes.create(options.code, task.length, options.gamma, options.seed)
        self.bits = (task.alphabet - 1).bit_length()
        self.flag = 2.0 ** (self.code.gap.bit_length() - 1)
        self.space = Space(position=self.code.width, token=self.bits, flag=1)
        self.head_width = max(self.code.width + 1, self.bits)
        self.config = TransformerConfig(
            width=self.space.width,
            heads=1,
            head_width=self.head_width,
            mlp=0,
            norm="none",
            positions="learned",
            bias=True,
            scale=1.0,
        )

    def betas(self) -> list[float]:
        """The inverse temperatures that may be proved right: the one asked for, or powers of two, from low to high."""
        if self.options.beta:
            return [self.options.beta]
        powers = [2.0**e for e in POWERS]
        if self.format.name == "real":
            return [beta for beta in powers if self.leak(beta) <= SMALL_LEAK][:1]
        return [beta for beta in powers if self.format.vanishes(beta * self.flag) and self.holds(beta)]

    def holds(self, beta: float) -> bool:
        """Whether the format holds the weights."""
        return all(self.format.round_number(x) == x for x in (1.0, -1.0, beta, beta * self.flag))

    def largest_score(self, beta: float) -> float:
        """The right position's, and the largest there is."""
        return beta * (self.code.width + self.flag)

    def leak(self, beta: float) -> float:
        """What all wrong positions and the query itself weigh together, relative to the right one, at most."""
        if isinstance(self.code, Binary):
            wrong = math.expm1(self.code.width * math.log1p(math.exp(-2 * beta)))
        else:
            wrong = (2 ** (self.task.length - 1).bit_length() - 1) * math.exp(-beta * self.code.gap)
        return wrong + math.exp(-beta * self.flag)

    def proof(self) -> Proof:
        """The proof to give. Raises CertificateError saying why there is none.

        Of several inverse temperatures, one is taken that needs no order of the sums; then, one that is right in real
        arithmetic too; then, the least.
        """
        proofs, reasons = [], []
        for beta in self.betas():
            try:
                proofs.append(self.at(beta))
            except CertificateError as error:
                reasons.append(error)
        if proofs:
            return min(proofs, key=lambda each: (each.order != "any", self.leak(each.beta) >= 1, each.beta))
        if reasons:
            raise reasons[0]
        raise CertificateError(
            f"{self.format} holds no inverse temperature at which exp(-beta {self.flag:g}) rounds to 0: "
            "take a format of wider range"
        )

    def at(self, beta: float) -> Proof:
        """The proof at one inverse temperature. Raises CertificateError saying why there is none."""
        if self.format.name == "real":
            if not (leak := self.leak(beta)) < 1:
                raise CertificateError(
                    f"at beta = {beta:g} wrong positions may weigh {leak:.3g} times the right one: take a larger beta"
                )
            return Proof(beta, 2 * (1 - leak) / (1 + leak), "any", {"score_gap": beta * self.flag, "leak": leak})
        largest = self.largest_score(beta)
        if not self.holds(beta):
            raise CertificateError(f"{self.format} does not hold the weights 1, {beta:g} and {beta * self.flag:g}")
        if self.bits > self.format.exact_up_to(1.0):
            raise CertificateError(
                f"{self.format} adds signs exactly up to {self.format.exact_up_to(1.0):g}, tokens have {self.bits}"
            )
        if isinstance(self.format, FloatingPoint) and 2 * largest > self.format.largest:
            raise CertificateError(f"{self.format} does not hold differences of scores, up to {2 * largest:g}")
        exact = largest <= self.format.exact_up_to(beta)
        gap = beta * self.flag if exact else self._rounded_gap(beta)
        if not self.format.vanishes(gap):
            raise CertificateError(
                f"scores up to {largest:g} are not told apart in {self.format}: a gap of {gap + 0.0:g} is left, and "
                "exp of minus it does not round to 0"
            )
        return Proof(beta, 2.0, "any" if exact else "sequential", {"score_gap": gap, "largest_score": largest})

    def _rounded_gap(self, beta: float) -> float:
        if not isinstance(self.code, Binary):
            raise CertificateError(
                f"{self.format} adds multiples of {beta:g} exactly up to {self.format.exact_up_to(beta):g}, scores go "
                f"up to {self.largest_score(beta):g}"
            )
        position = [beta] * self.code.width
        return lookup.rounded_gap([*position, beta * self.flag], len(position), [*position, 0.0], self.format)

    def certificate(self, proof: Proof) -> Certificate:
        """The record of a proof."""
        return Certificate(
            construction=NAME,
            claim=lookup.claim(self.task),
            scope="lengths up to N",
            argument=lookup.ARGUMENT,
            number_format=self.format.name,
            order=proof.order,
            margin=proof.margin,
            quantities={"beta": proof.beta, "width": self.space.width, **proof.quantities, **self.code.record()},
            parameters=self.options.model_dump(mode="json"),
            task=self.task.model_dump(mode="json"),
            model=self.config.model_dump(mode="json"),
        )

    def model(self, beta: float, rows: int | None = None) -> SequenceModel:
        """The weights, of all N positions or of the first `rows`: what the whole model does on contexts no longer."""
        task = self.task if rows is None else self.task.at_length(rows)
        signs, space, width = self.code.signs(0, rows), self.space, self.code.width
        tokens = binary_signs(torch.arange(task.alphabet), self.bits)
        embed = space.vectors(task.vocabulary)
        embed[: task.alphabet, space["token"]] = tokens  # the padding token, if there is one, holds no symbol
        embed[: task.alphabet_size, space["flag"]] = 1.0
        embed[task.alphabet_size :, space["position"]] = signs
        answers, fetched = Space(logit=task.answers), Space(token=self.bits, rest=self.head_width - self.bits)
        attention = Space(position=width, flag=1, rest=self.head_width - width - 1)
        weights = {
            "embed.weight": embed,
            "positions.table.weight": space.vectors(task.length, position=signs),
            "head.weight": linear(space, answers, {("token", "logit"): tokens}),
        }
        maps = {
            "query.weight": linear(space, attention, {("position", "position"): beta}),
            "query.bias": attention.vectors(1, flag=beta * self.flag)[0],
            "key.weight": linear(space, attention, {("position", "position"): 1.0, ("flag", "flag"): 1.0}),
            "value.weight": linear(space, fetched, {("token", "token"): 1.0}),
            "out.weight": linear(fetched, space, {("token", "token"): 1.0}),
        }
        weights |= {f"blocks.0.mixer.{name}": weight for name, weight in maps.items()}
        return assemble(task, self.config, weights)


def build(task: IndexLookup, options: IndexLookupOptions) -> Construction:
    """Index lookup, certified. Raises CertificateError where the format is too coarse for N and S."""
    made = Lookup(task, options)
    proof = made.proof()
    return Construction(task, made.config, made.certificate(proof), lambda: made.model(proof.beta))


def trials(task: IndexLookup, options: IndexLookupOptions) -> Iterator[Iterator[Attempt]]:
    """For every inverse temperature the format holds: one token among equal ones, in longer and longer contexts."""
    made = Lookup(task, options)
    betas = [options.beta] if options.beta else [2.0**e for e in POWERS]
    for beta in betas:
        if made.format.smallest <= beta <= made.format.largest:
            yield (
                _alone(made, beta, rows) for rows in sorted({min(task.length, 2**e) for e in range(1, LONGEST_TRIAL)})
            )


def _alone(made: Lookup, beta: float, rows: int) -> Attempt:
    """Contexts of one token and, everywhere else, another: all that leaks to other positions speaks for that one."""
    last = made.task.alphabet - 1
    pairs = torch.tensor([[0, 1], [1, 0], [0, last], [last, 0]])
    place = torch.tensor([0, rows // 2, rows - 1])
    context = pairs[:, 1].repeat_interleave(len(place))[:, None].repeat(1, rows)
    places = place.repeat(len(pairs))[:, None]
    context.scatter_(1, places, pairs[:, :1].repeat_interleave(len(place), dim=0))
    return Attempt(f"beta = {beta:g}", made.model(beta, rows), context, places + made.task.offset)


THEOREMS = {
    NAME: Theorem(
        NAME,
        "index-lookup",
        "1 layer of 1 head and width ceil(log2 N) + ceil(log2 S) + 1 suffice at every length up to N",
        "Bhattamishra et al. 2024, Theorem 1",
        build,
        IndexLookupOptions,
        trials=trials,
    )
}
