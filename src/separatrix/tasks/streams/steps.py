"""Machines that go through whole batches token by token: tops of stacks, and states of tables.

Each step is a few operations on all streams at once; on the CPU one takes NumPy a fraction of PyTorch's time.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Int, Shaped
from torch import Tensor


def by_place(tensor: Shaped[Tensor, "B T"]) -> Shaped[np.ndarray, "T B"]:
    """Places first, so that what a step needs lies together."""
    return tensor.cpu().numpy().T.copy()


def by_stream(array: Shaped[np.ndarray, "T B"], device: torch.device) -> Shaped[Tensor, "B T"]:
    """Streams first again."""
    return torch.from_numpy(np.ascontiguousarray(array.T)).to(device)


def tops(tokens: Int[Tensor, "B T"], pushes: Bool[Tensor, "B T"], empty: int) -> Int[Tensor, "B T"]:
    """What lies on top of a stack after each token, each of which pushes itself or pops.

    Popping an empty stack leaves it empty, and `empty` is then on top.
    """
    batch, length = tokens.shape
    token, push = by_place(tokens.to(torch.int32)), by_place(pushes)
    stack = np.empty(batch * (length + 1), dtype=np.int32)
    stack[:batch] = empty
    row = np.arange(batch)
    here = row.copy()  # where the top of each stack lies
    for said, pushed in zip(token, push, strict=True):  # tokens make way for what lies on top behind them
        here += np.where(pushed, batch, -batch)
        np.maximum(here, row, out=here)
        np.copyto(said, stack.take(here, mode="clip"), where=~pushed)
        stack[here] = said
    return by_stream(token, tokens.device).to(tokens.dtype)


def states(tokens: Int[Tensor, "B T"], table: Int[Tensor, "S A"], start: int) -> Int[Tensor, "B T"]:
    """The state after each token of the machine that goes from state s to table[s, token]."""
    if tokens.device.type != "cpu":
        return states_by_halves(tokens, table, start)
    token, step = by_place(tokens), table.numpy().ravel()
    found = np.empty_like(token)
    state = np.full_like(token[0], start)
    for t in range(len(token)):
        state = step.take(state * table.shape[1] + token[t], out=found[t], mode="clip")
    return by_stream(found, tokens.device)


def states_by_halves(tokens: Int[Tensor, "B T"], table: Int[Tensor, "S A"], start: int) -> Int[Tensor, "B T"]:
    """The same where a step costs a launch: functions of the state are composed, of 1, 2, 4, … tokens."""
    so_far = table.T[tokens]  # (B, T, S): where the last token leads from each state
    reach = 1
    while reach < tokens.shape[1]:
        later = so_far[:, reach:].gather(2, so_far[:, :-reach])
        so_far = torch.cat([so_far[:, :reach], later], dim=1)
        reach *= 2
    return so_far[..., start]
