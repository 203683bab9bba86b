"""The same numbers as independent implementations, weights copied: outputs to 1e-5, gradients to 1e-4 in float32."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from separatrix.models.elman import ElmanMixer
from separatrix.models.gru import GRUMixer
from separatrix.models.lstm import LSTMMixer
from separatrix.models.mamba import MambaMixer
from separatrix.models.mamba2 import Mamba2Mixer


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
