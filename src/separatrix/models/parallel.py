"""Mixers side by side in one layer, such as `mamba2//attention`: attention heads beside recurrent ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field, create_model
from torch import Tensor, nn

from separatrix.errors import InputError
from separatrix.models.heads import head_norm
from separatrix.models.hybrid import ALIASES, Composed, HybridConfig, fields, part_config
from separatrix.models.mixer import Mixer, SharedMixer, ask_rows, reduce
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import State

SIDES = "//"
MOST = 64
"""Mixers side by side at most."""

Fusion = Literal["sum", "norm"]


class ParallelConfig(HybridConfig):
    """Blocks of norm, mixers side by side and residual. Each part reads the options it knows."""

    fusion: Fusion = Field("sum", description="outputs added up (Falcon-H1), or the mean of normalised ones (Hymba)")


class ParallelMixer(SharedMixer):
    """Several mixers read the same token, and their outputs are added up, or normalised, scaled and averaged.

    State: the states of all of them.
    """

    def __init__(self, mixers: Sequence[Mixer], width: int, fusion: Fusion = "sum") -> None:
        super().__init__()
        self.mixers, self.causal = nn.ModuleList(mixers), all(mixer.causal for mixer in mixers)
        self.scales = nn.Parameter(torch.ones(len(mixers), width)) if fusion == "norm" else None

    def fuse(self, outputs: Sequence[Float[Tensor, "*B D"]]) -> Float[Tensor, "*B D"]:
        """One output of the parts'."""
        if self.scales is None:
            return torch.stack(tuple(outputs)).sum(0)
        scaled = [head_norm(y) * scale for y, scale in zip(outputs, self.scales, strict=True)]
        return torch.stack(scaled).mean(0)

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        before = [None] * len(self.mixers) if state is None else state
        outputs, after = zip(*(each.scan(x, s) for each, s in zip(self.parts, before, strict=True)), strict=True)
        return self.fuse(outputs), after

    def prefill(self, x: Float[Tensor, "B N D"], state: State | None = None) -> State:
        before = [None] * len(self.mixers) if state is None else state
        return tuple(reduce(each, x, s) for each, s in zip(self.parts, before, strict=True))

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        outputs, after = zip(*(each.step(s, x) for each, s in zip(self.parts, state, strict=True)), strict=True)
        return self.fuse(outputs), after

    def alternatives(self, state: State, x: Float[Tensor, "R D"], which: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q D"]:
        return self.fuse([ask_rows(each, s, x, which) for each, s in zip(self.parts, state, strict=True)])

    @property
    def parts(self) -> list[Mixer]:
        """The mixers, as what they are."""
        return list(self.mixers)  # type: ignore[arg-type]


class Parallel(Composed):
    """Mixers of several architectures side by side in every layer."""

    sides: ClassVar[list[type[SequenceModel]]]

    @classmethod
    def build_mixer(cls, config: Any, layer: int) -> Mixer:
        mixers = [part.build_layer(part_config(part, config), layer) for part in cls.sides]
        return ParallelMixer(mixers, config.width, config.fusion)


def parallel(name: str, architecture: Callable[[str], type[SequenceModel]]) -> type[SequenceModel]:
    """The class of mixers joined by `//`. Raises InputError for an unknown mixer, or where one is missing."""
    names = [part.strip() for part in name.split(SIDES)]
    if not all(names) or len(names) > MOST:
        raise InputError(f"mixers side by side are written such as mamba2//attention, {MOST} at most, got {name!r}")
    sides = [architecture(ALIASES.get(part, part)) for part in names]
    config = create_model("ParallelConfig", __base__=ParallelConfig, **fields(name, sides, layers=1))
    source = "; ".join(dict.fromkeys(["Dong et al. 2024, arXiv 2411.13676", *(p.source for p in sides if p.source)]))
    return type(
        "Parallel", (Parallel,), {"Config": config, "sides": sides, "source": source, "__doc__": Parallel.__doc__}
    )
