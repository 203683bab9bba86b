"""Mutants of a construction: weights changed in one place or several, networks grown, metadata edited."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import torch
from attack.networks import blank, filled
from torch import Tensor

from separatrix.constructions import Certificate, Construction
from separatrix.models import SequenceModel
from separatrix.numerics import FloatingPoint, Format, parse

Mutant = tuple[SequenceModel, dict[str, Any]]
"""A model and the fields of its certificate."""

CELL = "blocks.0.mixer.cell"


class Mutator:
    """Draws mutants of one construction, the same for the same seed."""

    def __init__(self, made: Construction, seed: str) -> None:
        self.made, self.draw = made, random.Random(seed)
        self.format = parse(made.certificate.number_format)
        self.fields = made.certificate.model_dump(mode="json")
        self.weights = {name: value.clone() for name, value in made.model.state_dict().items()}
        self.blanks: dict[str, dict[str, Tensor]] = {}
        self.recurrent = made.config.name in ("elman", "gru", "lstm")
        self.kinds: list[tuple[str, Callable[[], Mutant], int]] = [
            ("one weight", self.one, 8),
            ("several weights", self.several, 3),
            ("cancelling rows", self.cancelling, 3),
            ("swapped rows", self.swapped, 2),
            ("scaled coordinate", self.scaled, 2),
            ("larger", self.larger, 4),
            ("metadata", self.metadata, 3),
        ]
        if not self.recurrent and made.config.name != "transformer":
            self.kinds = [
                kind for kind in self.kinds if kind[0] in ("one weight", "several weights", "swapped rows", "metadata")
            ]

    def next(self) -> tuple[str, Mutant]:
        """A mutant and its kind."""
        kinds, makers, shares = zip(*self.kinds, strict=True)
        i = self.draw.choices(range(len(kinds)), shares)[0]
        return kinds[i], makers[i]()

    # weights ----------------------------------------------------------------------------------------------------------
    def one(self) -> Mutant:
        """One weight changed."""
        return self.finish(self.change())

    def several(self) -> Mutant:
        """Two to four weights changed."""
        weights = self.change()
        for _ in range(self.draw.randint(1, 3)):
            weights = self.change(weights)
        return self.finish(weights)

    def change(self, given: dict[str, Tensor] | None = None) -> dict[str, Tensor]:
        """Weights with one entry changed."""
        weights = given or self.copy()
        name = self.draw.choice([name for name, each in weights.items() if each.numel()])
        flat = weights[name].view(-1)
        i = self.draw.randrange(len(flat))
        j = self.draw.randrange(len(flat))
        how = self.draw.choice(["value", "value", "value", "swap"])
        if how == "swap":
            flat[i], flat[j] = flat[j].clone(), flat[i].clone()
        else:
            flat[i] = self.other(float(flat[i]))
        return weights

    def other(self, x: float) -> float:
        """A number instead of another: near, far, or none."""
        number_format = self.format
        huge = min(number_format.largest, 3e38)
        some = [1.0, -1.0, 0.5, 2.0, 64.0, -x, 2 * x, x / 2, x + 1, x - 1, 0.0, -0.0, 1.01 * x, 0.99 * x]
        some += [_next(number_format, x, 1), _next(number_format, x, -1), huge, -huge, huge / 2, huge / 64]
        some += [2.0 ** self.draw.randint(-20, 40), -(2.0 ** self.draw.randint(-20, 40))]
        some += [max(number_format.smallest, 2.0**-149), math.nan, math.inf]
        chosen = self.draw.choice(some)
        return number_format.round_number(chosen) if math.isfinite(chosen) else chosen

    def cancelling(self) -> Mutant:
        """A number added in one table and taken in another, or split into two that add up to it."""
        weights, big = self.copy(), self.big()
        if self.recurrent:
            pairs = [(f"{CELL}.bias_ih_l0", f"{CELL}.bias_hh_l0"), ("embed.weight", f"{CELL}.bias_hh_l0")]
            first, second = self.draw.choice(pairs)
            unit = self.draw.randrange(self.made.width)
            weights[first][..., unit] += big
            weights[second][..., unit] -= big
            return self.finish(weights)
        c, layer = self.draw.randrange(self.made.width), self.draw.randrange(self.made.config.layers)
        mlp, mixer = f"blocks.{layer}.mlp", f"blocks.{layer}.mixer"
        adding = [weights["positions.table.weight"][:, c], weights[f"{mixer}.out.bias"][c : c + 1]]
        if f"{mlp}.3.bias" in weights:
            adding.append(weights[f"{mlp}.3.bias"][c : c + 1])
        if "embed.bias" in weights:
            adding.append(weights["embed.bias"][c : c + 1])
        else:
            adding.append(weights["embed.weight"][:, c])
        first, second = self.draw.sample(adding, 2)
        first += big
        second -= big
        return self.finish(weights)

    def big(self) -> float:
        """A number whose sums with small ones are rounded, or nearly."""
        found = self.draw.choice([2.0 ** self.draw.randint(1, 40), 3 * 2.0 ** self.draw.randint(1, 38)])
        return self.format.round_number(min(found, self.format.largest / 2))

    def swapped(self) -> Mutant:
        """Two rows or two columns of one table exchanged: codes, tokens, units."""
        weights = self.copy()
        name = self.draw.choice([name for name, each in weights.items() if each.ndim == 2])
        table, axis = weights[name], self.draw.randrange(2)
        if table.shape[axis] > 1:
            i, j = self.draw.sample(range(table.shape[axis]), 2)
            order = list(range(table.shape[axis]))
            order[i], order[j] = j, i
            weights[name] = table.index_select(axis, torch.tensor(order))
        return self.finish(weights)

    def scaled(self) -> Mutant:
        """A coordinate, a unit or a head's coordinate times a power of two where written, over it where read."""
        weights = self.copy()
        factor = 2.0 ** self.draw.choice([-60, -20, -3, -1, 1, 3, 10, 20, 60])
        layer = self.draw.randrange(self.made.config.layers)
        mixer, mlp = f"blocks.{layer}.mixer", f"blocks.{layer}.mlp"
        if self.recurrent:
            unit = self.draw.randrange(self.made.width)
            for name in ("weight_hh_l0", "weight_ih_l0", "bias_ih_l0", "bias_hh_l0"):
                weights[f"{CELL}.{name}"][unit] *= factor
            weights[f"{CELL}.weight_hh_l0"][:, unit] /= factor
            weights["head.weight"][:, unit] /= factor
            return self.finish(weights)
        if f"{mlp}.1.weight" in weights and self.draw.random() < 0.5:
            unit = self.draw.randrange(len(weights[f"{mlp}.1.bias"]))
            for part in ("1.weight", "1.bias"):
                weights[f"{mlp}.{part}"][unit] *= factor
            weights[f"{mlp}.3.weight"][:, unit] /= factor
            return self.finish(weights)
        inner = self.draw.randrange(len(weights[f"{mixer}.query.bias"]))
        for written, read in (self.draw.choice([(("value",), "out"), (("query",), "key"), (("key",), "query")]),):
            for kind in written:
                weights[f"{mixer}.{kind}.weight"][inner] *= factor
                weights[f"{mixer}.{kind}.bias"][inner] *= factor
            if read == "out":
                weights[f"{mixer}.out.weight"][:, inner] /= factor
            else:
                weights[f"{mixer}.{read}.weight"][inner] /= factor
                weights[f"{mixer}.{read}.bias"][inner] /= factor
        return self.finish(weights)

    def larger(self) -> Mutant:
        """More heads, units or coordinates, holding nothing, or what cancels: A, B and A + B, or A and -A."""
        config, size = self.made.config, 3
        if self.recurrent:
            change: dict[str, Any] = {"width": config.width + 2}
        else:
            told = config.model_dump()
            grown = [
                {"heads": told["heads"] + 1, "head_width": max(size, told["head_width"])},
                {"width": config.width + 1},
            ]
            grown += [{"mlp": config.mlp_width + size}] if config.mlp_width else []
            change = self.draw.choice(grown)
            if "heads" in change and told["head_width"] < size:
                change = {"width": config.width + 1}
        config = config.replace(**change)
        key = repr(config)
        if key not in self.blanks:
            self.blanks[key] = blank(self.made.task, config)
        weights = {name: each.clone() for name, each in self.blanks[key].items()}
        for name, old in self.weights.items():
            weights[name][tuple(slice(0, n) for n in old.shape)] = old
        self.fill(weights, change)
        return self.finish(weights, config)

    def fill(self, weights: dict[str, Tensor], change: dict[str, Any]) -> None:
        """Numbers into what is new."""
        a, b = self.big(), self.big()
        sums = torch.tensor([a, b, self.format.round_number(a + b)])
        c, layer = self.draw.randrange(self.made.width), self.draw.randrange(self.made.config.layers)
        how = self.draw.choice(["nothing", "cancel", "cancel", "drawn"])
        if how == "drawn":
            new = [(n, i) for n, w in weights.items() for i in _new(w, self.weights[n])]
            for name, place in self.draw.sample(new, min(len(new), 3)):
                weights[name][place] = self.other(1.0)
        elif how == "cancel" and "heads" in change:
            k = len(self.weights[f"blocks.{layer}.mixer.query.bias"])
            weights[f"blocks.{layer}.mixer.value.bias"][k : k + 3] = sums
            weights[f"blocks.{layer}.mixer.out.weight"][c, k : k + 3] = torch.tensor([1.0, 1.0, -1.0])
        elif how == "cancel" and "mlp" in change:
            k = self.made.config.mlp_width
            weights[f"blocks.{layer}.mlp.1.bias"][k : k + 3] = sums
            weights[f"blocks.{layer}.mlp.3.weight"][c, k : k + 3] = torch.tensor([1.0, 1.0, -1.0])
        elif how == "cancel" and self.recurrent:
            d = self.made.width
            weights["embed.weight"][:, d] = weights["embed.weight"][:, d + 1] = a
            weights[f"{CELL}.weight_ih_l0"][d:, d], weights[f"{CELL}.weight_ih_l0"][d:, d + 1] = b, -b
            weights[f"{CELL}.weight_hh_l0"][[d, d + 1], [d + 1, d]] = 1.0
            weights["embed.weight"][self.made.task.alphabet_size :, d:] = -1.0
        elif how == "cancel":
            d, mixer = self.made.width, f"blocks.{layer}.mixer"
            table = weights["embed.bias"] if "embed.bias" in weights else weights["embed.weight"]
            table[..., d] = a
            weights["positions.table.weight"][:, d] = -a
            kind = self.draw.choice(["query", "key", "value"])
            weights[f"{mixer}.{kind}.weight"][self.draw.randrange(len(weights[f"{mixer}.{kind}.bias"])), d] = 1.0

    # metadata ---------------------------------------------------------------------------------------------------------
    def metadata(self) -> Mutant:
        """One field of the certificate edited."""
        fields = {name: dict(each) if isinstance(each, dict) else each for name, each in self.fields.items()}
        name = self.draw.choice(list(fields))
        if isinstance(fields[name], dict):
            inner = fields[name]
            key = self.draw.choice([*inner, "another"])
            if key in inner and self.draw.random() < 0.2:
                del inner[key]
            else:
                inner[key] = self.edited(inner.get(key, 1.0))
        elif name in CHOICES:
            fields[name] = self.draw.choice(CHOICES[name])
        else:
            fields[name] = self.edited(fields[name])
        return self.made.model, fields

    def edited(self, value: Any) -> Any:
        """Another value of a field."""
        if isinstance(value, bool) or value is None:
            return self.draw.choice([True, False, None, 0, "x"])
        if isinstance(value, int | float):
            return self.draw.choice([value + 1, value * 2, value / 2, -value, 0, 1e9, math.inf, str(value), True])
        if isinstance(value, str):
            claim = "every CNF formula is decided satisfiable or not"
            return self.draw.choice([value + " ", value.upper(), "", claim, "all lengths", "real", "bf16", "fp32"])
        return self.draw.choice([[], {}, None, 1])

    # helpers ----------------------------------------------------------------------------------------------------------
    def copy(self) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in self.weights.items()}

    def finish(self, weights: dict[str, Tensor], config: Any = None) -> Mutant:
        """The mutant, its certificate saying what an attacker would have it say."""
        config = config or self.made.config
        fields = {**self.fields, "model": config.model_dump(mode="json"), "weights_sha256": None}
        told = dict(self.fields["quantities"])
        told |= {name: config.width for name in ("width", "units", "state_bits") if name in told}
        if self.draw.random() < 0.25:  # weaker claims, which worse weights may bear out
            fields["margin"] = self.fields["margin"] * 2.0 ** -self.draw.randint(1, 40)
        if self.draw.random() < 0.1:
            fields["order"] = "sequential"
        fields["quantities"] = told
        return filled(self.made.task, config, weights, "mutant"), fields


CHOICES: dict[str, list[str]] = {
    "scope": ["lengths up to N", "length N", "all lengths", "inputs of a margin", "all inputs but a share"],
    "order": ["any", "sequential", "pairwise"],
    "number_format": ["real", "fp32", "bf16", "fp16", "e4m3", "e5m2", "fixed(16)", "fixed(8,4)", "float(2,1)"],
    "argument": [
        "attention lookup",
        "copy and compare",
        "copy and match",
        "count, match and veto",
        "fetch and count",
        "fetch and veto",
        "fingerprint",
        "linear table",
        "match and veto",
        "overwriting memory",
        "product of automata",
        "shift register",
        "stack rules",
    ],
    "construction": [
        *("index-lookup", "automaton", "parity", "equality"),
        *("bounded-dyck-automaton", "bounded-dyck-stack", "bounded-dyck-two-layers"),
    ],
}


def certificate(fields: dict[str, Any]) -> Certificate:
    """The certificate with these fields; InputError where there is none."""
    return Certificate(**fields)


def _next(number_format: Format, x: float, sign: int) -> float:
    """The number of the format beside another."""
    if isinstance(number_format, FloatingPoint) and x:
        return x * (1 + sign * 2 * number_format.unit)
    return x + sign * max(number_format.smallest, 2.0**-24)


def _new(grown: Tensor, old: Tensor) -> list[tuple[int, ...]]:
    """The places of a table that an older one does not have."""
    return [
        tuple(i)
        for i in torch.ones(grown.shape).nonzero().tolist()
        if any(a >= b for a, b in zip(i, old.shape, strict=True))
    ]
