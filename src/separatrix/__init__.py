"""How large must a model of this architecture be to do this task at this length: proved, constructed and measured.

import separatrix as sx
task = sx.tasks.create("index-lookup", length=100, alphabet=64)
model = sx.models.create("lstm", task, width=64)
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_LAZY = {
    "InputError": "separatrix.errors",
    "state_bits": "separatrix.models.state",
    "state_numbers": "separatrix.models.state",
    "results": "separatrix.experiments.store.table",
}
_PACKAGES = ("bounds", "constructions", "experiments", "models", "numerics", "ops", "report", "tasks")

__all__ = ["__version__", *_LAZY, *_PACKAGES]


def __getattr__(name: str) -> Any:  # names are imported when first used: `import separatrix` stays instant
    if name in _PACKAGES:
        return import_module(f"separatrix.{name}")
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'separatrix' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
