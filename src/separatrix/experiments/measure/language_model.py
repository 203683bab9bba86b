"""What a language model holds, from a script: `separatrix recall` as a function."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any

from torch import nn

from separatrix.errors import InputError
from separatrix.experiments.measure.shown_once import STRINGS, Kind, ShownOnce, recall_shown_once
from separatrix.models.huggingface.native_scan import scan_as_before
from separatrix.models.huggingface.pretrained import TRAINED, Pretrained, pretrained

LENGTHS = (16, 64, 256, 1024)


def recall(
    model: str | PathLike[str] | nn.Module,
    lengths: Sequence[int] = LENGTHS,
    tokens: int = 64,
    strings: int = STRINGS,
    seed: int = 0,
    kinds: Sequence[Kind] = ("string", "pairs"),
    separator: int | None = None,
) -> ShownOnce:
    """Bits that a causal language model of Transformers holds of random tokens shown once: lower bounds, by length.

    model:     a folder with config.json and safetensors, `hf:owner/name`, `hf:type`; or a model of Transformers that
               is in memory, read in evaluation mode and left as it was
    lengths:   tokens shown; tokens: T, how many they are drawn from; strings: drawn at each length
    kinds:     "string", a text said again; "pairs", keys with values, each asked for from the same state
    separator: the token between the showings [default: one drawn like the others, and none of them]
    Raises InputError for what is no such model, hands over no cache, or cannot read the shortest length.

    >>> from transformers import AutoModelForCausalLM, MambaConfig
    >>> tiny = MambaConfig(hidden_size=16, num_hidden_layers=1, vocab_size=40, state_size=4)
    >>> found = sx.recall(AutoModelForCausalLM.from_config(tiny), lengths=[8], tokens=16, strings=2)
    >>> [(point.kind, point.length, point.shown_bits, point.state_bits) for point in found.points]
    [('string', 8, 32.0, 8192), ('pairs', 8, 16.0, 8192)]
    >>> all(0 <= point.recalled_bits <= point.shown_bits for point in found.points)
    True
    """
    asked: dict[str, Any] = {"tokens": tokens, "strings": strings, "seed": seed, "kinds": kinds}
    if not isinstance(model, nn.Module):
        return recall_shown_once(pretrained(str(model)), lengths, **asked, separator=separator)
    config: Any = getattr(model, "config", None)
    if not hasattr(config, "model_type"):
        raise InputError(f"expected a causal language model of Transformers, got {type(model).__name__}")
    training, name = model.training, str(getattr(config, "name_or_path", "") or config.model_type)
    try:
        return recall_shown_once(
            Pretrained(name, config, model.eval(), TRAINED), lengths, **asked, separator=separator
        )  # fmt: skip
    finally:
        scan_as_before(model)
        model.train(training)
