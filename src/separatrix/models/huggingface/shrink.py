"""Small models of a configuration: the same layers, heads, windows' order and number formats, other sizes.

All widths are multiples of one unit: at scale T the model is the real one, at scale 1 the smallest, so that whatever
is counted is a polynomial of the scale. Windows become a few tokens. What no cache depends on (vocabulary, experts,
hidden units of MLPs) is cut down.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

WIDTH = re.compile(
    r"(hidden_size|d_model|n_embd|emb_dim|embedding_dim|embedding_size|head_dim|head_size|headdim|d_head|dim_head|"
    r"d_ssm|kv_lora_rank|q_lora_rank|lru_width|embed_proj_dim|rotary_dim|kv_channels|qk_head_dim|ple_embed_dim|"
    r"hidden_size_per_layer_input|axial_pos_embds_dim|dim_model)$"
)
EVEN = re.compile(r"(head_dim|head_size|headdim|d_head|dim_head|rotary_dim|kv_channels)$")
_HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads", "attention_heads", "decoder_attention_heads")
HIDDEN = ("hidden_size", "n_embd", "d_model", "emb_dim", "embedding_dim")
MLP = re.compile(r"(intermediate_size(_mlp)?|ffn_dim|n_inner|ffn_hidden_size|dim_ff|dff|d_inner|feed_forward_size)$")
_WINDOW = re.compile(r"(window|window_size|window_len|attention_chunk_size|local_attention|mem_len)$")
EXPERT_COUNT = re.compile(r"(num_experts|n_routed_experts|num_local_experts|moe_num_experts|zero_expert_num)$")
TOP_COUNT = re.compile(r"(num_experts_per_tok|num_experts_per_token|moe_topk|moe_k)$")
GROUPS = re.compile(r"(n_group|topk_group|num_expert_group)$")
_CHUNK = re.compile(r"^(mamba_)?chunk_size$")
_VOCABULARY = re.compile(r"(?<!type_)vocab_size(_per_layer_input)?$")

VOCABULARY, EXPERTS, TOP, HIDDEN_UNITS, CHUNK = 64, 8, 2, 16, 8
NARROWEST = 32
"""The least width of a small model's residual stream: norms of fewer numbers lose what was read."""
FEW = 12
"""Windows of so many tokens are small enough as they are."""

Path = tuple[str, ...]


def numbers(settings: dict[Any, Any], pattern: re.Pattern[str], path: Path = ()) -> Iterator[tuple[Path, int]]:
    """Where positive integers (also in lists, and in parts of a configuration) have a name like the pattern."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from numbers(value, pattern, (*path, str(name)))
        elif pattern.search(str(name)):
            for item in value if isinstance(value, list) else [value]:
                if type(item) is int and item > 0:
                    yield (*path, str(name)), item


def replaced(settings: dict[str, Any], pattern: re.Pattern[str], change: Callable[[int], int]) -> dict[str, Any]:
    """The settings with every such integer changed."""
    new: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            new[name] = replaced(value, pattern, change)
        elif pattern.search(str(name)):
            items = [
                change(x) if type(x) is int and x > 0 else x for x in (value if isinstance(value, list) else [value])
            ]
            new[name] = items if isinstance(value, list) else items[0]
        else:
            new[name] = value
    return new


def windows(settings: dict[Any, Any]) -> list[int]:
    """The different lengths, in tokens, of a configuration's windows, ascending."""
    return sorted({value for _, value in numbers(settings, _WINDOW)})


def scales(settings: dict[str, Any]) -> list[int]:
    """The scales T at which a configuration may be the T-fold of a small one, the largest first; 1 always."""
    units = []
    for path, value in numbers(settings, WIDTH):
        units.append(value // 2 if EVEN.search(path[-1]) and value % 2 == 0 else value)
    heads = next((settings[name] for name in _HEADS if isinstance(settings.get(name), int)), None)
    width = next((settings[name] for name in HIDDEN if isinstance(settings.get(name), int)), None)
    if heads and width and "kv_lora_rank" not in settings:
        each, odd = divmod(width, heads)
        units += [] if odd else [each if settings.get("head_dim") or each % 2 else each // 2]
    unit = math.gcd(*units)
    most = min(unit, max(1, (width or unit) // NARROWEST))
    return [t for t in range(most, 0, -1) if unit % t == 0]


@dataclass(frozen=True)
class Shrunk:
    """A configuration's settings at other sizes. `small` maps each window's length to the one put in its place."""

    settings: dict[str, Any]
    scale: int
    small: dict[int, int] = field(default_factory=dict)

    def at(self, t: int) -> dict[str, Any]:
        """The settings whose widths are t / scale of the real ones."""
        new = replaced(copy.deepcopy(self.settings), WIDTH, lambda v: max(1, v * t // self.scale))
        if "expand" in new:  # the inner units of Mamba carry its state
            new.pop("intermediate_size", None)
        new = replaced(new, MLP, lambda v: min(v, HIDDEN_UNITS))
        new = replaced(new, _WINDOW, lambda v: self.small.get(v, v))
        new = replaced(new, EXPERT_COUNT, lambda v: min(v, EXPERTS))
        new = replaced(new, TOP_COUNT, lambda v: min(v, TOP))
        new = replaced(new, GROUPS, lambda v: 1)
        new = replaced(new, _VOCABULARY, lambda v: min(v, VOCABULARY))
        new = replaced(new, _CHUNK, lambda v: min(v, CHUNK))
        return _plain_positions(_known_tokens(new))


def small_windows(lengths: list[int], first: int, step: int) -> dict[int, int]:
    """A few tokens for each window, in the same order; windows of few tokens stay."""
    return {length: length if length <= FEW else first + step * i for i, length in enumerate(lengths)}


def _known_tokens(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings without special tokens beyond the small vocabulary."""
    new: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            new[name] = _known_tokens(value)
        elif str(name).endswith(("token_id", "token_index")) and isinstance(value, int | list):
            new[name] = [v % VOCABULARY for v in value] if isinstance(value, list) else value % VOCABULARY
        else:
            new[name] = value
    return new


def _plain_positions(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings without the factors of rotary embeddings that are listed for each pair of the real head's width."""
    new: dict[str, Any] = {}
    for name, value in settings.items():
        if not isinstance(value, dict):
            new[name] = value
        elif value.get("rope_type", value.get("type")) == "longrope":
            new[name] = {"rope_type": "default", "rope_theta": value.get("rope_theta", 10000.0)} | {
                k: v for k, v in value.items() if k == "partial_rotary_factor"
            }
        else:
            new[name] = _plain_positions({k: v for k, v in value.items() if k != "mrope_section"})
    return new
