"""Finite groups as multiplication tables: `table[a][b]` is the element a · b (first a, then b)."""

from __future__ import annotations

from functools import lru_cache
from itertools import permutations, product

import torch
from torch import Tensor

from separatrix.errors import InputError, unknown

Table = tuple[tuple[int, ...], ...]

NAMED = ("S3", "A5", "S5")


@lru_cache(maxsize=16)
def named_group(name: str) -> Table:
    """The table of S3 (6 elements), A5 (60) or S5 (120); element 0 is the identity. Raises InputError for others."""
    if name not in NAMED:
        raise unknown("group", name, NAMED)
    degree = int(name[1])
    elements = [p for p in permutations(range(degree)) if name[0] == "S" or _even(p)]
    index = {element: i for i, element in enumerate(elements)}
    return tuple(tuple(index[tuple(b[i] for i in a)] for b in elements) for a in elements)


def _even(permutation: tuple[int, ...]) -> bool:
    pairs = [(i, j) for i in range(len(permutation)) for j in range(i)]
    return sum(permutation[i] < permutation[j] for i, j in pairs) % 2 == 0


@lru_cache(maxsize=16)
def check_group(table: Table) -> None:
    """Raises InputError, with the elements that show it, when a table is no group."""
    order = len(table)
    if order < 2 or any(len(row) != order for row in table):
        raise InputError(
            f"a group table must be square with at least 2 elements, got rows of {[len(r) for r in table]}"
        )
    for a, b in product(range(order), repeat=2):
        if not 0 <= table[a][b] < order:
            raise InputError(
                f"a group table of {order} elements must hold 0 … {order - 1}, got {table[a][b]} as {a}·{b}"
            )
    identities = [e for e in range(order) if all(table[e][a] == a == table[a][e] for a in range(order))]
    if not identities:
        raise InputError("not a group: no element e has e·a = a·e = a for every a")
    stuck = [a for a in range(order) if identities[0] not in table[a]]
    if stuck:
        raise InputError(f"not a group: element {stuck[0]} has no inverse")
    products = torch.tensor(table)
    for a in range(order):  # (a·b)·c against a·(b·c)
        wrong = (products[products[a]] != products[a][products]).nonzero()
        if len(wrong):
            b, c = wrong[0].tolist()
            raise InputError(
                f"not a group: ({a}·{b})·{c} = {table[table[a][b]][c]}, but {a}·({b}·{c}) = {table[a][table[b][c]]}"
            )


def centre_order(table: Table) -> int:
    """How many elements commute with all others."""
    return sum(all(table[a][b] == table[b][a] for b in range(len(table))) for a in range(len(table)))


def words(table: Tensor, context: Tensor) -> Tensor:
    """Int[B]: the product of each row of elements, by halving: log2 N rounds of vectorised products."""
    while context.shape[1] > 1:
        even = context.shape[1] // 2 * 2
        paired = table[context[:, 0:even:2], context[:, 1:even:2]]
        context = torch.cat([paired, context[:, even:]], dim=1)
    return context[:, 0]
