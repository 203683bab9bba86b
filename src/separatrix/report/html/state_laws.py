"""The state of a configuration as a formula of its fields and the length N: what a page computes of a file it is given.

The library measures states (`separatrix.models.measure`, and audits of Transformers' configurations); the tests hold
each formula against it. A page evaluates them: it has no library, and runs nothing of the file.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from separatrix import models


@dataclass(frozen=True)
class StateLaw:
    """Bits after N tokens. A configuration whose fields are not as `only` allows is one that the formula is not of.

    bits:     in the fields, in N, and in `dtype`, the bits of the number format
    derived:  fields that follow from others where they are not given
    defaults: what a field is where it is not given
    only:     the values that a field may have, where it is given; of a list, each of its items
    """

    bits: str
    derived: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    only: Mapping[str, list[Any]] = field(default_factory=dict)


BITS = {"float32": 32, "float16": 16, "bfloat16": 16, "float64": 64}
"""Number formats that a configuration names, with their bits."""

_KEYS = {"key_width": "width // heads"}
_OWN_DERIVED: dict[str, dict[str, str]] = {
    "transformer": {"head_width": "width // heads"},
    "gla": {"key_width": "width // (2 * heads)"},
    "linear-rnn": {"state": "width"},
    "mla": {"latent": "width // 4 if width // 4 else 1"},
    **dict.fromkeys(("retnet", "deltanet", "gated-deltanet", "deltaproduct", "kda"), _KEYS),
}
"""What a field of ours that is None means, where the state depends on it."""

_OWN_BITS = {
    "transformer": "2 * heads * head_width * (min(N, window - 1) if window else N)",
    "mlstm": "expand * width * (expand * width // heads + 1) + heads + (taps - 1) * expand * width",
    "ttt": "width * (width // heads + 1) + N % batch * (2 * width + heads)",
    "forgetting": "(2 * width + heads) * N + (2 * width if shift else 0)",
    "titans": "2 * width * width // heads + N % batch * (2 * width + 3 * heads)",
}
"""Numbers a layer where the formula of the architecture is in words."""

_BASED = "heads * (1 + key_width + key_width * (key_width + 1) // 2) * (width // heads + 1)"
_OWN_LAWS = {
    "based": f"32 * ((layers - layers // 2 if window else layers) * {_BASED}"
    " + (layers // 2 * 2 * width * min(N, window - 1) if window else 0))",
}
"""Bits where not every layer holds the same."""

_OWN_ONLY: dict[str, dict[str, list[Any]]] = {"based": {"features": ["taylor"]}}
"""What a formula of ours holds for, beside what holds for all."""

_LAYERS, _WIDTH, _HEADS = "num_hidden_layers", "hidden_size", "num_attention_heads"
_CACHE = f"2 * {_LAYERS} * num_key_value_heads * head_dim * dtype"
_HEAD = {"num_key_value_heads": _HEADS, "head_dim": f"{_WIDTH} // {_HEADS}"}
_FULL: dict[str, list[Any]] = {"layer_types": ["full_attention"], "use_sliding_window": [False, None]}
_INNER = {"intermediate_size": f"expand * {_WIDTH}"}
_WINDOWED = f"{_CACHE} * (min(N, sliding_window - 1) if sliding_window else N)"


def _sizes(width: int, layers: int, heads: int, **more: Any) -> dict[str, Any]:
    return {_WIDTH: width, _LAYERS: layers, _HEADS: heads, **more}


_SCANNED = StateLaw(
    f"{_LAYERS} * intermediate_size * (32 * state_size + conv_kernel * dtype)",
    _INNER,
    {_WIDTH: 768, _LAYERS: 32, "state_size": 16, "expand": 2, "conv_kernel": 4},
)
TRANSFORMERS: dict[str, StateLaw] = {
    "llama": StateLaw(f"{_CACHE} * N", _HEAD, _sizes(4096, 32, 32), _FULL),
    "qwen2": StateLaw(f"{_CACHE} * N", _HEAD, _sizes(4096, 32, 32, num_key_value_heads=32), _FULL),
    "qwen3": StateLaw(f"{_CACHE} * N", _HEAD, _sizes(4096, 32, 32, num_key_value_heads=32, head_dim=128), _FULL),
    "gemma": StateLaw(f"{_CACHE} * N", _HEAD, _sizes(3072, 28, 16, num_key_value_heads=16, head_dim=256), _FULL),
    "mistral": StateLaw(_WINDOWED, _HEAD, _sizes(4096, 32, 32, num_key_value_heads=8, sliding_window=4096)),
    "mixtral": StateLaw(_WINDOWED, _HEAD, _sizes(4096, 32, 32, num_key_value_heads=8, sliding_window=None)),
    "phi3": StateLaw(_WINDOWED, _HEAD, _sizes(3072, 32, 32, sliding_window=None)),
    "gpt2": StateLaw("2 * n_layer * n_embd * dtype * N", {}, {"n_embd": 768, "n_layer": 12}),
    "gpt_neox": StateLaw(f"2 * {_LAYERS} * {_WIDTH} * dtype * N", {}, {_WIDTH: 6144, _LAYERS: 44}),
    "opt": StateLaw(f"2 * {_LAYERS} * {_WIDTH} * dtype * N", {}, {_WIDTH: 768, _LAYERS: 12}),
    "mamba": _SCANNED,
    "falcon_mamba": _SCANNED,
    "mamba2": StateLaw(
        f"{_LAYERS} * (32 * expand * {_WIDTH} * state_size"
        f" + (expand * {_WIDTH} + 2 * n_groups * state_size) * conv_kernel * dtype)",
        {},
        {_WIDTH: 4096, _LAYERS: 64, "state_size": 128, "expand": 2, "conv_kernel": 4, "n_groups": 8},
    ),
}
"""Types of Transformers whose state is known here; of any other `separatrix plan --model config.json` tells it."""


def state_laws() -> dict[str, dict[str, Any]]:
    """Each law as JSON, formulas as nested lists, `["*", 2, "width"]`: ours by `separatrix:name`, others by type."""
    own = {f"separatrix:{name}": _own(name) for name in models.names() if _is_formula(_law(name))}
    return {name: _packed(law) for name, law in {**own, **TRANSFORMERS}.items()}


def _numbers(name: str) -> str:
    """What one layer of an architecture of ours holds, in words where no formula says it."""
    return _OWN_BITS.get(name, models.architecture(name).state_formula.replace(" / ", " // "))


def _law(name: str) -> str:
    """Bits of a model of ours in float32."""
    return _OWN_LAWS.get(name, f"32 * layers * ({_numbers(name)})")


def _is_formula(text: str) -> bool:
    try:
        return bool(formula(text))
    except (SyntaxError, ValueError, KeyError):
        return False


def _own(name: str) -> StateLaw:
    """The law of an architecture of ours: a layer's numbers, in float32, so many layers."""
    found = models.architecture(name)
    defaults = {key: each.default for key, each in found.Config.model_fields.items() if key != "name"}
    law = _law(name)
    derived = _OWN_DERIVED.get(name, {})
    used = {
        node.id for text in (law, *derived.values()) for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)
    }
    return StateLaw(
        law,
        derived,
        {key: value for key, value in defaults.items() if key in used and value is not None},
        {"convolution": [None], "causal": [True], **_OWN_ONLY.get(name, {})},
    )


def _packed(law: StateLaw) -> dict[str, Any]:
    derived = {name: formula(text) for name, text in law.derived.items()}
    return {"bits": formula(law.bits), "derived": derived, "defaults": dict(law.defaults), "only": dict(law.only)}


_SIGNS: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.FloorDiv: "//", ast.Mod: "%"
}  # fmt: skip


def formula(text: str) -> Any:
    """A formula as nested lists of an operation and its operands, numbers and names.

    >>> formula("2 * (min(N, window - 1) if window else N)")
    ['*', 2, ['if', 'window', ['min', 'N', ['-', 'window', 1]], 'N']]
    """
    return _nested(ast.parse(text, mode="eval").body)


def _nested(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=int(number)):
            return number
        case ast.Name(id=name):
            return name
        case ast.BinOp(left=left, op=sign, right=right):
            return [_SIGNS[type(sign)], _nested(left), _nested(right)]
        case ast.IfExp(test=test, body=body, orelse=other):
            return ["if", _nested(test), _nested(body), _nested(other)]
        case ast.Call(func=ast.Name(id="min"), args=args):
            return ["min", *map(_nested, args)]
    raise ValueError(f"no formula: {ast.unparse(node)}")
