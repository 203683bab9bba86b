"""Audits: what a real model hands over, how that grows with the length, and what follows for every task."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch.utils import _pytree as pytree

from separatrix.bounds.sizes import Longest, longest_recurrent
from separatrix.errors import InputError, unknown
from separatrix.tasks import Task, create

BITS = {"float64": 64, "float32": 32, "float16": 16, "bfloat16": 16, "float8": 8}


@dataclass(frozen=True)
class StateSize:
    """Scalars handed over after N tokens: constant + per_token * min(N, window); window None: no limit."""

    constant: int
    per_token: int
    window: int | None
    precision: int
    source: str

    @property
    def growth(self) -> Literal["constant", "windowed", "linear"]:
        """How the state grows with the length."""
        if not self.per_token:
            return "constant"
        return "linear" if self.window is None else "windowed"

    def numbers(self, length: int) -> int:
        """Scalars after so many tokens."""
        return self.constant + self.per_token * (length if self.window is None else min(length, self.window))

    def bits(self, length: int) -> int:
        """Bits after so many tokens."""
        return self.numbers(length) * self.precision


def measured_size(model: Any, task: Task) -> StateSize:
    """The state of a model with prefill, measured at four lengths of its task. Raises InputError for odd growth."""
    lengths = list(task.lengths)[-4:]
    sizes, bits = {}, 32
    for length in lengths:
        batch = task.sample(1, torch.Generator().manual_seed(0), length=length)
        with torch.no_grad():
            leaves = [
                leaf for leaf in pytree.tree_leaves(model.prefill(batch.context)) if isinstance(leaf, torch.Tensor)
            ]
        sizes[length] = sum(leaf[0].numel() for leaf in leaves)
        bits = max((leaf.dtype.itemsize * 8 for leaf in leaves), default=32)
    first, last = min(sizes), max(sizes)
    rise = (sizes[last] - sizes[first]) // max(1, last - first)
    if any(size != sizes[last] - rise * (last - length) for length, size in sizes.items()):
        raise InputError(f"the state grows neither constantly nor linearly: scalars by length {sizes}")
    return StateSize(sizes[last] - rise * last, rise, None, bits, "measured by prefill")


def config_size(config: dict[str, Any]) -> StateSize:
    """The decoding state of a Hugging Face configuration, from its fields. Raises InputError for unknown types."""
    if "model_type" not in config:
        names = ", ".join(config) or "none at all"
        raise InputError(f"a Hugging Face configuration has a field model_type; the fields of this one are {names}")
    kind = str(config["model_type"])
    if kind not in _FAMILIES:
        raise unknown("Hugging Face model type", kind, _FAMILIES)
    for name in _SIZES & config.keys():
        if config[name] is not None and not (type(config[name]) in (int, float) and config[name] > 0):
            raise InputError(f"{name} must be a positive number, got {config[name]!r}")
    try:
        constant, per_token, window = _FAMILIES[kind](config)
    except KeyError as error:
        raise InputError(f"a configuration of type {kind!r} needs the field {error}") from None
    named = str(config.get("dtype", config.get("torch_dtype", "float32"))).removeprefix("torch.")
    return StateSize(constant, per_token, window, BITS.get(named, 32), f"{kind} configuration")


def load_config(path: str | Path) -> dict[str, Any]:
    """A config.json. Raises InputError when there is none or it is no JSON object."""
    try:
        config = json.loads(Path(path).read_text())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path} is not JSON: {error}") from None
    if not isinstance(config, dict):
        raise InputError(f"{path} must hold a JSON object, got {type(config).__name__}")
    return config


def _attention(c: dict[str, Any], layers: int, window: int | None = None) -> tuple[int, int, int | None]:
    heads = c.get("num_attention_heads") or c["n_head"]
    hidden = c.get("hidden_size") or c["n_embd"]
    if not c.get("head_dim") and hidden % heads:
        raise InputError(f"{hidden} numbers a token do not divide among {heads} heads: give head_dim, or other sizes")
    head = c.get("head_dim") or hidden // heads
    return 0, 2 * layers * (c.get("num_key_value_heads") or heads) * head, window


def _llama(c: dict[str, Any]) -> tuple[int, int, int | None]:
    window = c.get("sliding_window") if c.get("use_sliding_window", True) else None
    return _attention(c, c["num_hidden_layers"], window)


def _gpt2(c: dict[str, Any]) -> tuple[int, int, int | None]:
    return _attention(c, c["n_layer"])


def _mamba(c: dict[str, Any]) -> tuple[int, int, int | None]:
    inner = c.get("intermediate_size") or c.get("expand", 2) * c["hidden_size"]
    return c["num_hidden_layers"] * inner * (c["state_size"] + c["conv_kernel"]), 0, None


def _mamba2(c: dict[str, Any]) -> tuple[int, int, int | None]:
    inner = int(c.get("expand", 2) * c["hidden_size"])
    convolved = inner + 2 * c.get("n_groups", 8) * c["state_size"]
    return c["num_hidden_layers"] * (inner * c["state_size"] + convolved * c["conv_kernel"]), 0, None


def _rwkv(c: dict[str, Any]) -> tuple[int, int, int | None]:
    hidden = c["hidden_size"]
    return c["num_hidden_layers"] * (2 * hidden + 3 * (c.get("attention_hidden_size") or hidden)), 0, None


def _recurrent_gemma(c: dict[str, Any]) -> tuple[int, int, int | None]:
    pattern = c.get("block_types") or c.get("_block_types") or ("recurrent", "recurrent", "attention")
    blocks = [pattern[i % len(pattern)] for i in range(c["num_hidden_layers"])]
    width = c.get("lru_width") or c["hidden_size"]
    recurrent = blocks.count("recurrent") * width * (1 + c.get("conv1d_width", 4) - 1)
    _, per_token, _ = _attention(c, blocks.count("attention"))
    return recurrent, per_token, c.get("attention_window_size", 2048)


def _jamba(c: dict[str, Any]) -> tuple[int, int, int | None]:
    layers, period, offset = c["num_hidden_layers"], c["attn_layer_period"], c["attn_layer_offset"]
    attention = sum(i % period == offset for i in range(layers))
    inner = c.get("mamba_expand", 2) * c["hidden_size"]
    mamba = (layers - attention) * inner * (c["mamba_d_state"] + c["mamba_d_conv"])
    return mamba, _attention(c, attention)[1], None


_SIZES = {
    "num_attention_heads", "n_head", "hidden_size", "n_embd", "head_dim", "num_key_value_heads", "num_hidden_layers",
    "n_layer", "intermediate_size", "expand", "state_size", "conv_kernel", "n_groups", "attention_hidden_size",
    "lru_width", "conv1d_width", "attention_window_size", "sliding_window", "attn_layer_period", "mamba_expand",
    "mamba_d_state", "mamba_d_conv",
}  # fmt: skip
"""Fields that say how large something is."""

_FAMILIES = {
    "llama": _llama, "mistral": _llama, "qwen2": _llama, "qwen3": _llama, "gemma": _llama, "gpt2": _gpt2,
    "mamba": _mamba, "falcon_mamba": _mamba, "mamba2": _mamba2, "rwkv": _rwkv,
    "recurrent_gemma": _recurrent_gemma, "jamba": _jamba,
}  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """What a state of this size means for one task: proved for exact models, and for their average accuracy."""

    task: str
    length: int
    needed_bits: float
    state_bits: int
    possible: bool
    longest: Longest
    accuracy_ceiling: float


def verdicts(size: StateSize, length: int, tasks: list[Task] | None = None) -> list[Verdict]:
    """Every task's verdict at a context length, by the recurrent bound (which a growing cache soon meets)."""
    found = []
    for task in tasks if tasks is not None else standard_tasks(length):
        bits = size.bits(task.length)
        growing = size.per_token and size.window is None
        longest = Longest(None) if growing else longest_recurrent(task, size.bits(size.window or length))
        needed = task.recurrent_bits()
        found.append(
            Verdict(task.name, task.length, needed, bits, needed <= bits, longest, task.accuracy_ceiling(bits))
        )
    return found


def standard_tasks(length: int) -> list[Task]:
    """The tasks an audit looks at, at an even length."""
    length += length % 2
    return [
        create("index-lookup", length=length, alphabet=64),
        create("associative-recall", length=length, keys=max(64, length), values=64),
        create("equality", length=length),
        create("disjointness", length=length),
        create("bounded-dyck", length=length, kinds=2, depth=10, negatives=("random",)),
        create("group-word", length=length, group="S5"),
    ]
