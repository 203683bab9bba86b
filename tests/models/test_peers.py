"""The same numbers as independent implementations, weights copied: outputs to 1e-5, gradients to 1e-4 in float32."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from separatrix.models.deltanet import DeltaMixer
from separatrix.models.deltaproduct import DeltaProductMixer
from separatrix.models.elman import ElmanMixer
from separatrix.models.gated_convolution import GatedConvolutionMixer
from separatrix.models.gated_deltanet import GatedDeltaMixer
from separatrix.models.gru import GRUMixer
from separatrix.models.hgrn2 import HGRN2Mixer
from separatrix.models.kda import KDAMixer
from separatrix.models.lstm import LSTMMixer
from separatrix.models.mamba import MambaMixer
from separatrix.models.mamba2 import Mamba2Mixer
from separatrix.models.minimal import MinGRUMixer, MinLSTMMixer
from separatrix.models.mla import LatentAttention
from separatrix.models.rg_lru import RGLRUMixer
from separatrix.models.rwkv7 import RWKV7Mixer
from separatrix.ops.linear_attention import gated_state


def compare(
    ours: nn.Module, theirs: nn.Module, run_ours: Callable, run_theirs: Callable, names: dict[str, str]
) -> None:
    """Both on the same input; `names` pairs our parameters with theirs."""
    x = torch.randn(4, 50, 32, requires_grad=True)
    weights = torch.linspace(-1, 1, 4 * 50 * 32).view(4, 50, 32)
    y, wanted = run_ours(x), run_theirs(x)
    assert float((y - wanted).detach().abs().max()) <= 1e-5 * max(1.0, float(wanted.detach().abs().max()))
    mine, other = dict(ours.named_parameters()), dict(theirs.named_parameters())
    gradients = torch.autograd.grad((y * weights).sum(), [x, *(mine[name] for name in names)])
    expected = torch.autograd.grad((wanted * weights).sum(), [x, *(other[name] for name in names.values())])
    for name, gradient, want in zip(["input", *names], gradients, expected, strict=True):
        assert float((gradient - want.view_as(gradient)).abs().max()) <= 1e-4 * max(1.0, float(want.abs().max())), name


def copy_parameters(ours: nn.Module, theirs: nn.Module, names: dict[str, str]) -> None:
    mine, other = dict(ours.named_parameters()), dict(theirs.named_parameters())
    with torch.no_grad():
        for name, theirs_name in names.items():
            mine[name].copy_(other[theirs_name].view_as(mine[name]))


MAMBA = ["in_proj.weight", "conv1d.weight", "conv1d.bias", "x_proj.weight", "dt_proj.weight", "dt_proj.bias"]
MAMBA = {name: name for name in [*MAMBA, "A_log", "D", "out_proj.weight"]}


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def test_mambapy() -> None:
    peer = pytest.importorskip("mambapy.mamba")
    theirs = peer.MambaBlock(peer.MambaConfig(d_model=32, n_layers=1, d_state=16))
    ours = MambaMixer(32, 16)
    copy_parameters(ours, theirs, MAMBA)
    compare(ours, theirs, lambda x: ours.scan(x)[0], theirs, MAMBA)


def test_huggingface_mamba() -> None:
    transformers = pytest.importorskip("transformers")
    from transformers.models.mamba.modeling_mamba import MambaMixer as Peer

    theirs = Peer(transformers.MambaConfig(hidden_size=32, state_size=16), layer_idx=0)
    ours = MambaMixer(32, 16)
    copy_parameters(ours, theirs, MAMBA)
    compare(ours, theirs, lambda x: ours.scan(x)[0], theirs, MAMBA)


def test_huggingface_mamba2() -> None:
    transformers = pytest.importorskip("transformers")
    from transformers.models.mamba2.modeling_mamba2 import Mamba2Mixer as Peer

    config = transformers.Mamba2Config(
        hidden_size=32, state_size=16, num_heads=4, head_dim=16, n_groups=1, chunk_size=16, num_hidden_layers=1
    )
    theirs = Peer(config, layer_idx=0)
    ours = Mamba2Mixer(32, 16, head_width=16, chunk=16)
    names = [
        "in_proj.weight",
        "conv1d.weight",
        "conv1d.bias",
        "dt_bias",
        "A_log",
        "D",
        "norm.weight",
        "out_proj.weight",
    ]
    copy_parameters(ours, theirs, {name: name for name in names})
    compare(ours, theirs, lambda x: ours.scan(x)[0], theirs, {name: name for name in names})


@pytest.mark.parametrize("mixer", [LSTMMixer, GRUMixer, ElmanMixer])
def test_pytorch_recurrent_layers(mixer: type) -> None:
    ours = mixer(32)
    names = {f"cell.{name}": name for name, _ in ours.cell.named_parameters()}

    def run(x: Tensor) -> Tensor:
        return ours.cell(x)[0]

    compare(ours, ours.cell, lambda x: ours.scan(x)[0], run, names)
    start = torch.randn(4, 32), torch.randn(4, 32)
    x = torch.randn(4, 7, 32)
    y, state = ours.scan(x, start if mixer is LSTMMixer else start[:1])
    given = tuple(part[None] for part in start)
    wanted, after = ours.cell(x, given if mixer is LSTMMixer else given[0])
    torch.testing.assert_close(y, wanted, atol=1e-5, rtol=0)
    torch.testing.assert_close(state[-1], (after[1] if mixer is LSTMMixer else after)[0], atol=1e-5, rtol=0)


def test_huggingface_gated_convolution() -> None:
    transformers = pytest.importorskip("transformers")
    from transformers.models.lfm2.modeling_lfm2 import Lfm2ShortConv as Peer

    theirs = Peer(transformers.Lfm2Config(hidden_size=32, conv_L_cache=3, num_hidden_layers=1), layer_idx=0)
    ours = GatedConvolutionMixer(32, 3)
    names = {"enter.weight": "in_proj.weight", "conv.weight": "conv.weight", "out.weight": "out_proj.weight"}
    copy_parameters(ours, theirs, names)
    compare(ours, theirs, lambda x: ours.scan(x)[0], theirs, names)


def test_huggingface_kimi_delta_attention() -> None:
    transformers = pytest.importorskip("transformers")
    from transformers.models.kimi_linear.modeling_kimi_linear import KimiLinearDeltaAttention as Peer

    config = transformers.KimiLinearConfig(
        hidden_size=32, linear_num_heads=2, linear_head_dim=16, linear_conv_kernel_dim=4, num_hidden_layers=1,
        layer_types=["linear_attention"], rms_norm_eps=1e-5,
    )  # fmt: skip
    theirs = Peer(config, layer_idx=0)
    ours = KDAMixer(32, 2)
    with torch.no_grad():
        ours.gate[1].bias.zero_()  # theirs has none
        theirs.forget_gate.dt_bias.copy_(ours.dt_bias)
        theirs.forget_gate.A_log.copy_(ours.A_log.view_as(theirs.forget_gate.A_log))
        ours.enter.weight.copy_(torch.cat([theirs.q_proj.weight, theirs.k_proj.weight, theirs.v_proj.weight]))
    names = {
        "conv.weight": "conv1d.weight",
        "strength.weight": "b_proj.weight",
        "forget.0.weight": "forget_gate.f_a_proj.weight",
        "forget.1.weight": "forget_gate.f_b_proj.weight",
        "A_log": "forget_gate.A_log",
        "dt_bias": "forget_gate.dt_bias",
        "gate.0.weight": "g_a_proj.weight",
        "gate.1.weight": "g_b_proj.weight",
        "norm": "o_norm.weight",
        "out.weight": "o_proj.weight",
    }
    copy_parameters(ours, theirs, names)
    compare(ours, theirs, lambda x: ours.scan(x)[0], theirs, names)


def test_huggingface_rg_lru() -> None:
    transformers = pytest.importorskip("transformers")
    from transformers.models.recurrent_gemma.modeling_recurrent_gemma import RecurrentGemmaRecurrentBlock as Peer

    config = transformers.RecurrentGemmaConfig(hidden_size=32, lru_width=32, num_attention_heads=4, conv1d_width=4)
    theirs, ours = Peer(config, layer_idx=0), RGLRUMixer(32, heads=4)
    unit = theirs.rg_lru
    with torch.no_grad():
        unit.recurrent_param.copy_(ours.rates)
        for part, name in enumerate(("input", "recurrent")):
            getattr(unit, f"{name}_gate_weight").copy_(ours.gates[part])
            getattr(unit, f"{name}_gate_bias").normal_()
            ours.gate_bias[part].copy_(getattr(unit, f"{name}_gate_bias"))
    names = {
        "enter.weight": "linear_x.weight",
        "enter.bias": "linear_x.bias",
        "gate.weight": "linear_y.weight",
        "gate.bias": "linear_y.bias",
        "conv.weight": "conv_1d.weight",
        "conv.bias": "conv_1d.bias",
        "rates": "rg_lru.recurrent_param",
        "out.weight": "linear_out.weight",
        "out.bias": "linear_out.bias",
    }
    copy_parameters(ours, theirs, names)
    within = torch.arange(1, 51)[None].expand(4, -1)  # at place 0 theirs would skip the input's factor
    compare(ours, theirs, lambda x: ours.scan(x)[0], lambda x: theirs(x, within, None, use_cache=False)[0], names)


@pytest.mark.parametrize("latent", [16, 8])
def test_huggingface_latent_attention(latent: int) -> None:
    transformers = pytest.importorskip("transformers")
    from transformers.models.deepseek_v2.modeling_deepseek_v2 import DeepseekV2Attention as Peer
    from transformers.models.deepseek_v2.modeling_deepseek_v2 import DeepseekV2RotaryEmbedding

    config = transformers.DeepseekV2Config(
        hidden_size=32, num_attention_heads=4, num_key_value_heads=4, q_lora_rank=None, kv_lora_rank=latent,
        qk_nope_head_dim=8, v_head_dim=8, qk_rope_head_dim=6, num_hidden_layers=1, attn_implementation="eager",
    )  # fmt: skip
    theirs, ours = Peer(config, layer_idx=0), LatentAttention(32, 4, latent, 6)
    ours.norm.eps = theirs.kv_a_layernorm.variance_epsilon
    torch.nn.init.normal_(theirs.kv_a_layernorm.weight)
    names = {
        "query.weight": "q_proj.weight",
        "enter.weight": "kv_a_proj_with_mqa.weight",
        "norm.weight": "kv_a_layernorm.weight",
        "expand.weight": "kv_b_proj.weight",
        "out.weight": "o_proj.weight",
    }
    copy_parameters(ours, theirs, names)
    turned = DeepseekV2RotaryEmbedding(config)(torch.zeros(4, 50, 32), torch.arange(50)[None])
    hidden = torch.full((50, 50), -torch.inf).triu(1)[None, None]
    compare(ours, theirs, lambda x: ours.scan(x)[0], lambda x: theirs(x, hidden, None, turned)[0], names)


def by_the_paper(
    q: Tensor, k: Tensor, v: Tensor, beta: Tensor, log_decay: Tensor | None = None, reflections: int = 1
) -> Tensor:
    """DeltaProduct and (gated) DeltaNet by their definition: the transition matrix of every step, multiplied out.

    q: (B, N, H, K); k, v, beta: (B, N n, H, ·); log_decay: (B, N, H) or (B, N, H, K)
    """
    batch, length, heads, width = q.shape
    state, outputs = q.new_zeros(batch, heads, width, v.shape[-1]), []
    for t in range(length):
        if log_decay is not None:
            decay = log_decay[:, t].exp()
            state = (decay[..., None] if decay.ndim == 3 else decay[..., None, None]) * state
        for i in range(t * reflections, (t + 1) * reflections):
            strength, key = beta[:, i, :, None, None], k[:, i]
            transition = torch.eye(width) - strength * key[..., :, None] * key[..., None, :]
            state = transition @ state + strength * key[..., :, None] * v[:, i, :, None, :]
        outputs.append((q[:, t, :, None] @ state)[:, :, 0])
    return torch.stack(outputs, dim=1)


@pytest.mark.parametrize("mixer", ["deltanet", "gated-deltanet", "kda", "deltaproduct"])
def test_delta_rules_are_their_definition(mixer: str) -> None:
    built = {
        "deltanet": lambda: DeltaMixer(32, 2, negative_eigenvalues=True),
        "gated-deltanet": lambda: GatedDeltaMixer(32, 2, None, 4, 32, 1, negative_eigenvalues=True),
        "kda": lambda: KDAMixer(32, 2, negative_eigenvalues=True),
        "deltaproduct": lambda: DeltaProductMixer(32, 2, reflections=3),
    }[mixer]()
    x = torch.randn(4, 50, 32)
    mixed = torch.nn.functional.silu(built.conv(torch.nn.functional.pad(built.enter(x).mT, (3, 0))).mT)
    q, k, v, beta, *decay = built.parts(mixed, x)
    assert float(beta.detach().max()) > 1  # the eigenvalue of some token is negative
    if mixer == "deltaproduct":
        k, v, beta = (part.flatten(1, 2) for part in (k, v, beta))
    wanted = by_the_paper(q, k, v, beta, *decay, reflections=3 if mixer == "deltaproduct" else 1)
    wanted = built.finish(wanted, built.gate(x)) if mixer == "kda" else (
        built.finish(wanted) if mixer == "deltaproduct" else built.finish(wanted, x)
    )  # fmt: skip
    torch.testing.assert_close(built.scan(x)[0], wanted, atol=1e-5, rtol=1e-4)


def test_hgrn2_adds_what_it_forgets() -> None:
    """With every value 1, each coordinate of the state is a mean: it comes to 1 whatever is forgotten."""
    layer = HGRN2Mixer(32, heads=4, floor=0.5)
    x = torch.randn(2, 400, 32)
    with torch.no_grad():
        layer.value.weight.zero_()
        k, v, log_decay = layer.written(x)
        torch.testing.assert_close(k + log_decay.exp(), torch.ones_like(k))
        assert float(log_decay.exp().min()) >= 0.5
        (state,) = layer.scan(x)[1]
        assert float(state.abs().max()) == 0
    torch.testing.assert_close(gated_state(k, torch.ones_like(v), log_decay), torch.ones_like(state), atol=1e-4, rtol=0)


def test_rwkv7_is_its_definition() -> None:
    """Equations 15 to 19 of the paper, with the transition matrix of every token multiplied out."""
    layer = RWKV7Mixer(32, heads=2)
    x = torch.randn(4, 50, 32)
    parts, gate = layer.parts(x, torch.nn.functional.pad(x, (0, 0, 1, -1)))
    r, k, v, *_, log_decay = parts
    shared = x + layer.shares[:, None, None] * (torch.nn.functional.pad(x, (0, 0, 1, -1)) - x)  # (6, B, N, D)
    key, rate = layer.key(shared[2]), torch.sigmoid(layer.rate(shared[4])).unflatten(-1, (2, -1))
    removal = torch.nn.functional.normalize((key * layer.erasing).unflatten(-1, (2, -1)), dim=-1)
    state, outputs = torch.zeros(4, 2, 16, 16), []
    for t in range(50):
        transition = (
            torch.diag_embed(log_decay[:, t].exp()) - (rate * removal)[:, t, ..., None] * removal[:, t, :, None]
        )
        state = transition @ state + k[:, t, ..., None] * v[:, t, :, None]
        outputs.append((r[:, t, :, None] @ state)[:, :, 0])
    wanted = layer.finish(torch.stack(outputs, dim=1), parts, gate)
    torch.testing.assert_close(layer.scan(x)[0], wanted, atol=1e-5, rtol=1e-4)
    assert float(log_decay.detach().exp().min()) > 0.54


@pytest.mark.parametrize("mixer", [MinGRUMixer, MinLSTMMixer])
def test_minimal_cells_are_their_definition(mixer: type) -> None:
    layer = mixer(32)
    x = torch.randn(4, 50, 32)
    *gates, candidate = layer.enter(x).chunk(2 if mixer is MinGRUMixer else 3, dim=-1)
    gates = [torch.sigmoid(gate) for gate in gates]
    keep, take = (1 - gates[0], gates[0]) if mixer is MinGRUMixer else [gate / sum(gates) for gate in gates]
    new = torch.where(candidate >= 0, candidate + 0.5, torch.sigmoid(candidate))
    h, outputs = torch.zeros(4, 32), []
    for t in range(50):
        h = keep[:, t] * h + take[:, t] * new[:, t]
        outputs.append(h)
    torch.testing.assert_close(layer.scan(x)[0], torch.stack(outputs, dim=1), atol=1e-5, rtol=1e-5)
