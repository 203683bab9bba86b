"""Which code runs the kernels: the native module, with which instruction set, or the plain references."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
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

HALF_DTYPES = (torch.float16, torch.bfloat16)
"""Computed in float32 (`precision.in_full_precision`)."""

_choice: ContextVar[str | None] = ContextVar("separatrix_kernels", default=None)  # by `use`; each thread has its own


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
    """What runs the kernels now, in this thread.

    >>> sx.ops.status().instruction_set in ("none", *sx.ops.status().available)  # avx2, say
    True
    """
    module = native()
    if isinstance(module, str):
        return Status(False, "none", (), module)
    sets = tuple(module.instruction_sets())
    if _references_chosen():
        return Status(False, "none", sets, "chosen by ops.use")
    return Status(True, instruction_set(), sets)


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _references_chosen() -> bool:
    return _choice.get() == "reference"


def instruction_set() -> str:
    """The one to run with where the native module is there: chosen by `use`, else by the environment, else the best."""
    choice = _choice.get()
    return _best if choice in (None, "reference") else choice


def backend() -> str:
    """One line for people: `native kernels (avx2)`, or why the references run.

    >>> with sx.ops.use("reference"):
    ...     print(sx.ops.backend())
    ...
    reference kernels: chosen by ops.use
    """
    return str(status())


def _find() -> tuple[Any, str]:
    """The native module and its instruction set to use, or the reason (a string) why there is none."""
    wanted = os.environ.get(SWITCH, "").lower()
    if wanted == "off":
        return f"switched off by {SWITCH}=off", ""
    try:
        module = import_module("separatrix._native")
    except ImportError as error:
        return _why_not_built(error), ""
    if wanted and wanted not in module.instruction_sets():
        raise unknown(f"{SWITCH} on this machine:", wanted, ["off", *module.instruction_sets()])
    return module, wanted or module.instruction_sets()[-1]


def _why_not_built(error: ImportError) -> str:
    """What was missing when the package was installed, and with which compiler."""
    built_with, missing = compiler()
    if missing:
        return f"the kernels were not built: {missing} (compiler: {built_with}); install again when that is there"
    if built_with:
        return f"the kernels built with {built_with} cannot be loaded ({error}): install separatrix again"
    return f"the kernels could not be built ({error}): `pip install -v separatrix` shows what the compiler said"


def compiler() -> tuple[str, str]:
    """What compiled the kernels ("GNU 12.2.0"), and what was missing to do so; empty where there is no record."""
    try:
        record = import_module("separatrix._build")
    except ImportError:
        return "", ""
    return record.compiler, record.missing


_found, _best = _find()  # while this module is imported, so that torch.compile meets a constant


def native() -> Any:
    """The native module, or the reason (a string) why there is none."""
    return _found


@contextmanager
def use(name: str) -> Iterator[None]:
    """Run the kernels with `reference`, or one of `status().available`, inside a `with` block (tests, benchmarks).

    Other threads go on as they were, and what torch.compile made keeps to native kernels or references as it was made.

    >>> x = torch.randn(1, 100, 4)
    >>> with sx.ops.use("reference"):
    ...     slow = sx.ops.linear_recurrence(torch.full((4,), 0.9), x)
    ...
    >>> torch.allclose(slow, sx.ops.linear_recurrence(torch.full((4,), 0.9), x), atol=1e-5)
    True
    """
    sets = status().available
    if name not in ("reference", *sets):
        raise unknown("kernels", name, ["reference", *sets])
    before = _choice.set(name)
    try:
        yield
    finally:
        _choice.reset(before)


def takes(*tensors: Tensor | None) -> bool:
    """Whether the native kernels can take these tensors; says so, once, when the reference must run on a CPU."""
    given = [tensor for tensor in tensors if tensor is not None]
    if given[0].device.type not in ("cpu", "meta"):
        return False
    if _references_chosen():
        return False
    if isinstance(module := native(), str):
        warn_once(f"plain PyTorch references run in place of the native kernels, many times slower: {module}")
        return False
    if given[0].dtype not in (*NATIVE_DTYPES, *HALF_DTYPES):
        warn_once(f"native kernels serve float32 and float64: the slower reference runs for {given[0].dtype}")
        return False
    return True


@cache
def warn_once(message: str) -> None:
    """Log a warning the first time it is given."""
    log.warning(message)
