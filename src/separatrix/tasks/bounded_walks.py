"""Bounded walks, exactly uniform: steps up and down from 0 to 0 that stay within 0 … k, or that touch k + 1."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from separatrix.errors import InputError

BITS = 62
"""Binary digits drawn per step before a tie asks for more."""

MOST = 2**17
"""Steps of the longest walks: their counts have as many binary digits, so that a table takes their square in time."""


def sample_walks(
    steps: int, top: int, deep: Bool[Tensor, " B"], generator: torch.Generator, longest: int = 0, bits: int = BITS
) -> Bool[Tensor, "B N"]:
    """Uniform walks of N steps from 0 to 0 within 0 … top, or where `deep` with greatest height exactly top + 1.

    True is a step up. The chance of each step is a ratio of integer counts, compared with as many random binary digits
    as it takes to decide: the walks are exactly uniform, without rounding.

    steps:   N, even; at least 2 (top + 1) where any row is `deep`
    longest: the greatest N that will be asked for (its table serves all the shorter ones)
    Raises InputError beyond `MOST` steps.
    """
    if max(steps, longest) > MOST:
        asked = max(steps, longest)
        raise InputError(f"brackets are drawn exactly uniformly, which takes up to {MOST:,} of them, not {asked:,}")
    batch, top = len(deep), min(top, max(steps, longest) // 2)
    thresholds, after = _tables(max(steps, longest), top, bits)
    states, after = after.shape[1], after.ravel()
    drawn = torch.randint(1 << bits, (steps, batch), generator=generator, device=generator.device)
    digits = drawn.cpu().numpy()  # on the CPU one step takes NumPy a fifth of PyTorch's time
    visited = np.empty((steps + 1, batch), dtype=np.int64)
    up = np.empty((steps, batch), dtype=bool)
    visited[0] = deep.cpu().numpy() * (top + 2)
    for step in range(steps):
        state = visited[step]
        np.less(digits[step], thresholds[steps - step].take(state), out=up[step])
        after.take(state + states * up[step], out=visited[step + 1], mode="clip")
    left = np.arange(steps, 0, -1)[:, None]
    for row in np.flatnonzero((thresholds[left, visited[:-1]] == digits).any(axis=0)):
        up[:, row] = _exact_walk(digits[:, row].tolist(), int(visited[0, row]), top, bits, generator)
    return torch.from_numpy(np.ascontiguousarray(up.T)).to(deep.device)


def _moves(top: int) -> tuple[list[int], list[int]]:
    """The state after a step down and after a step up (-1: not allowed).

    A state is (regime, height), numbered regime * (top + 2) + height. Regime 0 stays within 0 … top, 1 has still to
    touch top + 1, 2 has touched it.
    """
    size = top + 2
    down = [regime * size + height - 1 if height else -1 for regime in range(3) for height in range(size)]
    up = [-1] * (3 * size)
    for height in range(top + 1):
        up[height] = height + 1 if height < top else -1
        up[size + height] = (1 if height < top else 2) * size + height + 1
        up[2 * size + height] = 2 * size + height + 1
    return down, up


def _counts(steps: int, top: int) -> Iterator[list[int]]:
    """For 0, 1, … steps left: how many ways each state has of ending at height 0 as its regime asks."""
    down, up = _moves(top)
    ways = [int(state in (0, 2 * (top + 2))) for state in range(len(down))]
    yield ways
    for _ in range(steps):
        ways = [
            (ways[lower] if lower >= 0 else 0) + (ways[higher] if higher >= 0 else 0)
            for lower, higher in zip(down, up, strict=True)
        ]
        yield ways


@lru_cache(maxsize=16)
def _tables(steps: int, top: int, bits: int) -> tuple[Int64[np.ndarray, "left states"], Int64[np.ndarray, "2 states"]]:
    """floor(2^bits * chance of a step up) by steps left and state, and the state after a step down or up."""
    down, up = _moves(top)
    thresholds = np.zeros((steps + 1, len(up)), dtype=np.int64)
    before: list[int] = []
    for left, ways in enumerate(_counts(steps, top)):
        if left:
            thresholds[left] = [(before[u] << bits) // w if u >= 0 and w else 0 for u, w in zip(up, ways, strict=True)]
        before = ways
    return thresholds, np.array([down, up], dtype=np.int64).clip(min=0)


def _exact_walk(digits: list[int], state: int, top: int, bits: int, generator: torch.Generator) -> list[bool]:
    """One walk whose first digits of each step are given: draws more of them where they tie with the chance."""
    down, up = _moves(top)
    counts = list(_counts(len(digits), top))
    steps = []
    for taken, drawn in enumerate(digits):
        ways, before = counts[len(digits) - taken], counts[len(digits) - taken - 1]
        numerator = before[up[state]] if up[state] >= 0 else 0
        digit, left = drawn, numerator
        while True:
            threshold, left = divmod(left << bits, ways[state])
            if digit != threshold or left == 0:
                break
            digit = int(torch.randint(1 << bits, (), generator=generator, device=generator.device))
        rises = digit < threshold
        steps.append(rises)
        state = up[state] if rises else down[state]
    return steps
