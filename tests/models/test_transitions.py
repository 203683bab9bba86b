"""What mixers declare of their transitions is what their steps do, token by token."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils import _pytree as pytree

import separatrix as sx
from separatrix.models.mixer import declared, reduce
from separatrix.models.settling import settles, transitions

PARTS = {
    "gla": [0],
    "mamba": [1],
    "mamba2": [1],
    "mlstm": [1, 2, 3],
    "hgrn2": [0],
    "rg-lru": [1],
    "mingru": [0],
    "minlstm": [0],
    "based": [0],
    "rwkv6": [1],
}
"""Of the diagonal ones, the parts of the state that are not the convolution's last inputs."""
NONNEGATIVE = list(PARTS)
KINDS = {
    "transformer": "attention", "elman": "nonlinear", "gru": "nonlinear", "lstm": "nonlinear", "slstm": "nonlinear",
    "linear-rnn": "rotating", "dss": "rotating", "s4d": "rotating", "retnet": "rotating", "deltanet": "matrix",
    "gated-deltanet": "matrix", "deltaproduct": "matrix", "kda": "matrix", "rwkv7": "matrix",
    "gated-convolution": "nonnegative", "forgetting": "attention", "mla": "attention",
    "ttt": "nonlinear", "titans": "nonlinear", "mamba3": "rotating", "h3": "rotating", "hyena": "attention",
    "log-linear": "unknown",
    **dict.fromkeys(NONNEGATIVE, "nonnegative"),
}  # fmt: skip
FORMS = {"step": lambda mixer, state, x: mixer.step(state, x)[1], "prefill": lambda m, s, x: reduce(m, x[:, None], s)}
"""One token by either form."""


def mixer(name: str, **options) -> sx.models.Mixer:
    task = sx.tasks.create("parity", length=4)
    model = sx.models.create(name, task, **({"width": 8} | options)).double()
    for weight in model.parameters():  # started at random, so that nothing hides behind a zero
        nn.init.normal_(weight, std=0.5)
    return model.blocks[0].mixer


def started(of: sx.models.Mixer, tokens: int = 3) -> tuple:
    return reduce(of, torch.randn(1, tokens, 8, dtype=torch.float64), None)


def held(state) -> list[torch.Tensor]:
    return pytree.tree_leaves(state)


def test_every_architecture_says_what_it_does():
    assert {name: transitions(name)[0] for name in sx.models.names()} == KINDS
    assert transitions("mamba+attention*2") == ("nonnegative", "attention", "attention")
    assert transitions("hf:mamba") == ("unknown",)


def jacobian(of: sx.models.Mixer, part: int) -> torch.Tensor:
    """How one tensor of the state after a step depends on the same tensor before it."""
    state = started(of)
    leaves, form = pytree.tree_flatten(state)
    x = torch.randn(1, 8, dtype=torch.float64)

    def after(one: torch.Tensor) -> torch.Tensor:
        given = pytree.tree_unflatten([*leaves[:part], one, *leaves[part + 1 :]], form)
        return held(of.step(given, x)[1])[part].flatten()

    return torch.autograd.functional.jacobian(after, leaves[part]).reshape(leaves[part].numel(), -1)


@pytest.mark.parametrize("name", NONNEGATIVE)
def test_nonnegative_ones_are_diagonal_with_factors_in_0_1(name):
    of = mixer(name)
    parts = PARTS[name]
    assert len(held(started(of))) == parts[-1] + 1
    for part in parts:
        found = jacobian(of, part)
        factors = found.diagonal()
        assert torch.equal(found, torch.diag(factors)) and factors.min() >= 0 and factors.max() <= 1


@pytest.mark.parametrize(
    "name", ["retnet", "deltanet", "gated-deltanet", "lstm", "gru", "elman", "slstm", "linear-rnn"]
)
def test_the_others_are_not(name):
    of = mixer(name, **({"taps": 1} if "deltanet" in name or name == "slstm" else {}))
    found = jacobian(of, 1 if "deltanet" in name or name == "slstm" else 0)
    assert not torch.equal(found, torch.diag(found.diagonal()))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", NONNEGATIVE)
def test_rounded_steps_are_monotone(name, dtype, form):
    """Neighbouring values of the format keep their order, the convolution's window and the running maximum given."""
    of = mixer(name).to(dtype)
    leaves, shape = pytree.tree_flatten(reduce(of, torch.randn(64, 3, 8, dtype=dtype), None))
    x = torch.randn(1, 8, dtype=dtype).expand(64, 8)
    moved = [part for part in PARTS[name] if name != "mlstm" or part < 3]
    kept = [leaf[:1].expand(leaf.shape).contiguous() if i not in moved else leaf for i, leaf in enumerate(leaves)]
    more = [torch.nextafter(leaf, leaf + 1) if i in moved else leaf for i, leaf in enumerate(kept)]
    with torch.no_grad():
        low, high = (held(FORMS[form](of, pytree.tree_unflatten(each, shape), x)) for each in (kept, more))
    for part in moved:
        assert bool((low[part] <= high[part]).all())
    if name == "mlstm":
        tops = torch.linspace(-4, 4, 64).to(dtype)[:, None].expand(64, leaves[3].shape[1]).contiguous()
        with torch.no_grad():
            after = held(FORMS[form](of, pytree.tree_unflatten([*kept[:3], tops], shape), x))[3]
        assert bool((after.diff(dim=0) >= 0).all())


def test_a_whole_model_stops_by_the_length_that_is_proved():
    model = sx.models.create("gla", sx.tasks.create("parity", length=4), width=8, layers=2).bfloat16()
    found, proved = sx.bounds.repeats(model, steps=3000), settles(model, "bf16")
    assert found.period == proved.period == 1 and found.first <= proved.steps


def test_what_settles_and_what_does_not():
    task = sx.tasks.create("parity", length=8)

    def of(name, **options):
        return settles(sx.models.create(name, task, width=8, **options), "bf16")

    values = sx.bounds.values_of("bf16")
    assert of("gla", layers=3).steps == 3 * values
    assert of("mamba", layers=2, taps=5).steps == 2 * (values + 4)
    assert of("mlstm", taps=2).steps == 2 * values + 1
    assert of("mamba+gla").steps == 2 * values + 3
    assert of("gated-convolution", layers=2) is not None  # it forgets whatever its window has passed
    for name, kind in KINDS.items():
        assert (of(name) is None) == (kind != "nonnegative")
    assert of("mamba", positions="learned") is None and of("mamba+attention") is None


def test_what_overrides_a_method_declares_anew():
    class Turned(type(mixer("mamba"))):
        def step(self, state, x):
            y, (window, h) = super().step(state, x)
            return y, (window, -h)

    class Again(Turned):
        transitions = "signed"

    class Renamed(type(mixer("mamba"))):
        pass

    assert [declared(each(8)) for each in (Turned, Again, Renamed)] == ["unknown", "signed", "nonnegative"]
