"""Multi-query associative recall as a stream, in the layout of Zoology (Arora et al. 2023), for published settings."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from separatrix.errors import InputError
from separatrix.tasks.sampling import distinct, weighted

UNLABELLED = -100


def mqar(
    batch_size: int,
    generator: torch.Generator,
    length: int = 64,
    pairs: int = 8,
    vocabulary: int = 8192,
    power: float = 0.01,
    random_non_queries: bool = True,
) -> tuple[Int[Tensor, "B N"], Int[Tensor, "B N"]]:
    """Plain `(inputs, labels)`: key-value pairs, then the keys again at power-law gaps; -100 where nothing is asked.

    length:     tokens of a stream, even
    pairs:      key-value pairs at its start (2 * pairs tokens); the rest has room for at least as many queries
    vocabulary: keys are tokens 1 … vocabulary/2 - 1, values vocabulary/2 … vocabulary - 1, both without repetition
    power:      a: the gap g before a query has weight g^(a - 1)
    random_non_queries: fill the places that ask nothing with uniform tokens (else with token 0)
    The label stands at the place of the key, where the model is to say the value. Raises InputError when sizes clash.

    >>> inputs, labels = sx.tasks.mqar(1, torch.Generator().manual_seed(0), length=8, pairs=2, vocabulary=8)
    >>> inputs.tolist(), labels.tolist()  # the first two pairs say what the keys' values are
    ([[2, 7, 3, 4, 2, 6, 3, 1]], [[-100, -100, -100, -100, 7, -100, 4, -100]])
    """
    room = (length - 2 * pairs) // 2
    if length % 2 or vocabulary % 2:
        raise InputError(f"length and vocabulary must be even, got {length} and {vocabulary}")
    if pairs < 1 or room < pairs:
        raise InputError(f"{pairs} pairs and as many queries need a length of {4 * max(pairs, 1)}, got {length}")
    if vocabulary // 2 - 1 < pairs:
        raise InputError(f"{pairs} distinct keys need a vocabulary of {2 * pairs + 2} at least, got {vocabulary}")
    device, half = generator.device, vocabulary // 2
    keys = 1 + distinct(half - 1, pairs, batch_size, generator)
    values = half + distinct(half, pairs, batch_size, generator)
    weights = torch.arange(1, room + 1, device=device, dtype=torch.float64) ** (power - 1)
    gaps = weighted(weights, pairs, batch_size, generator)
    shape = (batch_size, length)
    inputs = torch.randint(vocabulary, shape, generator=generator, device=device) if random_non_queries else None
    inputs = torch.zeros(shape, dtype=torch.int64, device=device) if inputs is None else inputs
    inputs[:, 0 : 2 * pairs : 2], inputs[:, 1 : 2 * pairs : 2] = keys, values
    places = 2 * pairs + 2 * gaps
    inputs.scatter_(1, places, keys)
    labels = torch.full(shape, UNLABELLED, dtype=torch.int64, device=device)
    return inputs, labels.scatter_(1, places, values)
