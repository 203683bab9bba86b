"""The theorems, one after the other: bounds enumerated, protocols executed, constructions built, checked and asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from separatrix.experiments.theorems.findings import Finding
from separatrix.experiments.theorems.lower import lower_bounds
from separatrix.experiments.theorems.transcripts import WEIGHED, shift_register_protocol, weighed
from separatrix.experiments.theorems.upper import UPPER, constructed
from separatrix.experiments.theorems.widths import width_bounds


def findings() -> Iterator[Finding]:
    """All of them, one after the other as they are run."""
    for run, arguments in lower_bounds():
        yield _timed(run, *arguments)
    yield _timed(shift_register_protocol)
    for arithmetic, width in WEIGHED:
        yield _timed(weighed, arithmetic, width)
    for run, arguments in width_bounds():
        yield _timed(run, *arguments)
    for name, cases in UPPER.items():
        for parameters in cases:
            yield _timed(constructed, name, parameters)


def _timed(run: Callable[..., Finding], *arguments: Any) -> Finding:
    begun = time.perf_counter()
    found = run(*arguments)
    return found.replace(seconds=round(time.perf_counter() - begun, 3))
