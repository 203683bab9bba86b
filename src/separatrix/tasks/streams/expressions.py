"""Bracketed expressions modulo m, whole batches at once: drawn uniformly, read, and evaluated."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Int, Int64
from torch import Tensor

from separatrix.tasks.examples import UNLABELLED
from separatrix.tasks.sampling import places
from separatrix.tasks.streams.steps import by_place, by_stream

PLUS, MINUS, TIMES, OPEN, CLOSE = range(5)
"""What the tokens from m on mean, in their published order."""


def expressions(
    batch_size: int, count: int, modulus: int, operations: int, generator: torch.Generator
) -> Int[Tensor, "B T"]:
    """Uniform expressions of `count` operations, the first `operations` of + - *, in T = 4 count + 1 tokens."""
    device = generator.device
    opening = _shapes(batch_size, count, generator)  # (B, 2n + 1)
    closed = _closings(opening)
    width = torch.where(opening, 1, closed + 2)  # a digit, the brackets that close behind it, an operation
    begin = width.cumsum(dim=1) - width
    symbols = torch.randint(modulus, opening.shape, generator=generator, device=device)
    symbols.masked_fill_(opening, modulus + OPEN)
    between = torch.randint(modulus, modulus + operations, opening.shape, generator=generator, device=device)
    tokens = torch.full((batch_size, 4 * count + 2), modulus + CLOSE, device=device)
    after = torch.where(opening, 4 * count + 1, begin + 1 + closed)  # the last digit's operation is out of sight too
    return tokens.scatter_(1, after, between).scatter_(1, begin, symbols)[:, :-1]


def _shapes(batch_size: int, count: int, generator: torch.Generator) -> Bool[Tensor, "B symbols"]:
    """Where brackets open, among the n + 1 digits, in uniform shapes.

    Of the rotations of n brackets and n + 1 digits exactly one is an expression (the cycle lemma): that which begins
    behind the first lowest point of its walk.
    """
    size = 2 * count + 1
    many = torch.full((batch_size,), count, device=generator.device)
    opening = places(many, size, generator)
    lowest = _walk(opening).argmin(dim=1, keepdim=True)
    return opening.gather(1, (lowest + 1 + torch.arange(size, device=opening.device)) % size)


def _walk(opening: Bool[Tensor, "B symbols"]) -> Int[Tensor, "B symbols"]:
    """Operands that are still to come but for one, after each symbol: up with a bracket, down with a digit."""
    return (2 * opening.to(torch.int32) - 1).cumsum(dim=1, dtype=torch.int32)


def _closings(opening: Bool[Tensor, "B symbols"]) -> Int[Tensor, "B symbols"]:
    """How many brackets close behind each digit: those that opened at its height since one closed there last.

    One symbol after the other for the whole batch; NumPy takes a fraction of PyTorch's time for such steps.
    """
    batch, size = opening.shape
    opens = by_place(opening)
    here = np.arange(batch)  # by the height before each symbol, which is 0 at least
    waiting = np.zeros(batch * (size // 2 + 2), dtype=np.int64)
    closed = np.zeros((size, batch), dtype=np.int64)
    for up, count in zip(opens, closed, strict=True):
        found = waiting.take(here)
        np.copyto(count, found, where=~up)
        waiting[here] = (found + 1) * up
        here += np.where(up, batch, -batch)
    return by_stream(closed, opening.device)


def evaluated(inputs: Int[Tensor, "B T"], modulus: int) -> Int[Tensor, "B T"]:
    """The value of each bracket at the place where it closes, UNLABELLED elsewhere; of no meaning in what is none.

    What a bracket holds of its first operand and its operation, while the second is read, is one number.
    """
    batch, length = inputs.shape
    table, square = _table(modulus), modulus**2
    held = np.zeros(batch * (length + 1), dtype=np.int64)
    row = np.arange(batch)
    here, value = row.copy(), np.zeros(batch, dtype=np.int64)  # where the innermost bracket is held; the last value
    said = by_place(inputs)  # tokens make way for labels
    for token in said:
        here += batch * (token == modulus + OPEN)
        holds = held.take(here, mode="clip")
        result = table.take(holds + value, mode="clip")
        closes = token == modulus + CLOSE
        operation = (token >= modulus) & (token <= modulus + TIMES)
        np.copyto(holds, (token - modulus) * square + value * modulus, where=operation)
        held[here] = holds
        np.copyto(value, token, where=token < modulus)
        np.copyto(value, result, where=closes)
        token[:] = np.where(closes, result, UNLABELLED)
        here -= batch * closes
        np.maximum(here, row, out=here)
    return by_stream(said, inputs.device)


def _table(modulus: int) -> Int64[np.ndarray, " entries"]:
    """The value of every operation on every two digits, laid out one after the other."""
    left, right = np.arange(modulus)[:, None], np.arange(modulus)[None]
    return np.stack([left + right, left - right, left * right]).ravel() % modulus


def well_formed(inputs: Int[Tensor, "B T"], modulus: int) -> Bool[Tensor, " B"]:
    """Which streams are expressions: rewriting every bracket that closes as a digit leaves one digit.

    A bracket closes exactly where two operands and the operation between them stand on the stack of its opening.
    """
    batch, length = inputs.shape
    stack = torch.full((batch, length + 5), -1, device=inputs.device)  # kinds: 0 a value, 1 an operation, 2 a bracket
    height = torch.full((batch, 1), 4, device=inputs.device)  # four places of nothing below
    right = torch.ones(batch, dtype=torch.bool, device=inputs.device)
    bracket = torch.tensor([0, 1, 0, 2], device=inputs.device)
    for t in range(length):
        token = inputs[:, t : t + 1]
        closes = token == modulus + CLOSE
        kind = torch.where(token < modulus, 0, torch.where(token == modulus + OPEN, 2, 1))
        top = stack.gather(1, (height + torch.arange(-4, 0, device=inputs.device)).clamp(min=0))  # (B, 4)
        right &= ~closes[:, 0] | (top == bracket[[3, 0, 1, 0]]).all(dim=1)
        height = torch.where(closes, (height - 4).clamp(min=4), height)
        stack.scatter_(1, height, torch.where(closes, 0, kind))
        height = height + 1
    return right & (height[:, 0] == 5) & (stack[:, 4] == 0) & (inputs[:, 0] == modulus + OPEN)
