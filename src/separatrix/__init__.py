"""How large must a model of this architecture be to do this task at this length: proved, constructed and measured.

>>> import separatrix as sx
>>> task = sx.tasks.create("index-lookup", length=100, alphabet=64)
>>> model = sx.models.create("lstm", task, width=64)
>>> sx.bounds.smallest_state(task.recurrent_bits(), precision=32)  # numbers of state that an exact model needs
19
"""

from importlib import import_module as _import_module
from typing import Any as _Any

from separatrix.lazy import lazy as _lazy

__version__ = "0.1.0"

_PACKAGES = ("bounds", "constructions", "experiments", "models", "numerics", "ops", "report", "tasks")
_find, _names = _lazy(
    __name__,
    {
        "errors": ["InputError"],
        "models.state": ["state_bits", "state_numbers"],
        "experiments.store.table": ["results"],
        "experiments.tuned": ["train"],
        "experiments.measure.language_model": ["recall"],
    },
)
__all__ = ["__version__", *_names, *_PACKAGES]


def __getattr__(name: str) -> _Any:
    return _import_module(f"{__name__}.{name}") if name in _PACKAGES else _find(name)


def __dir__() -> list[str]:
    return sorted(__all__)
