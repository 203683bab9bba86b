"""The Mixer contract: one layer's way of carrying the past."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from separatrix.bounds.monotone import Transitions
from separatrix.models.state import State, repeat_queries
from separatrix.ops.alternatives import spread

DECLARATIONS = ("causal", "transitions", "stages", "reduces", "answers")
"""What a class says of its forms; none is made of it."""
NOT_PARTS = ("scan", "prefill", "step", "decode", "alternatives", *DECLARATIONS, "_abc_impl")


def latest(cls: type, forms: tuple[str, ...]) -> str:
    """Of several forms of one function, faster ones first, the first that still holds in a class; else the last.

    A form no longer holds where a class further down overrides another form, or a method it may be made of; one that
    was abstract was meant to be filled in.
    """
    order = [base for base in cls.__mro__ if base not in nn.Module.__mro__]
    for form in forms[:-1]:
        owner = next((place for place, base in enumerate(order) if form in vars(base)), len(order))
        parts: dict[str, Any] = {}
        for base in reversed(order[owner:]):
            parts.update(vars(base))
        made_of = {name for name, part in parts.items() if not getattr(part, "__isabstractmethod__", False)}
        overridden = {name for base in order[:owner] for name in vars(base) if not name.startswith("__")}
        if owner < len(order) and not overridden & (made_of - set(NOT_PARTS) | set(forms)):
            return form
    return forms[-1]


class Mixer(nn.Module, ABC):
    """Carries information along a sequence. `scan` and `step` are two forms of one function and agree to rounding.

    The state is everything a later token can see of the earlier ones. Subclasses give `scan` and `step`; they
    override `prefill` and `decode` where these can be had for less than the whole outputs, or, better than `decode`,
    inherit from `SharedMixer`. What a class overrides is what its models run: faster forms inherited from a class whose
    methods it changes are passed over, unless it names them again (`alternatives = Parent.alternatives`).

    >>> class Sum(sx.models.Mixer):
    ...     def scan(self, x, state=None):
    ...         y = x.cumsum(1) + (0 if state is None else state[:, None])
    ...         return y, y[:, -1]
    ...     def step(self, state, x):
    ...         return state + x, state + x
    ...
    >>> mixer, x = Sum(), torch.ones(2, 5, 8)
    >>> y, state = mixer.step(mixer.prefill(x[:, :4]), x[:, 4])
    >>> torch.equal(y, mixer.scan(x)[0][:, 4]), sx.state_numbers(state)
    (True, 8)
    """

    causal: bool = True
    """Whether no output of `scan` depends on a later token."""

    transitions: ClassVar[Transitions] = "unknown"
    """What a step does to the state, the input given; holds for the class that says so (`declared`)."""
    stages: ClassVar[int] = 1
    """Parts of the state of which each depends on those before it: 2 where decays follow a running maximum."""

    reduces: ClassVar[str]
    """Which of `prefill` and `scan` gives the state of a context."""
    answers: ClassVar[str]
    """Which of `alternatives`, `decode` and `step` answers queries."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.reduces = latest(cls, ("prefill", "scan"))
        cls.answers = latest(cls, ("alternatives", "decode", "step"))

    @abstractmethod
    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        """Outputs at every token and the state after the last one; goes on from `state` when given."""

    @abstractmethod
    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        """Output and new state for one more token."""

    def prefill(self, x: Float[Tensor, "B N D"], state: State | None = None) -> State:
        """The state after the last token, without the outputs."""
        return self.scan(x, state)[1]

    def decode(self, state: State, x: Float[Tensor, "B Q D"]) -> Float[Tensor, "B Q D"]:
        """The outputs of `step` for each of Q alternative next tokens, all from the same state."""
        batch, queries, width = x.shape
        y, _ = self.step(repeat_queries(state, queries), x.reshape(batch * queries, width))
        return y.reshape(batch, queries, width)

    def alternatives(self, state: State, x: Float[Tensor, "R D"], which: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q D"]:
        """`decode` where query i of example b is row which[b, i] of a few distinct tokens."""
        return self.decode(state, spread(x, which))


def declared(mixer: Mixer) -> Transitions:
    """The transitions a mixer's class declares; unknown where a class further down defines methods of its own.

    >>> mamba = sx.models.create("mamba", sx.tasks.create("parity", length=4), width=4)
    >>> sx.models.mixer.declared(mamba.blocks[0].mixer)
    'nonnegative'
    """
    for base in type(mixer).__mro__:
        if "transitions" in vars(base):
            return base.transitions  # type: ignore[attr-defined]
        if any(callable(value) and not name.startswith("__") for name, value in vars(base).items()):
            return "unknown"
    return "unknown"


class SharedMixer(Mixer):
    """A mixer that answers many queries from one state without copying it, and computes once what depends on a
    query's token alone.
    """

    @abstractmethod
    def alternatives(self, state: State, x: Float[Tensor, "R D"], which: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q D"]:
        """The outputs of `step` for each query, all from the same state."""

    def decode(self, state: State, x: Float[Tensor, "B Q D"]) -> Float[Tensor, "B Q D"]:
        rows, which = own_rows(x)
        return self.alternatives(state, rows, which)


def reduce(mixer: Mixer, x: Float[Tensor, "B N D"], state: State | None) -> State:
    """The state after the last token, by the mixer's latest form."""
    return mixer.prefill(x, state) if mixer.reduces == "prefill" else mixer.scan(x, state)[1]


def ask(mixer: Mixer, state: State, x: Float[Tensor, "B Q D"]) -> Float[Tensor, "B Q D"]:
    """The output for each of Q alternative next tokens, by the mixer's latest form."""
    if mixer.answers == "alternatives":
        return mixer.alternatives(state, *own_rows(x))
    return mixer.decode(state, x) if mixer.answers == "decode" else Mixer.decode(mixer, state, x)


def ask_rows(mixer: Mixer, state: State, x: Float[Tensor, "R D"], which: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q D"]:
    """`ask` where query i of example b is row which[b, i] of a few distinct tokens."""
    if mixer.answers == "alternatives":
        return mixer.alternatives(state, x, which)
    return ask(mixer, state, spread(x, which))


def own_rows(x: Float[Tensor, "B Q D"]) -> tuple[Float[Tensor, "R D"], Int[Tensor, "B Q"]]:
    """Queries as rows of a table in which each has a row of its own."""
    batch, queries, _ = x.shape
    return x.flatten(0, 1), torch.arange(batch * queries, device=x.device).view(batch, queries)
