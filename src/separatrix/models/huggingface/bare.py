"""Model types by their bare name: Transformers' default sizes, brought to another width."""

from __future__ import annotations

import re
from typing import Any

from separatrix.models.huggingface.shrink import EVEN, EXPERT_COUNT, EXPERTS, GROUPS, HIDDEN, MLP, TOP, TOP_COUNT, WIDTH

_LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers", "num_blocks")
_HEAD_COUNT = re.compile(
    r"^((num|n)_(attention_|key_value_|kv_)?heads?|n_head|(decoder_|encoder_)?attention_heads|num_query_groups|"
    r"linear_num(_key|_value)?_heads|swa_num_(attention|key_value)_heads|index_n_heads)$"
)
_STATES = ("mamba_d_state", "ssm_state_size")
_SSMGROUPS = ("n_groups", "mamba_n_groups", "mamba_ngroups")
STATES = 16
"""The size of a bare Mamba-2 state for each channel, where several are mixed with attention."""


def bare(defaults: dict[str, Any], width: int, layers: int, heads: int | None) -> dict[str, Any]:
    """The settings of a model type at another width: its proportions, with at most four heads of every kind."""
    own = next((name for name in HIDDEN if isinstance(defaults.get(name), int)), "hidden_size")
    ratio = width / (defaults.get(own) or width)
    heads = heads or max(h for h in (1, 2, 4) if width % h == 0)
    each = width // heads
    new: dict[str, Any] = {own: width}
    for name, value in defaults.items():
        if name == own or not isinstance(value, int) or isinstance(value, bool) or value < 1:
            continue
        if name in _LAYERS:
            new[name] = layers
        elif EVEN.search(name):
            new[name] = each
        elif _HEAD_COUNT.search(name):
            new[name] = heads
        elif MLP.search(name) or WIDTH.search(name):
            new[name] = max(1, round(value * ratio))
        elif name in _STATES:
            new[name] = min(value, STATES)
        elif name in _SSMGROUPS:
            new[name] = 1
        elif EXPERT_COUNT.search(name):
            new[name] = min(value, EXPERTS)
        elif TOP_COUNT.search(name):
            new[name] = min(value, TOP)
        elif GROUPS.search(name):
            new[name] = 1
    expand = defaults.get("mamba_expand") or defaults.get("expand")
    for counts, wide in (("num_heads", "head_dim"), ("mamba_n_heads", "mamba_d_head"), ("mamba_num_heads", "mamba_head_dim")):
        if expand and counts in defaults and wide in defaults:
            new |= {counts: heads, wide: int(expand * width) // heads}
    if expand and "n_mamba_heads" in defaults:
        new["n_mamba_heads"] = heads
        new |= {"mamba_headdim": int(expand * width) // heads} if "mamba_headdim" in defaults else {}
    if expand and "mamba_d_ssm" in defaults:
        new["mamba_d_ssm"] = int(expand * width)
    if "expand" in defaults:
        new.pop("intermediate_size", None)
    if "qk_nope_head_dim" in defaults and "qk_head_dim" in defaults:
        new["qk_head_dim"] = new["qk_nope_head_dim"] + new["qk_rope_head_dim"]
    return new
