"""Constructions by name, imported when first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from torch import Tensor

from separatrix.constructions.construction import Construction, Options
from separatrix.errors import unknown
from separatrix.models import SequenceModel
from separatrix.tasks import Problem, family

_MODULES: dict[str, str] = {
    "index-lookup": "attention.index_lookup",
    "automaton": "recurrent.automaton",
    "parity": "recurrent.automaton",
    "modular-counter": "recurrent.automaton",
    "group-word": "recurrent.automaton",
    "state-tracking": "recurrent.automaton",
    "flip-flop": "recurrent.automaton",
    "next-bracket": "recurrent.automaton",
    "bounded-dyck-automaton": "recurrent.automaton",
    "bounded-dyck-stack": "recurrent.stack",
    "bounded-dyck-two-layers": "attention.bounded_dyck",
    "bounded-dyck-three-layers": "attention.nested_dyck",
    "shift-register": "recurrent.shift_register",
    "equality-interleaved": "recurrent.interleaved",
    "disjointness-interleaved": "recurrent.interleaved",
    "equality-fingerprint": "recurrent.fingerprint",
    "equality": "attention.two_strings",
    "disjointness": "attention.two_strings",
    "sparse-threshold": "attention.sparse_threshold",
    "associative-recall": "attention.associative_recall",
    "associative-recall-deltanet": "recurrent.delta_recall",
    "index-lookup-linear-attention": "recurrent.linear_lookup",
    "nearest-neighbor": "attention.nearest_neighbor",
}
"""Name of the construction → module of this package, whose THEOREMS hold it."""


@dataclass(frozen=True)
class Attempt:
    """Weights a construction might have in a format that may be too coarse for it, and inputs that are hard for them.

    setting: what was chosen, e.g. the inverse temperature; context: [B, n]; queries: [B, Q]
    """

    setting: str
    model: SequenceModel
    context: Tensor
    queries: Tensor


@dataclass(frozen=True)
class Theorem:
    """How to make one construction: the task family it solves, its options and what builds it.

    statement: what is proved, in one line; source: where
    cells:     both of another network than the first its `cell` may be
    fixed:     parameters of the task that the construction is about, e.g. the layout
    build:     (task, options) -> Construction; raises InputError for sizes outside the guarantee
    trials:    (task, options) -> for every setting there is, trials in the order of their length; for the search of
               inputs that fail in a format

    >>> theorem = sx.constructions.theorem("disjointness-interleaved")
    >>> theorem.task, theorem.fixed
    ('disjointness', {'layout': 'interleaved'})
    """

    name: str
    task: str
    statement: str
    source: str
    build: Callable[[Any, Any], Construction]
    options: type[Options] = Options
    fixed: dict[str, Any] = field(default_factory=dict)
    trials: Callable[[Any, Any], Iterator[Iterator[Attempt]]] | None = None
    cells: dict[str, tuple[str, str]] = field(default_factory=dict)

    def stated(self, parameters: Mapping[str, Any]) -> tuple[str, str]:
        """Statement and source of the network that was built, by the parameters of its certificate.

        >>> sx.constructions.theorem("parity").stated({"cell": "gru"})[0]
        'every finite automaton is a GRU with saturated gates of |Q| |alphabet| units'
        """
        return self.cells.get(str(parameters.get("cell")), (self.statement, self.source))


def names() -> list[str]:
    """The registered constructions.

    >>> sx.constructions.names()[:3]
    ['index-lookup', 'automaton', 'parity']
    """
    return list(_MODULES)


def theorem(name: str) -> Theorem:
    """A registered construction. Raises InputError naming the nearest valid name.

    >>> sx.constructions.theorem("parity").statement
    'every finite automaton is a ReLU Elman network of |Q| |alphabet| units'
    """
    if name not in _MODULES:
        raise unknown("construction", name, _MODULES)
    return import_module(f"separatrix.constructions.{_MODULES[name]}").THEOREMS[name]


def request(found: Theorem, parameters: dict[str, Any]) -> tuple[Problem, Options]:
    """The task and the options that parameters of both kinds say."""
    options = {key: value for key, value in parameters.items() if key in found.options.model_fields}
    rest = {key: value for key, value in parameters.items() if key not in options}
    return family(found.task)(**{**found.fixed, **rest}), found.options(**options)


def create(name: str, **parameters: Any) -> Construction:
    """A construction by name, e.g. `create("index-lookup", length=2**20, alphabet=64, format="bf16")`.

    parameters: fields of the task and options of the construction
    Raises InputError for unknown names and keys, CertificateError where the guarantee cannot be given.

    >>> built = sx.constructions.create("parity", length=20)
    >>> answers = built.model(torch.tensor([[1, 0, 1, 1] * 5]), torch.tensor([[0]])).argmax(-1)
    >>> answers.item()  # of 15 ones
    1
    """
    found = theorem(name)
    return found.build(*request(found, parameters))
