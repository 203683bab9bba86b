"""Every mixer: scan, step, pieces and decode are one function; its state is what it says."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import separatrix as sx
from separatrix import models, ops
from separatrix.models.causality import check_causal
from separatrix.models.convolved import Convolved
from separatrix.models.mixer import Mixer
from separatrix.models.state import tensors

TASK = sx.tasks.create("index-lookup", length=30, alphabet=8)
WIDTH = 16
VARIANTS: list[tuple[str, dict]] = [
    *((name, {}) for name in models.names()),
    ("transformer", {"heads": 2, "positions": "rope"}),
    ("transformer", {"heads": 4, "positions": "alibi", "window": 5}),
    ("transformer", {"positions": "rope", "window": 1}),
    ("elman", {"nonlinearity": "relu"}),
    ("linear-rnn", {"state": 5}),
    ("s4d", {"state": 3, "init": "inv"}),
    ("retnet", {"heads": 2, "chunk": 8}),
    ("mamba", {"state": 3, "taps": 1, "expand": 1, "rank": 2}),
    ("mamba2", {"state": 3, "head_width": 8, "chunk": 7, "taps": 2}),
    ("gla", {"heads": 2, "key_width": 3, "chunk": 5}),
    ("deltanet", {"heads": 2, "chunk": 7}),
    ("gated-deltanet", {"heads": 4, "chunk": 9, "expand": 1}),
    ("mlstm", {"heads": 2, "chunk": 7}),
    ("slstm", {"heads": 1, "taps": 1}),
    ("deltanet", {"heads": 2, "negative_eigenvalues": True}),
    ("gated-deltanet", {"heads": 2, "negative_eigenvalues": True, "convolution": 0}),
    ("deltaproduct", {"heads": 2, "reflections": 3, "chunk": 7, "taps": 2}),
    ("kda", {"heads": 2, "key_width": 5, "chunk": 7, "negative_eigenvalues": True}),
    ("rwkv7", {"heads": 2, "rank": 3, "chunk": 7}),
    ("hgrn2", {"heads": 1, "chunk": 5}),
    ("gated-convolution", {"taps": 1}),
    ("rg-lru", {"heads": 4, "expand": 2, "taps": 2}),
    ("mingru", {"expand": 2, "positive": False}),
    ("minlstm", {"expand": 3}),
    ("gla", {"convolution": 3}),
    ("lstm", {"convolution": 2}),
    ("transformer", {"heads": 2, "positions": "rope", "window": 4, "convolution": 4}),
    ("mamba*1+hgrn2", {"convolution": 0}),
    ("based", {"heads": 2, "key_width": 3, "chunk": 7}),
    ("based", {"features": "elu", "window": None}),
    ("forgetting", {"heads": 2}),
    ("forgetting", {"heads": 2, "qk_norm": True, "output_gate": True, "shift": True}),
    ("mla", {"heads": 2, "latent": 3, "rotated": 2}),
    ("ttt", {"heads": 2, "batch": 4}),
    ("titans", {"heads": 2, "batch": 4}),
    ("rwkv6", {"heads": 2, "rank": 3, "chunk": 7}),
    ("mamba3", {"heads": 4, "state": 8, "turned": 1.0, "chunk": 7}),
    ("mamba3", {"heads": 2, "state": 5, "rank": 3, "chunk": 7}),
    ("h3", {"state": 3, "taps": 1}),
    ("hyena", {"chunk": 7}),
    ("log-linear", {"heads": 2, "key_width": 3, "levels": 3, "chunk": 4}),
    ("gla//forgetting//lstm", {"fusion": "norm"}),
]
each_variant = pytest.mark.parametrize(("name", "options"), VARIANTS, ids=str)


def mixer(name: str, options: dict, dtype: torch.dtype) -> Mixer:
    torch.manual_seed(0)
    model = models.create(name, TASK, width=WIDTH, **options).to(dtype)
    with torch.no_grad():  # initial zeros and ones would hide mistakes
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
    return model.blocks[0].mixer


def evaluate(layer: Mixer, x: Tensor, run: Callable) -> list[Tensor]:
    """Outputs, states and all gradients of a fixed function of both."""
    y, state = run()
    states = tensors(state)
    loss = (y * torch.linspace(0, 1, y.numel(), dtype=y.dtype).view_as(y)).sum() + 0.1 * sum(
        (s * s).sum() for s in states
    )
    return [y, *states, *torch.autograd.grad(loss, [x, *layer.parameters()], allow_unused=True, materialize_grads=True)]


def assert_same(ours: list[Tensor], theirs: list[Tensor], tolerance: float) -> None:
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape
        if a.numel():
            assert float((a - b).detach().abs().max()) <= tolerance * max(1.0, float(b.detach().abs().max()))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 2e-4)], ids=str)
@each_variant
def test_scan_steps_pieces_and_reference_agree(name: str, options: dict, dtype: torch.dtype, tolerance: float) -> None:
    layer = mixer(name, options, dtype)
    x = torch.randn(3, 23, WIDTH, dtype=dtype, requires_grad=True)

    def steps() -> tuple:
        y, state = layer.scan(x[:, :4])
        outputs = [y]
        for t in range(4, 23):
            y, state = layer.step(state, x[:, t])
            outputs.append(y[:, None])
        return torch.cat(outputs, dim=1), state

    def pieces() -> tuple:
        a, state = layer.scan(x[:, :2])
        b, state = layer.scan(x[:, 2:3], state)
        c, state = layer.scan(x[:, 3:3], state)
        d, state = layer.scan(x[:, 3:], state)
        return torch.cat([a, b, c, d], dim=1), state

    whole = evaluate(layer, x, lambda: layer.scan(x))
    assert_same(evaluate(layer, x, steps), whole, tolerance)
    assert_same(evaluate(layer, x, pieces), whole, tolerance)
    with ops.use("reference"):
        assert_same(evaluate(layer, x, lambda: layer.scan(x)), whole, tolerance)


@each_variant
def test_decode_is_a_step_for_each_query(name: str, options: dict) -> None:
    layer = mixer(name, options, torch.float64)
    x, queries = torch.randn(3, 9, WIDTH).double(), torch.randn(3, 4, WIDTH).double()
    state = layer.prefill(x)
    torch.testing.assert_close(layer.decode(state, queries), Mixer.decode(layer, state, queries))
    torch.testing.assert_close(tensors(state), tensors(layer.scan(x)[1]))


@pytest.mark.parametrize("name", models.names())
def test_every_mixer_takes_a_short_convolution(name: str) -> None:
    """Of so many taps, its own or before it; scan, step and decode stay one function."""
    layer = mixer(name, {"convolution": 3}, torch.float64)
    assert isinstance(layer, Convolved) == ("taps" not in models.architecture(name).Config.model_fields)
    assert layer.taps == 3
    x = torch.randn(2, 9, WIDTH, dtype=torch.float64)
    whole, last = layer.scan(x)
    y, state = layer.scan(x[:, :1])
    outputs = [y[:, 0]]
    for t in range(1, 9):
        torch.testing.assert_close(layer.decode(state, x[:, t : t + 1])[:, 0], whole[:, t])
        y, state = layer.step(state, x[:, t])
        outputs.append(y)
    torch.testing.assert_close(torch.stack(outputs, dim=1), whole)
    torch.testing.assert_close(tensors(state), tensors(last))


@each_variant
def test_causal_at_every_position(name: str, options: dict) -> None:
    layer = mixer(name, options, torch.float32)
    check_causal(lambda x: layer.scan(x)[0], WIDTH, name, tolerance=0.0)


@each_variant
def test_short_contexts_and_single_examples(name: str, options: dict) -> None:
    layer = mixer(name, options, torch.float32)
    whole, _ = layer.scan(torch.ones(1, 1, WIDTH))
    empty, state = layer.scan(torch.ones(1, 0, WIDTH))
    assert empty.shape == (1, 0, WIDTH)
    y, _ = layer.scan(torch.ones(1, 1, WIDTH), state)
    torch.testing.assert_close(y, whole)


@each_variant
def test_strides_do_not_matter(name: str, options: dict) -> None:
    layer = mixer(name, options, torch.float32)
    x = torch.randn(3, 7, WIDTH)
    with torch.no_grad():
        plain = layer.scan(x)[0]
        torch.testing.assert_close(layer.scan(x.transpose(0, 1).contiguous().transpose(0, 1))[0], plain)
        torch.testing.assert_close(layer.scan(torch.stack([x, x], dim=-1)[..., 0])[0], plain)


@each_variant
def test_nan_reaches_the_state_and_only_its_example(name: str, options: dict) -> None:
    layer = mixer(name, options, torch.float32)
    x = torch.randn(2, 6, WIDTH)
    x[0, 3] = torch.nan
    y, state = layer.scan(x)
    assert y[0, 3].isnan().all()
    assert not y[1].isnan().any()
    assert not any(s[1].isnan().any() for s in tensors(state))


STATE = {  # numbers after 30 tokens at width 16, by the formulas of `separatrix list models`
    "transformer": 2 * 16 * 30,
    "elman": 16,
    "gru": 16,
    "lstm": 2 * 16,
    "linear-rnn": 2 * 16,
    "dss": 2 * 16 * 64,
    "s4d": 2 * 16 * 32,
    "retnet": 4 * 2 * 16,
    "mamba": 2 * 16 * (16 + 3),
    "mamba2": 32 * 64 + 3 * (32 + 2 * 64),
    "gla": 16 * 2,
    "deltanet": 16 * 16 + 3 * 3 * 16,
    "gated-deltanet": 2 * 16 * 16 + 3 * (2 * 16 + 32),
    "deltaproduct": 16 * 16 + 3 * (16 * 3 + 2 * 16),
    "kda": 16 * 16 + 3 * 3 * 16,
    "rwkv7": 16 * 16 + 16,
    "hgrn2": 16 * 16 // 4,
    "gated-convolution": 2 * 16,
    "rg-lru": 4 * 16,
    "mingru": 16,
    "minlstm": 16,
    "slstm": (4 + 3) * 16,
    "mlstm": 32 * (8 + 1) + 4 + 3 * 32,
    "based": (1 + 16 + 16 * 17 // 2) * (16 + 1),
    "forgetting": (2 * 16 + 1) * 30,
    "mla": (4 + 8) * 30,
    "ttt": 16 * (16 + 1) + (30 % 16) * (2 * 16 + 1),
    "titans": 2 * 16 * 16 + (30 % 16) * (2 * 16 + 3),
    "rwkv6": 16 * 16 + 16,
    "mamba3": 2 * 16 * (64 + 1) + 64,
    "h3": 16 * (2 * 32 + 3),
    "hyena": 16 * 30 + 3 * 2 * 16,
    "log-linear": 16 * 16 * 4,  # 30 is 11110
}


def test_every_formula_is_tested() -> None:
    assert set(STATE) == set(models.names())


@pytest.mark.parametrize("name", STATE)
def test_state_is_measured_as_its_formula(name: str) -> None:
    model = models.create(name, TASK, width=WIDTH)
    state = model.prefill(torch.zeros(2, 30, dtype=torch.long))
    assert sx.state_numbers(state) == STATE[name] == models.measured_numbers(name, TASK, width=WIDTH)
    assert sx.state_bits(state) == 32 * STATE[name]
    assert all(s.untyped_storage().nbytes() <= s.numel() * 4 for s in tensors(state)) or name == "transformer"


@pytest.mark.parametrize("name", ["lstm", "mamba", "mamba2", "s4d", "retnet", "transformer"])
def test_equal_state(name: str) -> None:
    width = models.size_for_state(name, TASK, numbers=2000, multiple=8)
    assert models.measured_numbers(name, TASK, width=width) >= 2000
    if width > 8:
        assert models.measured_numbers(name, TASK, width=width - 8) < 2000


def test_equal_state_by_another_option() -> None:
    size = models.size_for_state("mamba", TASK, bits=32 * 1000, option="state", width=16)
    assert models.measured_numbers("mamba", TASK, width=16, state=size) >= 1000
    assert models.measured_numbers("mamba", TASK, width=16, state=size - 1) < 1000
    with pytest.raises(sx.InputError, match="does not change"):
        models.size_for_state("mamba", TASK, numbers=10**6, option="rank", width=16)
    with pytest.raises(sx.InputError, match="not both"):
        models.size_for_state("mamba", TASK)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mamba", {"state": 0}, "greater than or equal to 1"),
        ("s4d", {"state": 0}, "greater than or equal to 1"),
        ("retnet", {"width": 10, "heads": 4}, "divisible by heads"),
        ("retnet", {"width": 12, "heads": 4}, "must be even"),
        ("transformer", {"width": 6, "heads": 2, "positions": "rope"}, "must be even for rope"),
        ("transformer", {"window": 0}, "greater than or equal to 1"),
        ("mamba2", {"head_width": 7}, "must divide"),
        ("mlstm", {"heads": 3}, "must divide"),
        ("linear-rnn", {"slowest": 0.1, "fastest": 0.5}, "fastest must be less"),
        ("mamba", {"stat": 3}, "did you mean 'state'"),
        ("mambo", {}, "did you mean 'mamba"),
    ],
)
def test_bad_options_are_one_line(name: str, options: dict, message: str) -> None:
    with pytest.raises(sx.InputError, match=message) as error:
        models.create(name, TASK, **{"width": 16, **options})
    assert "\n" not in str(error.value)


def test_mixed_types_are_refused() -> None:
    layer = mixer("mamba", {}, torch.float32)
    _, state = layer.scan(torch.randn(2, 5, WIDTH))
    with pytest.raises(sx.InputError, match=r"must be torch\.float32"):
        layer.scan(torch.randn(2, 5, WIDTH), tuple(s.double() for s in state))
