"""The states of flash-linear-attention's models, computed from configurations by its layers' shapes, not measured.

Its layers run on GPUs only. What they hand over follows from their settings: a matrix in float32 for each head, the
last inputs of short convolutions (as many as taps, one more than are needed) or of token shifts (one, before the MLP
too), and a cache where layers attend; attention with forget gates, of latent vectors and Mamba-3 by themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from separatrix.bounds.state_size import Part, StateSize, merged
from separatrix.errors import InputError
from separatrix.models.huggingface.configuration import number_format

Settings = dict[str, Any]
Shape = tuple[int, int, int, int]
"""Heads, key and value width of one head's matrix, and channels that short convolutions keep the inputs of."""


Known = Callable[[Settings], tuple[Shape, int]]
"""The shape of a layer's state, and how many inputs of those channels are kept."""


def _taps(s: Settings, convolved: bool) -> int:
    return int(s.get("conv_size", 4)) if s.get("use_short_conv", convolved) else 0


def _expanded(heads: int, k: float, v: float, convolved: bool) -> Known:
    """Of layers whose widths are multiples of hidden_size, by default these."""

    def shape(s: Settings) -> tuple[Shape, int]:
        width, own = s.get("hidden_size", 2048), s.get("num_heads", heads)
        kv_heads = s.get("num_kv_heads") or own
        keys, values = int(width * s.get("expand_k", k)), int(width * s.get("expand_v", v))
        channels = keys + (keys + values) * kv_heads // own
        return (own, keys // own, values // own, channels), _taps(s, convolved)

    return shape


def _by_head(head: int, heads: int, v: float) -> Known:
    """Of layers that are told the width of a head."""

    def shape(s: Settings) -> tuple[Shape, int]:
        own, width = s.get("num_heads", heads), s.get("head_dim", head)
        read, values = s.get("num_v_heads") or own, int(width * s.get("expand_v", v))
        written = s.get("num_householder", 1)
        channels = own * width * (1 + written) + read * values * written
        return (read, width, values, channels), _taps(s, True)

    return shape


def _hgrn2(s: Settings) -> tuple[Shape, int]:
    width = s.get("hidden_size", 2048)
    heads = s.get("num_heads") or width // (s.get("expand_ratio") or 128)
    expand = s.get("expand_ratio") or width // heads
    return (heads, expand, width // heads, 2 * heads * expand + width), _taps(s, False)


def _rwkv6(s: Settings) -> tuple[Shape, int]:
    width, heads = s.get("hidden_size", 2048), s.get("num_heads", 4)
    keys, values = (int(width * s.get(name, share)) for name, share in (("expand_k", 0.5), ("expand_v", 1.0)))
    return (heads, keys // heads, values // heads, 2 * width), 1


def _rwkv7(s: Settings) -> tuple[Shape, int]:
    width = s.get("hidden_size", 2048)
    heads = s.get("num_heads") or width // s.get("head_dim", 64)
    values = int(s.get("value_dim") or width)  # TypeError where layers differ: they are not read
    return (heads, width // heads, values // heads, 2 * width), 1


def _forgetting(s: Settings, bits: int) -> list[Part]:
    """Keys and values in the model's format, log forget gates in float32; all within the window, where there is one."""
    heads = s.get("num_heads", 32)
    kept = 2 * (s.get("hidden_size", 2048) // heads) * (s.get("num_kv_heads") or heads)
    return [Part(each, 0, numbers, s.get("window_size")) for each, numbers in ((bits, kept), (32, heads))]


def _mla(s: Settings, bits: int) -> list[Part]:
    """Keys and values of all heads, read out of the latent vectors before they are kept, beyond a window too."""
    shared, turned = s.get("qk_nope_head_dim", 128), s.get("qk_rope_head_dim", 64)
    return [Part(bits, 0, s.get("num_heads", 16) * (shared + turned + s.get("v_head_dim", 128)))]


def _mamba3(s: Settings, bits: int) -> list[Part]:
    """State and angles of pairs in float32; the last token's b, of each head, and x in the model's format."""
    inner, states = int(s.get("expand", 2) * s.get("hidden_size", 2048)), s.get("state_size", 128)
    heads, rank = inner // s.get("head_dim", 64), s.get("mimo_rank", 4) if s.get("is_mimo") else 1
    angles = int(states * s.get("rope_fraction", 0.5)) // 2
    return [Part(32, inner * states + heads * angles), Part(bits, rank * heads * states + inner)]


FAMILIES: dict[str, tuple[Known, int]] = {
    "gla": (_expanded(4, 0.5, 1.0, convolved=False), 24),
    "delta_net": (_expanded(16, 1.0, 1.0, convolved=True), 24),
    "retnet": (_expanded(8, 1.0, 2.0, convolved=False), 24),
    "gated_deltanet": (_by_head(256, 6, 2.0), 21),
    "gated_deltaproduct": (_by_head(256, 6, 2.0), 21),
    "kda": (_by_head(128, 16, 1.0), 24),
    "hgrn2": (_hgrn2, 24),
    "rwkv6": (_rwkv6, 24),
    "rwkv7": (_rwkv7, 24),
}
"""Model types: the shape of a layer's state and what it keeps of its inputs, and how many layers there are if none is
told."""

OTHERS: dict[str, tuple[Callable[[Settings, int], list[Part]], int | None]] = {
    "forgetting_transformer": (_forgetting, 24),
    "mla": (_mla, 24),
    "mamba3": (_mamba3, None),
}
"""Model types: the parts of one layer's state, given the bits of a number of the model, and how many layers there are
if none is told."""

LOGARITHMIC = ("log_linear_mamba2",)


def is_fla(settings: Settings) -> bool:
    """Whether a configuration is one of a model of flash-linear-attention that is known here, and not Transformers'."""
    from transformers import CONFIG_MAPPING

    kind = str(settings.get("model_type"))
    return kind in (*FAMILIES, *OTHERS, *LOGARITHMIC) and kind not in CONFIG_MAPPING


def fla_size(settings: Settings) -> StateSize:
    """The state of such a configuration.

    Raises InputError for settings that are no numbers where numbers belong, and for a state that grows with the
    logarithm of the text.
    """
    kind = str(settings["model_type"])
    if kind in LOGARITHMIC:
        raise InputError(
            f"{kind}: its state grows with the logarithm of the text, and what is read is constant, windowed or linear"
        )
    try:
        bits = number_format(settings).itemsize * 8
        parts = _other_parts(kind, settings, bits) if kind in OTHERS else _parts(kind, settings, bits)
    except (TypeError, ValueError, KeyError, AttributeError, ZeroDivisionError) as error:
        raise InputError(f"{kind}: not a configuration of flash-linear-attention: {error!r}") from None
    return StateSize(merged(parts), f"{kind} of flash-linear-attention, by the shapes of its layers; not measured")


def _parts(kind: str, settings: Settings, bits: int) -> list[Part]:
    """Matrices and the last inputs of the layers that have them, and the cache of those that attend."""
    shape_of, layers = FAMILIES[kind]
    (count, keys, values, channels), taps = shape_of(settings)
    layers = int(settings.get("num_hidden_layers", layers))
    attends = settings.get("attn") or {}
    attending = len(set(attends.get("layers", [])) & set(range(layers)))
    parts = [Part(32, (layers - attending) * count * keys * values)]
    parts.append(Part(bits, (layers - attending) * channels * taps))
    if attending:
        each = int(settings.get("hidden_size", 2048)) // int(attends["num_heads"])
        kept = 2 * each * int(attends.get("num_kv_heads") or attends["num_heads"])
        parts.append(Part(bits, 0, attending * kept, attends.get("window_size")))
    return parts


def _other_parts(kind: str, settings: Settings, bits: int) -> list[Part]:
    """The parts of all layers, which are alike. KeyError where nothing says how many there are."""
    of_layer, known = OTHERS[kind]
    layers = int(settings["num_hidden_layers"] if known is None else settings.get("num_hidden_layers", known))
    return [
        replace(part, constant=layers * part.constant, per_token=layers * part.per_token)
        for part in of_layer(settings, bits)
    ]
