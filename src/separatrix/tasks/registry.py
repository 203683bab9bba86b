"""Task families by name, imported when first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from separatrix.errors import InputError, unknown
from separatrix.tasks.user import looks_like_a_file, user_family

_FAMILIES = {
    "index-lookup": "index_lookup:IndexLookup",
    "bounded-dyck": "bounded_dyck:BoundedDyck",
    "equality": "equality:Equality",
    "disjointness": "disjointness:Disjointness",
    "sparse-threshold": "sparse_threshold:SparseThreshold",
    "associative-recall": "associative_recall:AssociativeRecall",
    "nearest-neighbor": "nearest_neighbor:NearestNeighbor",
    "parity": "state_tracking:Parity",
    "modular-counter": "state_tracking:ModularCounter",
    "group-word": "state_tracking:GroupWord",
    "automaton": "automaton:FiniteAutomaton",
}

_STREAMS = {
    "mqar": "streams.mqar:MultiQueryRecall",
    "transduction": "streams.transduction:Transduction",
    "state-tracking": "streams.tracking:RunningProduct",
    "flip-flop": "streams.flip_flop:FlipFlop",
    "next-bracket": "streams.next_bracket:NextBracket",
    "selective-copying": "streams.selective:SelectiveCopying",
    "induction": "streams.induction:Induction",
    "composition": "streams.composition:Composition",
    "noisy-recall": "streams.noisy_recall:NoisyRecall",
    "compositional-recall": "streams.compositional:CompositionalRecall",
    "compression": "streams.compression:Compression",
    "memorisation": "streams.memorisation:Memorisation",
    "stack-manipulation": "streams.stack:StackManipulation",
    "mqar-mixture": "streams.mixture:MixedRecall",
    "fuzzy-recall": "streams.fuzzy_recall:FuzzyRecall",
    "ngram-copying": "streams.ngrams:NgramCopying",
    "modular-arithmetic": "streams.arithmetic:ModularArithmetic",
}


def names() -> list[str]:
    """The registered tasks with answers after their context.

    >>> sx.tasks.names()[:3]
    ['index-lookup', 'bounded-dyck', 'equality']
    """
    return list(_FAMILIES)


def stream_names() -> list[str]:
    """The registered tasks with answers on the way.

    >>> sx.tasks.stream_names()[:3]
    ['mqar', 'transduction', 'state-tracking']
    """
    return list(_STREAMS)


def family(name: str) -> Any:
    """The class of a task family, a Task or a StreamTask, or of `path/to/file.py:function`, which is executed.

    Raises InputError naming the nearest valid name.

    >>> sorted(sx.tasks.family("modular-counter").model_fields)
    ['length', 'modulus', 'name']
    """
    if not isinstance(name, str):
        raise InputError(f"expected the name of a task, got {type(name).__name__}")
    if looks_like_a_file(name):
        return user_family(name)
    if name.endswith(".py"):
        raise InputError(f"{name} may hold several tasks: name one, as in {name}:function")
    known = _FAMILIES | _STREAMS
    if name not in known:
        raise unknown("task", name, known)
    module, attribute = known[name].split(":")
    return getattr(import_module(f"separatrix.tasks.{module}"), attribute)


def create(name: str, **parameters: Any) -> Any:
    """A task by name, a Task or a StreamTask, e.g. `create("index-lookup", length=100, alphabet=64)`.

    Raises InputError for an unknown name, an unknown key or a value out of range.

    >>> task = sx.tasks.create("bounded-dyck", length=6, kinds=2, depth=3)
    >>> context = torch.tensor([0, 1, 3, 2, 0, 2])
    >>> task.show(context), task.answer(context[None], torch.tensor([[0]])).item()
    ('( [ ] ) ( )', 1)
    """
    return family(name)(**parameters)
