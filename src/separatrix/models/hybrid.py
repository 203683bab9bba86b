"""Hybrids: any pattern of mixers by layer, such as `mamba*3+attention`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar, Literal

from pydantic import Field, create_model

from separatrix.errors import InputError
from separatrix.models.config import ModelConfig
from separatrix.models.mixer import Mixer
from separatrix.models.sequence import SequenceModel

ALIASES = {"attention": "transformer"}
LONGEST = 10_000
"""Mixers of a pattern at most: deeper models repeat theirs."""


class HybridConfig(ModelConfig):
    """Blocks of norm, mixer and residual, with an MLP when asked for. Each part reads the options it knows."""

    norm: Literal["none", "layer", "rms"] = "rms"


class Composed(SequenceModel):
    """Mixers of several architectures."""

    state_formula = "the sum of its parts"
    parallel = "as its parts"
    kernel = "as its parts"

    @classmethod
    def build_layer(cls, config: ModelConfig, layer: int) -> Mixer:
        return cls.build_mixer(config, layer)  # each part has, or gets, its own convolution


class Hybrid(Composed):
    """Mixers of several architectures by layer; the pattern is repeated up to `layers`."""

    pattern: ClassVar[list[type[SequenceModel]]]

    @classmethod
    def build_mixer(cls, config: ModelConfig, layer: int) -> Mixer:
        part = cls.pattern[layer % len(cls.pattern)]
        return part.build_layer(part_config(part, config), layer)


def part_config(part: type[SequenceModel], config: ModelConfig) -> ModelConfig:
    """The configuration of one part: what was asked for and it knows, and its own defaults elsewhere."""
    known = {name: value for name, value in dict(config).items() if name in part.Config.model_fields}
    # what was not asked for is the part's own default, or its neighbours' blocks would override it
    own = {name: value for name, value in known.items() if name in config.model_fields_set and name != "name"}
    shared = {"width": config.width, "positions": config.positions}
    return part.Config(**{**shared, **own, "layers": config.layers})


def hybrid(name: str, architecture: Callable[[str], type[SequenceModel]]) -> type[SequenceModel]:
    """The class of a hybrid: mixers joined by `+`, each with an optional `*count`.

    Raises InputError for an unknown mixer or a count that is no positive number.
    """
    pattern: list[type[SequenceModel]] = []
    for item in name.split("+"):
        part, _, count = item.strip().partition("*")
        if not re.fullmatch(r"(|[1-9]\d*)", count.strip()) or not part.strip():
            raise InputError(f"a hybrid is a pattern such as mamba*3+attention, got {item!r} in {name!r}")
        if len(count) > 6 or len(pattern) + int(count or 1) > LONGEST:
            raise InputError(f"a hybrid has at most {LONGEST:,} mixers in its pattern, got {item!r}: give --layers")
        pattern += [architecture(ALIASES.get(part.strip(), part.strip()))] * int(count or 1)
    config = create_model(
        "HybridConfig",
        __base__=HybridConfig,
        **fields(name, pattern, layers=len(pattern)),
    )
    source = "; ".join(dict.fromkeys(part.source for part in pattern if part.source))
    return type(
        "Hybrid", (Hybrid,), {"Config": config, "pattern": pattern, "source": source, "__doc__": Hybrid.__doc__}
    )


def fields(name: str, pattern: list[type[SequenceModel]], layers: int) -> dict[str, Any]:
    """A composed architecture's own fields: name, depth, and whatever its parts have beyond the common ones."""
    found: dict[str, Any] = {
        "name": (Literal[name], name),
        "layers": (int, Field(layers, ge=1, description="depth; the pattern is repeated as often as needed")),
    }
    for part in pattern:
        for field, info in part.Config.model_fields.items():
            if field not in ModelConfig.model_fields and field not in found:
                users = [other for other in pattern if field in other.Config.model_fields]
                same = all(other.Config.model_fields[field].default == info.default for other in users)
                text = f"{info.description} ({', '.join(dict.fromkeys(_label(other) for other in users))})"
                found[field] = (
                    (
                        info.annotation,
                        Field(info.default, description=text, validate_default=False, exclude_if=info.exclude_if),
                    )
                    if same
                    else (
                        info.annotation | None,  # type: ignore[operator]  # each part has a default of its own
                        Field(None, description=text),
                    )
                )
    return found


def _label(part: type[SequenceModel]) -> str:
    return str(part.Config.model_fields["name"].default)
