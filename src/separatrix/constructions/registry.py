"""Constructions by name, imported when first asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from separatrix.constructions.construction import Construction, Options
from separatrix.errors import unknown
from separatrix.tasks import family

_MODULES: dict[str, str] = {
    "index-lookup": "index_lookup",
    "automaton": "automaton",
    "parity": "automaton",
    "modular-counter": "automaton",
    "group-word": "automaton",
    "bounded-dyck-automaton": "automaton",
    "bounded-dyck-stack": "stack",
    "shift-register": "shift_register",
    "equality-interleaved": "interleaved",
    "disjointness-interleaved": "interleaved",
    "equality-fingerprint": "fingerprint",
    "equality": "equality",
    "disjointness": "disjointness",
    "sparse-threshold": "sparse_threshold",
    "associative-recall": "associative_recall",
    "nearest-neighbor": "nearest_neighbor",
}
"""Name of the construction → module of this package, whose THEOREMS hold it."""


@dataclass(frozen=True)
class Theorem:
    """How to make one construction: the task family it solves, its options and what builds it.

    statement: what is proved, in one line; source: where
    fixed:     parameters of the task that the construction is about, e.g. the layout
    build:     (task, options) -> Construction; raises InputError for sizes outside the guarantee
    """

    name: str
    task: str
    statement: str
    source: str
    build: Callable[[Any, Any], Construction]
    options: type[Options] = Options
    fixed: dict[str, Any] = field(default_factory=dict)


def names() -> list[str]:
    """The registered constructions."""
    return list(_MODULES)


def theorem(name: str) -> Theorem:
    """A registered construction. Raises InputError naming the nearest valid name."""
    if name not in _MODULES:
        raise unknown("construction", name, _MODULES)
    return import_module(f"separatrix.constructions.{_MODULES[name]}").THEOREMS[name]


def create(name: str, **parameters: Any) -> Construction:
    """A construction by name, e.g. `create("index-lookup", length=2**20, alphabet=64, format="bf16")`.

    parameters: fields of the task and options of the construction
    Raises InputError for unknown names and keys, CertificateError where the guarantee cannot be given.
    """
    found = theorem(name)
    options = {key: parameters.pop(key) for key in list(parameters) if key in found.options.model_fields}
    task = family(found.task)(**{**found.fixed, **parameters})
    return found.build(task, found.options(**options))
