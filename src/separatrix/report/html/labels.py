"""Short names of models, and numbers as people read them."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from separatrix.config import canonical_json

FAMILIES = {
    "transformer": "TF", "lstm": "LSTM", "gru": "GRU", "elman": "Elman", "linear-rnn": "Linear RNN", "dss": "DSS",
    "s4d": "S4D", "retnet": "RetNet", "mamba": "Mamba", "mamba2": "Mamba-2", "gla": "GLA", "deltanet": "DeltaNet",
    "gated-deltanet": "Gated DeltaNet", "slstm": "sLSTM", "mlstm": "mLSTM",
    "deltaproduct": "DeltaProduct", "kda": "KDA", "hgrn2": "HGRN2", "gated-convolution": "Gated conv",
    "rg-lru": "RG-LRU", "rwkv7": "RWKV-7", "mingru": "minGRU", "minlstm": "minLSTM",
    "based": "Based", "forgetting": "FoX", "mla": "MLA", "ttt": "TTT", "titans": "Titans", "rwkv6": "RWKV-6",
    "mamba3": "Mamba-3", "h3": "H3", "hyena": "Hyena", "log-linear": "Log-linear",
}  # fmt: skip
"""The architectures of the library and their short names."""

KEEPING = ("transformer", "forgetting", "mla", "hyena")
"""Those whose state is all of the past; the others are recurrent."""


def short_name(name: str) -> str:
    """What people call a task or model: of `path/to/file.py:name`, the name."""
    return FAMILIES.get(name, name.rpartition(".py:")[2])


def family_name(name: str) -> str:
    """An architecture's name where there is room for it: `Transformer`, not `TF`."""
    return "Transformer" if name == "transformer" else short_name(name)


def model_label(model: dict[str, Any]) -> str:
    """The field's name of a model: family, layers and width, e.g. `TF-(1, 64)`."""
    return f"{short_name(model['name'])}-({model.get('layers', '?')}, {model.get('width', '?')})"


def distinct_labels(variants: Iterable[tuple[dict[str, Any], dict[str, Any], int]]) -> dict[str, str]:
    """Labels of (model, training, context length) by `variant_key`; those that would share one also name what differs.

    Training settings that go with the length (a smaller batch where contexts are long) make no two models of one:
    only what differs at the same length is named.
    """
    sharing: dict[str, dict[str, _Variant]] = defaultdict(dict)
    for model, training, length in variants:
        key = variant_key(model, training)
        sharing[model_label(model)].setdefault(key, _Variant(model, training)).lengths.add(length)
    labels = {}
    for label, group in sharing.items():
        differing = sorted({name for one, other in combinations(group.values(), 2) for name in one.differs(other)})
        for key, variant in group.items():
            settings = {**variant.training, **variant.model}
            extra = ", ".join(f"{name.replace('_', ' ')} {settings.get(name)}" for name in differing)
            labels[key] = f"{label} {extra}" if extra else label
    return labels


@dataclass(frozen=True)
class _Variant:
    """A model, how it was trained, and at which lengths."""

    model: dict[str, Any]
    training: dict[str, Any]
    lengths: set[int] = field(default_factory=set)

    def differs(self, other: _Variant) -> set[str]:
        """The settings that tell two variants apart."""
        meet = bool(self.lengths & other.lengths)
        pairs = [(self.model, other.model)] + ([(self.training, other.training)] if meet else [])
        return {name for a, b in pairs for name in a.keys() | b.keys() if a.get(name) != b.get(name)}


def variant_key(model: dict[str, Any], training: dict[str, Any]) -> str:
    """What makes two trials runs of the same thing, but for length and seed."""
    return canonical_json([model, training])


def slug(text: str) -> str:
    """Text as a file name and an anchor: lower case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "panel"


def percent(share: float) -> str:
    """A share as a percentage. Never rounded up to 100%: that is said only of exactly 1."""
    if share >= 0.995:
        return "100%" if share == 1 else f"{math.floor(share * 1000) / 10:.1f}%"
    return f"{share:.0%}"


def span(low: float, high: float) -> str:
    """A range of shares, e.g. `97–99.8%`."""
    return percent(low) if percent(low) == percent(high) else f"{percent(low).rstrip('%')}–{percent(high)}"


def count(number: float) -> str:
    """A number of things with thousands separated; fractions only where they matter."""
    return f"{number:,.0f}" if number >= 100 or float(number).is_integer() else f"{number:,.3g}"


def listed(items: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
