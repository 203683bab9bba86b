"""What is said, counted: numbers go through the bits that carry them, and arrive as those bits say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from separatrix.errors import InputError
from separatrix.notebook import Shown
from separatrix.numerics import Format
from separatrix.numerics.patterns import patterns, values


@dataclass(frozen=True)
class Message:
    """One message: who sends how many bits per example, what they say, and the bits themselves, one number each."""

    sender: str
    bits: int
    content: str
    payload: tuple[int, ...] = field(default=(), repr=False, compare=False)


@dataclass(frozen=True)
class Transcript(Shown):
    """A protocol's messages and its answers, beside the model's own.

    logits:     Float[B, Q, answers], from what was said and the receiver's part of the input
    difference: the largest difference from the model's own forward pass, as PyTorch computes it
    exact:      whether every logit equals the model's own in the protocol's arithmetic, bit for bit; None where the
                protocol is not run in a stated arithmetic

    >>> task = sx.tasks.create("index-lookup", length=8, alphabet=4)
    >>> batch = task.sample(2, torch.Generator().manual_seed(0))
    >>> model = sx.models.create("lstm", task, width=4)
    >>> run = sx.bounds.recurrent_protocol(model, batch.context, batch.queries, cut=5)
    >>> [(message.sender, message.bits, message.content) for message in run.messages]
    [('Alice', 256, 'the state after 5 tokens, as stored')]
    """

    messages: tuple[Message, ...]
    logits: Tensor
    difference: float
    exact: bool | None = None

    @property
    def bits(self) -> int:
        """Bits sent per example."""
        return sum(message.bits for message in self.messages)

    @property
    def answers(self) -> Tensor:
        """Int[B, Q]: the answers the protocol gives."""
        return self.logits.argmax(dim=-1)


def require_numbers(logits: Tensor, computed_in: str) -> None:
    """InputError where a logit is no number: then nothing is answered, and nothing is equal to it."""
    if bool(logits.isnan().any()):
        raise InputError(f"the model's logits are no numbers (NaN) in {computed_in}: its weights answer nothing")


def largest_difference(logits: Tensor, own: Tensor) -> float:
    """The largest difference of two tensors of logits; equal infinities do not differ."""
    return float(torch.where(logits == own, 0.0, (logits - own).abs()).max())


class Channel:
    """Carries numbers as bits. What is received is decoded from the bits alone."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def integers(self, sender: str, sent: np.ndarray, bits: int, content: str, signed: bool = False) -> np.ndarray:
        """Integers [B, …] of so many bits each, two's complement when signed. Raises InputError for one too large."""
        low, high = (-(1 << bits - 1), 1 << bits - 1) if signed else (0, 1 << bits)
        flat = sent.reshape(len(sent), -1)
        if any(not low <= number < high for number in flat.ravel().tolist()):
            raise InputError(f"a number of {content} does not fit in {bits} bits")
        payload = tuple(_pack(row, bits) for row in flat.tolist())
        self.messages.append(Message(sender, bits * flat.shape[1], content, payload))
        received = [_unpack(word, bits, flat.shape[1], high if signed else 0) for word in payload]
        return np.array(received, dtype=object).reshape(sent.shape)

    def numbers(self, sender: str, sent: Tensor, number_format: Format, content: str) -> Tensor:
        """Numbers [B, …] of a format, as its bit patterns."""
        codes = patterns(number_format, sent)
        got: Any = self.integers(sender, codes.cpu().numpy(), number_format.bits, content)
        return values(number_format, torch.from_numpy(got.astype(np.int64)).to(sent.device))


def _pack(numbers: list[int], bits: int) -> int:
    word = 0
    for number in reversed(numbers):
        word = word << bits | number % (1 << bits)
    return word


def _unpack(word: int, bits: int, count: int, offset: int) -> list[int]:
    """`count` numbers of so many bits; those from `offset` on (when it is not 0) stand for negative ones."""
    found = [word >> bits * i & (1 << bits) - 1 for i in range(count)]
    return [number - (1 << bits) if offset and number >= offset else number for number in found]
