"""Which code runs the kernels: the native module, with which instruction set, or the plain references."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from separatrix.errors import unknown

log = logging.getLogger("separatrix")

SWITCH = "SEPARATRIX_NATIVE"
"""Environment variable: `off` for the references, or an instruction set (baseline, avx2, avx512) to use."""

NATIVE_DTYPES = (torch.float32, torch.float64, torch.complex64, torch.complex128)

_disabled: str | None = None  # why the native module is not to be used although it may be there


@dataclass(frozen=True)
class Status:
    """What runs the kernels on the CPU. `reason` says why when it is not the native module.

    >>> with sx.ops.use("reference"):
    ...     print(sx.ops.status().instruction_set)
    ...
    none
    """

    native: bool
    instruction_set: str
    available: tuple[str, ...]
    reason: str = ""

    def __str__(self) -> str:
        return f"native kernels ({self.instruction_set})" if self.native else f"reference kernels: {self.reason}"

    def record(self) -> dict[str, Any]:
        """As JSON-able values, for a trial's record of its environment."""
        return asdict(self)


def status() -> Status:
    """What runs the kernels now.

    >>> sx.ops.status().instruction_set in ("none", *sx.ops.status().available)  # avx2, say
    True
    """
    module = native()
    if isinstance(module, str):
        return Status(False, "none", (), module)
    sets = tuple(module.instruction_sets())
    if _disabled:
        return Status(False, "none", sets, _disabled)
    return Status(True, module.instruction_set(), sets)


def backend() -> str:
    """One line for people: `native kernels (avx2)`, or why the references run.

    >>> with sx.ops.use("reference"):
    ...     print(sx.ops.backend())
    ...
    reference kernels: chosen by ops.use
    """
    return str(status())


def _find() -> Any:
    """The native module, or the reason (a string) why there is none."""
    wanted = os.environ.get(SWITCH, "").lower()
    if wanted == "off":
        return f"switched off by {SWITCH}=off"
    try:
        module = import_module("separatrix._native")
    except ImportError as error:
        return f"the native module is not installed ({error}): reinstall separatrix where GCC or Clang is found"
    if wanted:
        if wanted not in module.instruction_sets():
            raise unknown(f"{SWITCH} on this machine:", wanted, ["off", *module.instruction_sets()])
        module.select(wanted)
    return module


_found = _find()  # while this module is imported, so that torch.compile meets a constant


def native() -> Any:
    """The native module, or the reason (a string) why there is none."""
    return _found


@contextmanager
def use(name: str) -> Iterator[None]:
    """Run the kernels with `reference`, or one of `status().available`, inside a `with` block (tests, benchmarks).

    >>> x = torch.randn(1, 100, 4)
    >>> with sx.ops.use("reference"):
    ...     slow = sx.ops.linear_recurrence(torch.full((4,), 0.9), x)
    ...
    >>> torch.allclose(slow, sx.ops.linear_recurrence(torch.full((4,), 0.9), x), atol=1e-5)
    True
    """
    global _disabled  # noqa: PLW0603
    module, before = native(), _disabled
    sets = [] if isinstance(module, str) else module.instruction_sets()
    if name not in ("reference", *sets):
        raise unknown("kernels", name, ["reference", *sets])
    if name == "reference":
        _disabled = "chosen by ops.use"
        try:
            yield
        finally:
            _disabled = before
        return
    previous, _disabled = module.instruction_set(), None
    module.select(name)
    try:
        yield
    finally:
        module.select(previous)
        _disabled = before


def takes(*tensors: Tensor | None) -> bool:
    """Whether the native kernels can take these tensors; says so, once, when the reference must run on a CPU."""
    given = [tensor for tensor in tensors if tensor is not None]
    if given[0].device.type not in ("cpu", "meta"):
        return False
    if _disabled:
        return False
    if isinstance(module := native(), str):
        warn_once(f"plain PyTorch references run in place of the native kernels, many times slower: {module}")
        return False
    if given[0].dtype not in NATIVE_DTYPES:
        warn_once(f"native kernels serve float32 and float64: the slower reference runs for {given[0].dtype}")
        return False
    return True


@cache
def warn_once(message: str) -> None:
    """Log a warning the first time it is given."""
    log.warning(message)
