"""Model types by their bare name: Transformers' default sizes, brought to another width."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from separatrix.errors import InputError
from separatrix.models.huggingface.shrink import EVEN, EXPERT_COUNT, EXPERTS, GROUPS, HIDDEN, MLP, TOP, TOP_COUNT, WIDTH

_MULTIPLES = {"xlstm": 128}
"""What the width must be a multiple of: xLSTM's heads are rounded to 64 numbers in one place and not in another."""

STATES = 16
"""The most numbers a channel of a bare hybrid's Mamba-2 layers keeps."""

_LAYERS = re.compile(r"^(num_hidden_layers|n_layers?|num_layers|decoder_layers|num_decoder_layers|num_blocks)$")
_HEADS = re.compile(
    r"^((num|n)_(attention_|key_value_|kv_)?heads?|n_head|(decoder_|encoder_)?attention_heads|num_query_groups|"
    r"linear_num(_key|_value)?_heads|swa_num_(attention|key_value)_heads|index_n_heads|n_mamba_heads|"
    r"(num_decoder|num_encoder)_attention_heads)$"
)
_KINDS = ("layer_types", "layers_block_type", "mlp_layer_types")
"""What lists of the kind of each layer are called."""

_STATE = re.compile(r"^(mamba_d_state|ssm_state_size)$")
_ONE = re.compile(rf"^(n_groups|mamba_n_groups|mamba_ngroups)$|{GROUPS.pattern}")
_MAMBA = (
    ("num_heads", "head_dim"),
    ("mamba_n_heads", "mamba_d_head"),
    ("mamba_num_heads", "mamba_head_dim"),
    ("n_mamba_heads", "mamba_headdim"),
)
"""What a count of heads of a Mamba-2 layer and their width are called."""


def bare(defaults: dict[str, Any], width: int, layers: int, heads: int | None) -> dict[str, Any]:
    """The settings of a model type at another width: its proportions, with at most four heads of every kind."""
    own = next((name for name in HIDDEN if isinstance(defaults.get(name), int)), "hidden_size")
    default_width = defaults.get(own) or width
    heads = heads or max(h for h in (1, 2, 4) if width % h == 0)
    kind = defaults.get("model_type")
    if width % (multiple := _MULTIPLES.get(str(kind), 1)):
        raise InputError(f"hf:{kind}: Transformers needs a width that is a multiple of {multiple}, got {width}")
    even = 8 if any(EXPERT_COUNT.search(name) for name in defaults) else 1  # experts' rows start at whole 16 bytes
    rules: list[tuple[re.Pattern[str], Callable[[int], int]]] = [
        (_LAYERS, lambda value: layers),
        (EVEN, lambda value: width // heads),
        (_HEADS, lambda value: heads),
        (MLP, lambda value: max(1, round(value * width / default_width / even)) * even),
        (WIDTH, lambda value: max(1, round(value * width / default_width))),
        (_STATE, lambda value: min(value, STATES)),
        (_ONE, lambda value: 1),
        (EXPERT_COUNT, lambda value: min(value, EXPERTS)),
        (TOP_COUNT, lambda value: min(value, TOP)),
    ]
    new: dict[str, Any] = {}
    for name, value in defaults.items():
        if type(value) is int and value > 0:
            change = next((change for pattern, change in rules if pattern.search(name)), None)
            new |= {name: change(value)} if change else {}
    for name in _KINDS:
        if isinstance(kinds := defaults.get(name), list) and kinds:
            new[name] = [kinds[i % len(kinds)] for i in range(layers)]
    return new | _attention(defaults, new, layers) | _derived(defaults, new, width, heads) | {own: width}


def fewest_layers(defaults: dict[str, Any], least: int) -> int:
    """How many layers a bare hybrid needs to have one of attention: Transformers counts tokens there."""
    if "attn_layer_period" in defaults or "attn_layer_indices" in defaults:
        return max(least, 2)
    kinds = next((defaults[name] for name in _KINDS[:2] if isinstance(defaults.get(name), list)), None)
    if kinds is None:
        return least
    return max(least, next((i for i, kind in enumerate(kinds) if _attends(kind)), 1) + 1)


def _attends(kind: str) -> bool:
    return ("attention" in kind and "linear" not in kind) or "hybrid" in kind


def _attention(defaults: dict[str, Any], new: dict[str, Any], layers: int) -> dict[str, Any]:
    """Settings that make the last layer of a hybrid one of attention where the default's first few are none."""
    if "attn_layer_period" in defaults:
        return {"attn_layer_period": layers, "attn_layer_offset": layers - 1}
    if "attn_layer_indices" in defaults:
        return {"attn_layer_indices": [layers - 1]}
    for name in _KINDS[:2]:
        if (kinds := new.get(name)) and not any(map(_attends, kinds)) and not any(map(_attends, defaults[name])):
            return {name: [*kinds[:-1], "full_attention"]}
    return {}


def _derived(defaults: dict[str, Any], new: dict[str, Any], width: int, heads: int) -> dict[str, Any]:
    """Settings that must fit others: the heads of Mamba-2 layers, and those of latent attention."""
    found: dict[str, Any] = {}
    if "qk_nope_head_dim" in new and "qk_head_dim" in new:
        found["qk_head_dim"] = new["qk_nope_head_dim"] + new["qk_rope_head_dim"]
    expand = defaults.get("mamba_expand") or defaults.get("expand")
    if not expand:
        return found
    inner = int(expand * width)
    for count, each in _MAMBA:
        if count in defaults and each in defaults:
            found |= {count: heads, each: inner // heads}
    if "attention_hidden_size" in defaults:  # Zamba's attention reads the residual stream and the embeddings
        found |= {"attention_hidden_size": 2 * width, "attention_head_dim": 2 * width // heads}
    found |= {"mamba_d_ssm": inner} if "mamba_d_ssm" in defaults else {}
    return found | ({"intermediate_size": inner} if "expand" in defaults else {})
