"""Reductions: instances of the classical communication problems as inputs of the tasks."""

from __future__ import annotations

import torch
from torch import Tensor

from separatrix.tasks import Task


def index_instance(bits: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    """INDEX (Alice: bits, Bob: a place) as index lookup over two tokens: (contexts Int[B, n], queries Int[B, 1])."""
    return bits, place[:, None]


def equality_instance(task: Task, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """EQ as the equality task in the task's layout: (contexts, queries)."""
    return task.join(first, second), torch.zeros(len(first), 1, dtype=torch.int64)  # type: ignore[attr-defined]


def disjointness_instance(task: Task, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """DISJ as the disjointness task in the task's layout: (contexts, queries)."""
    return equality_instance(task, first, second)


def dyck_instance(bits: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """EQ as bounded Dyck-(2, 1): Alice's bits open at odd places, Bob's close at even ones; equal iff balanced."""
    return torch.stack([bits, 2 + other], dim=2).flatten(1), torch.zeros(len(bits), 1, dtype=torch.int64)


def recall_instance(task: Task, bits: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    """INDEX as associative recall: key i stands beside Alice's bit i; Bob asks key `place`."""
    keys = torch.arange(bits.shape[1]).expand_as(bits)
    return torch.stack([keys, bits + task.value_offset], dim=2).flatten(1), place[:, None]  # type: ignore[attr-defined]
