"""Copying what stands behind an n-gram, which is asked before or after the string (Jelassi et al. 2024)."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Int
from pydantic import Field, model_validator
from torch import Tensor

from separatrix.tasks.examples import UNLABELLED
from separatrix.tasks.streams.contract import StreamTask


class NgramCopying(StreamTask):
    """A string and one of its n-grams: say the m tokens that stand behind the n-gram where it is met first.

    Example: over 3 tokens, n = 2, m = 2: asked after the string, `0 2 1 1 0 | 2 1 1` is labelled `· · · · · · · 1 0`;
    asked before it, `2 1 | 0 2 1 1 0 | 1` is labelled `· · · · · · · · 1 0`.

    Tokens are 0 … S - 1, uniform; the separator is token S. The n-gram is that of a uniform place with m tokens behind
    it, and what should have been said is fed. Asked after the string (`asked="after"`, the published suffix) all of it
    has to be held; asked before it (`asked="before"`, the prefix) almost nothing.
    """

    summary: ClassVar[str] = "what stands behind this n-gram of the string?"
    name: Literal["ngram-copying"] = "ngram-copying"
    alphabet: int = Field(26, ge=2, description="alphabet size S")
    ngram: int = Field(3, ge=1, le=64, description="tokens n that are asked for")
    said: int = Field(4, ge=1, description="tokens m to be said")
    asked: Literal["after", "before"] = Field(
        "after", description="where the n-gram stands: after the string or before"
    )

    @model_validator(mode="after")
    def _fits(self) -> NgramCopying:
        if self.length < self.shortest:
            raise ValueError(
                f"ngram-copying: {self.ngram} tokens asked and {self.said} said, in a string and again, need a length "
                f"of {self.shortest}, got {self.length}"
            )
        return self

    @property
    def extra(self) -> int:
        """Tokens that are not the string's."""
        return self.ngram + self.said + (self.asked == "before")

    @property
    def shortest(self) -> int:
        return self.extra + self.ngram + self.said

    @property
    def alphabet_size(self) -> int:
        return self.alphabet + 1

    @property
    def answers(self) -> int:
        return self.alphabet

    @property
    def lengths(self) -> range:
        return range(self.shortest, self.length + 1)

    @property
    def separators(self) -> tuple[int, ...]:
        """Where the separators stand."""
        return (self.length - self.extra,) if self.asked == "after" else (self.ngram, self.length - self.said)

    def position_alphabet(self, position: int) -> range:
        return range(self.alphabet, self.alphabet + 1) if position in self.separators else range(self.alphabet)

    def draw(
        self, batch_size: int, generator: torch.Generator, length: int
    ) -> tuple[Int[Tensor, "B T"], Bool[Tensor, "B T"] | None]:
        device, n, size = generator.device, self.ngram, length - self.extra
        string = torch.randint(self.alphabet, (batch_size, size), generator=generator, device=device)
        place = torch.randint(size - n - self.said + 1, (batch_size, 1), generator=generator, device=device)
        ngram = string.gather(1, place + torch.arange(n, device=device))
        fed = self._behind(string, ngram)[:, :-1]
        bar = torch.full_like(ngram[:, :1], self.alphabet)
        parts = [string, bar, ngram, fed] if self.asked == "after" else [ngram, bar, string, bar, fed]
        return torch.cat(parts, dim=1), None

    def _met(self, string: Int[Tensor, "B L"], ngram: Int[Tensor, "B n"]) -> Bool[Tensor, "B places"]:
        """At which places, with enough tokens behind them, the n-gram stands."""
        places = string.shape[1] - self.ngram - self.said + 1
        met = string[:, :places] == ngram[:, :1]
        for i in range(1, self.ngram):
            met &= string[:, i : places + i] == ngram[:, i : i + 1]
        return met

    def _behind(self, string: Int[Tensor, "B L"], ngram: Int[Tensor, "B n"]) -> Int[Tensor, "B m"]:
        """The tokens behind the n-gram where it is met first (of no meaning where it is not)."""
        first = self._met(string, ngram).to(torch.uint8).argmax(dim=1, keepdim=True)
        return string.gather(1, first + self.ngram + torch.arange(self.said, device=string.device))

    def _parts(self, inputs: Int[Tensor, "B T"]) -> tuple[Int[Tensor, "B L"], Int[Tensor, "B n"]]:
        """The string and the n-gram."""
        size, n = inputs.shape[1] - self.extra, self.ngram
        if self.asked == "after":
            return inputs[:, :size], inputs[:, size + 1 : size + 1 + n]
        return inputs[:, n + 1 : n + 1 + size], inputs[:, :n]

    def answer(self, inputs: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
        said = self._behind(*self._parts(inputs)).clamp(max=self.alphabet - 1)
        return torch.cat([torch.full_like(inputs[:, : -self.said], UNLABELLED), said], dim=1)

    def valid(self, inputs: Int[Tensor, "B T"]) -> Bool[Tensor, " B"]:
        string, ngram = self._parts(inputs)
        at = self.at_length(inputs.shape[1])
        bars = (inputs == self.alphabet).sum(dim=1) == len(at.separators)
        placed = (inputs[:, list(at.separators)] == self.alphabet).all(dim=1)
        fed = inputs[:, inputs.shape[1] - self.said + 1 :] == self._behind(string, ngram)[:, :-1]
        return bars & placed & self._met(string, ngram).any(dim=1) & fed.all(dim=1)

    def recurrent_bits(self) -> float:
        """A lower bound. Asked after the string: strings that begin alike and have no n-gram twice are told apart.

        Where two of them differ first, the n-gram before is in both, and what stands behind it differs. Of p n-grams
        and m tokens behind the last, at least S^(p - 1 + m) (1 - p (p - 1) / (2 S^n)) strings are such ones, and for
        n = 1 S^m (S - 1) … (S - p + 1); the best p is taken. For long strings the K keys that can be made of some of
        the tokens, each followed by m of the B others, tell K m log2 B. Asked before it: m log2 S, what stands behind
        the n-gram that the string begins with.
        """
        if self.asked == "before":
            return self.said * math.log2(self.alphabet)
        blocks = (self.length - self.extra) // (self.ngram + self.said)
        tables = max(self._table(a, blocks) for a in range(1, self.alphabet))
        return max(tables, self._without_repeats(self.length - self.extra - self.ngram - self.said + 1))

    def _table(self, key_alphabet: int, blocks: int) -> float:
        enough = self.ngram * math.log2(key_alphabet) >= math.log2(blocks)
        keys = blocks if enough else key_alphabet**self.ngram
        return keys * self.said * math.log2(self.alphabet - key_alphabet)

    def _without_repeats(self, most: int) -> float:
        """log2 of the strings that begin with one n-gram and have `most` n-grams at best, none of them twice."""
        size = math.log2(self.alphabet)
        if self.ngram == 1:
            return self.said * size + sum(math.log2(self.alphabet - i) for i in range(1, min(most, self.alphabet)))

        def bits(p: int) -> float:
            share = 1 - p * (p - 1) / 2 / self.alphabet**self.ngram
            return (p - 1 + self.said) * size + math.log2(share) if share > 0 else -math.inf

        low, high = 1, most
        while low < high:  # they rise up to one p, and fall from there
            middle = (low + high) // 2
            low, high = (middle + 1, high) if bits(middle + 1) > bits(middle) else (low, middle)
        return bits(low)

    def attention_bits(self) -> float:
        """log2 S: the token behind the n-gram is held, everything else is fixed."""
        return math.log2(self.alphabet)

    def show(self, inputs: Int[Tensor, " T"]) -> str:
        return " ".join("|" if token == self.alphabet else str(token) for token in inputs.tolist())
