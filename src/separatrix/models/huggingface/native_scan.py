"""Mamba of Transformers by this library's selective scan, which goes on from a cache: Transformers' starts anew there.

Also the Mamba of Falcon-Mamba and of Jamba, whose step sizes, b and c are normalised.

Off a GPU, Transformers' scan is a loop over tokens in Python that begins with a state of zeros wherever more than one
token is read. What is put in its place computes the same, from and into the same cache; whether it does is checked
on a small model of the same configuration before it is used (`Reader.reads_pieces`).
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from separatrix import ops

MIXERS = ("MambaMixer", "FalconMambaMixer", "JambaMambaMixer")
"""Transformers' names of the mixers that are known."""


def scan_natively(model: nn.Module) -> bool:
    """Let every Mamba mixer of a model use the native scan; whether there was one."""
    found: list[Any] = [part for part in model.modules() if _known(part)]
    for mixer in found:
        mixer.forward = partial(_forward, mixer)
    return bool(found)


def _known(part: Any) -> bool:
    kind = type(part)
    ours = kind.__name__ in MIXERS and kind.__module__.startswith("transformers.models.")
    return ours and part.activation in ("silu", "swish")


def scan_as_before(model: nn.Module) -> None:
    """Undo `scan_natively`."""
    for part in model.modules():
        if getattr(vars(part).get("forward"), "func", None) is _forward:
            del vars(part)["forward"]


@torch.no_grad()
def _forward(mixer: Any, hidden_states: Float[Tensor, "B N D"], cache_params: Any = None, **_: Any) -> Tensor:
    """What Transformers' own `forward` of a mixer gives for text without padding."""
    x, gate = mixer.in_proj(hidden_states).chunk(2, dim=-1)  # (B, N, I)
    window = state = None
    if cache_params is not None:
        layer, taps = mixer.layer_idx, mixer.conv_kernel_size
        kept = cache_params.get_conv_state(layer, state_idx=0)  # (B, I, taps): one more than is needed
        if kept is not None:
            window, state = kept[..., 1:].transpose(1, 2).clone(), cache_params.get_recurrent_state(layer, state_idx=0)
        cache_params.update_conv_state(x.transpose(1, 2), layer, conv_kernel_size=taps)
    u = ops.causal_convolution(x, mixer.conv1d.weight[:, 0], mixer.conv1d.bias, window)
    sizes = [mixer.time_step_rank, mixer.ssm_state_size, mixer.ssm_state_size]
    step, b, c = mixer.x_proj(u).split(sizes, dim=-1)
    if hasattr(mixer, "dt_layernorm"):
        step, b, c = mixer.dt_layernorm(step), mixer.b_layernorm(b), mixer.c_layernorm(c)
    delta, a = F.linear(step, mixer.dt_proj.weight), -torch.exp(mixer.A_log.float())
    u, delta, b, c, d, z, bias = (part.float() for part in (u, delta, b, c, mixer.D, gate, mixer.dt_proj.bias))
    y, state = ops.selective_scan(u, delta, a, b, c, d, z, bias, state, softplus=True)
    if cache_params is not None:
        cache_params.update_recurrent_state(state, mixer.layer_idx)
    return mixer.out_proj(y.to(hidden_states.dtype))
