"""Comparing models at equal state: the width, or state size, that hands over a given number of numbers or bits."""

from __future__ import annotations

from typing import Any

import torch

from separatrix.errors import InputError
from separatrix.models.registry import create
from separatrix.models.state import bits_per_number, state_numbers
from separatrix.tasks.problem import Problem


def measured_numbers(name: str, task: Problem, length: int | None = None, **options: Any) -> int:
    """Scalars one example's state holds after a context of `length` tokens (default: the task's), measured.

    The model is built without its weights' memory, so any size can be asked for; one's own modules, whose causality
    is checked with numbers, are built with it.

    >>> task = sx.tasks.create("index-lookup", length=1000, alphabet=64)
    >>> sx.models.measured_numbers("lstm", task, width=256), sx.models.measured_numbers("transformer", task, width=256)
    (512, 512000)
    """
    count = length or task.length
    try:
        return _numbers("meta", name, task, count, options)
    except (RuntimeError, InputError):
        return _numbers("cpu", name, task, count, options)


def _numbers(device: str, name: str, task: Problem, count: int, options: dict[str, Any]) -> int:
    with torch.device(device), torch.random.fork_rng(devices=[]), torch.no_grad():
        model = create(name, task, **options)
        if task.vector_size is None:
            context = torch.zeros(1, count, dtype=torch.long)
        else:
            context = torch.zeros(1, count, task.vector_size)
        return state_numbers(model.prefill(context))


def size_for_state(
    name: str,
    task: Problem,
    numbers: int | None = None,
    bits: int | None = None,
    option: str = "width",
    multiple: int = 1,
    dtype: torch.dtype = torch.float32,
    **options: Any,
) -> int:
    """The smallest value of `option` whose state reaches so many numbers, or so many bits at `dtype`.

    option:   what to vary: "width", or "state", "key_width", "expand" … where the architecture has it
    multiple: try multiples of this only (where heads must divide the width)
    Raises InputError when the option does not change the state, or when no value reaches the size.

    >>> task = sx.tasks.create("index-lookup", length=100, alphabet=64)
    >>> sx.models.size_for_state("mamba", task, numbers=2 * 256)  # hands over as much as an LSTM of width 256
    14
    """
    if (numbers is None) == (bits is None):
        raise InputError("size_for_state: give numbers or bits, and not both")
    wanted = numbers if numbers is not None else -(-bits // bits_per_number(dtype))  # type: ignore[operator]

    def reached(value: int) -> int:
        return measured_numbers(name, task, **{**options, option: value * multiple})

    low, high = 0, 1
    before = reached(1)
    while (now := reached(high)) < wanted:
        if high > 1 and now <= before:
            raise InputError(f"{name}: {option} does not change the size of its state ({now} numbers)")
        low, high, before = high, 2 * high, now
        if high * multiple > 2**24:
            raise InputError(f"{name}: no {option} up to {2**24} reaches a state of {wanted} numbers")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if reached(middle) < wanted else (low, middle)
    return high * multiple
