"""Transformers assembled from attention heads and MLPs that are given as linear maps between named spaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from separatrix.constructions import construction
from separatrix.constructions.basis import Action, Space, linear
from separatrix.models import SequenceModel
from separatrix.models.transformer import TransformerConfig
from separatrix.tasks import Task


@dataclass(frozen=True)
class Head:
    """One attention head. Each map is {("from", "to"): action}; biases are given as {"to": values}.

    inside: the head's own coordinates, of which queries and keys, and values, may use the same
    """

    inside: Space
    query: dict[tuple[str, str], Action]
    key: dict[tuple[str, str], Action]
    value: dict[tuple[str, str], Action]
    out: dict[tuple[str, str], Action]
    query_bias: dict[str, Tensor | float]
    key_bias: dict[str, Tensor | float]
    value_bias: dict[str, Tensor | float]


def head(
    inside: Space,
    query: dict[tuple[str, str], Action] | None = None,
    key: dict[tuple[str, str], Action] | None = None,
    value: dict[tuple[str, str], Action] | None = None,
    out: dict[tuple[str, str], Action] | None = None,
    **biases: dict[str, Tensor | float],
) -> Head:
    """A head with whatever is not named being 0. biases: `query_bias`, `key_bias`, `value_bias`."""
    given = {f"{name}_bias": biases.get(f"{name}_bias", {}) for name in ("query", "key", "value")}
    return Head(inside, query or {}, key or {}, value or {}, out or {}, **given)


@dataclass(frozen=True)
class Unit:
    """One ReLU unit: `bias` plus what it reads, cut off at 0, times what it writes. Coordinates by number."""

    reads: dict[int, float]
    bias: float
    writes: dict[int, float]


def config(
    width: int, head_width: int, heads: int, units: int, causal: bool = True, layers: int = 2
) -> TransformerConfig:
    """A Transformer without normalisation, its scores unscaled."""
    return TransformerConfig(
        width=width,
        layers=layers,
        heads=heads,
        head_width=head_width,
        mlp=units,
        norm="none",
        activation="relu",
        positions="learned",
        bias=True,
        scale=1.0,
        causal=causal,
    )


def assemble(
    task: Task,
    config: TransformerConfig,
    space: Space,
    embed: dict[str, Tensor],
    positions: Float[Tensor, "N D"],
    layers: Sequence[tuple[Sequence[Head], Sequence[Unit]]],
    answers: Float[Tensor, "answers D"],
    answers_bias: Float[Tensor, " answers"],
) -> SequenceModel:
    """The model with these weights, and 0 for whatever is not named.

    embed: `weight` of the token embedding; `weight` and `bias` for vector tasks
    """
    weights = {f"embed.{name}": value for name, value in embed.items()}
    weights |= {"positions.table.weight": positions, "head.weight": answers, "head.bias": answers_bias}
    for number, (heads, units) in enumerate(layers):
        weights |= _attention(f"blocks.{number}.mixer", heads, space, config)
        weights |= _mlp(f"blocks.{number}.mlp", units, space, config)
    return construction.assemble(task, config, weights)


def _attention(name: str, heads: Sequence[Head], space: Space, config: TransformerConfig) -> dict[str, Tensor]:
    width, inner = config.head_width or 0, config.heads * (config.head_width or 0)
    made = {f"{kind}.weight": torch.zeros(inner, space.width) for kind in ("query", "key", "value")}
    made |= {f"{kind}.bias": torch.zeros(inner) for kind in ("query", "key", "value")}
    made["out.weight"] = torch.zeros(space.width, inner)
    for number, each in enumerate(heads):
        rows = slice(number * width, number * width + each.inside.width)
        for kind in ("query", "key", "value"):
            made[f"{kind}.weight"][rows] = linear(space, each.inside, getattr(each, kind))
            made[f"{kind}.bias"][rows] = each.inside.vectors(1, **getattr(each, f"{kind}_bias"))[0]
        made["out.weight"][:, rows] = linear(each.inside, space, each.out)
    return {f"{name}.{key}": value for key, value in made.items()}


def _mlp(name: str, units: Sequence[Unit], space: Space, config: TransformerConfig) -> dict[str, Tensor]:
    if not config.mlp_width:
        return {}
    read, write = torch.zeros(config.mlp_width, space.width), torch.zeros(space.width, config.mlp_width)
    bias = torch.zeros(config.mlp_width)
    for number, unit in enumerate(units):
        for coordinate, weight in unit.reads.items():
            read[number, coordinate] += weight
        for coordinate, weight in unit.writes.items():
            write[coordinate, number] += weight
        bias[number] = unit.bias
    return {f"{name}.1.weight": read, f"{name}.1.bias": bias, f"{name}.3.weight": write}
