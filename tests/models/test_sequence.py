"""What every architecture promises: prefill and decode, measured states, clear errors."""

from __future__ import annotations

import pytest
import torch

import separatrix as sx
from separatrix import InputError
from separatrix.models import initialised
from separatrix.models.registry import architecture, configure

CLASSIC = ["transformer", "elman", "gru", "lstm"]


@pytest.fixture
def task():
    return sx.tasks.create("index-lookup", length=12, alphabet=5)


@pytest.fixture
def batch(task):
    return task.sample(3, torch.Generator().manual_seed(0), queries=4)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("name", CLASSIC)
def test_forward_is_prefill_then_decode(name, layers, task, batch):
    model = sx.models.create(name, task, width=8, layers=layers)
    logits = model(batch.context, batch.queries)
    assert logits.shape == (3, 4, 5)
    assert torch.equal(logits, model.decode(model.prefill(batch.context), batch.queries))


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("name", CLASSIC)
def test_a_context_may_come_in_pieces(name, layers, task, batch):
    model = sx.models.create(name, task, width=8, layers=layers).double()
    early = model.prefill(batch.context[:, :5])
    late = model.prefill(batch.context[:, 5:], early, start=5)
    whole = model.decode(model.prefill(batch.context), batch.queries)
    torch.testing.assert_close(model.decode(late, batch.queries), whole, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", CLASSIC)
def test_queries_do_not_see_each_other(name, task, batch):
    model = sx.models.create(name, task, width=8, layers=2).double()
    together = model(batch.context, batch.queries)
    alone = torch.cat([model(batch.context, batch.queries[:, i : i + 1]) for i in range(4)], dim=1)
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", CLASSIC)
def test_scan_and_step_agree_forward_and_backward(name, task):
    mixer = sx.models.create(name, task, width=8).double().blocks[0].mixer
    x = torch.randn(2, 7, 8, dtype=torch.float64, requires_grad=True)
    scanned, end = mixer.scan(x)
    state, stepped = mixer.prefill(x[:, :1]), [mixer.scan(x[:, :1])[0][:, 0]]
    for i in range(1, 7):
        y, state = mixer.step(state, x[:, i])
        stepped.append(y)
    torch.testing.assert_close(torch.stack(stepped, 1), scanned, rtol=0, atol=1e-9)
    torch.testing.assert_close(state, end, rtol=0, atol=1e-9)
    weight = torch.randn_like(scanned)
    (by_scan,) = torch.autograd.grad((scanned * weight).sum(), x, retain_graph=True)
    (by_step,) = torch.autograd.grad((torch.stack(stepped, 1) * weight).sum(), x)
    torch.testing.assert_close(by_step, by_scan, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "numbers"), [("elman", 16), ("gru", 16), ("lstm", 32), ("transformer", 2 * 12 * 8 * 2)]
)
def test_state_is_measured_per_example(name, numbers, task, batch):
    state = sx.models.create(name, task, width=8, layers=2).prefill(batch.context)
    assert sx.state_numbers(state) == numbers
    assert sx.state_bits(state) == 32 * numbers
    assert sx.state_bits(state, precision=3) == 3 * numbers


def test_the_last_layers_outputs_on_the_context_are_not_computed(task, batch):
    model = sx.models.create("transformer", task, width=8, layers=2)
    rows = []
    for block in model.blocks:
        block.mixer.query.register_forward_hook(lambda module, args, out: rows.append(out[..., 0].numel()))
    model.decode(model.prefill(batch.context), batch.queries)
    assert rows == [3 * 12, 3 * 4, 3 * 4]  # layer 1 on the contexts, then both layers on the queries only


@pytest.mark.parametrize("name", [*sx.models.names(), "mamba+attention", "gru*2+deltanet"])
def test_asking_every_query_at_once_is_asking_each_alone(name, task):
    """Many queries are read from a table of all there are, few from rows of their own: one function, one gradient."""
    model = sx.models.create(name, task, width=8).double()
    batch = task.sample(3, torch.Generator().manual_seed(0), queries=12)
    assert len(model.distinct(batch.queries)[0]) == 12
    assert len(model.distinct(batch.queries[:, :1])[0]) == 3

    def answers(alone: bool) -> list[torch.Tensor]:
        model.zero_grad(set_to_none=True)
        state = model.prefill(batch.context)
        parts = batch.queries.split(1, dim=1) if alone else [batch.queries]
        logits = torch.cat([model.decode(state, part) for part in parts], dim=1)
        (logits * torch.linspace(-1, 1, logits.numel()).view_as(logits)).sum().backward()
        return [logits.detach(), *(parameter.grad for parameter in model.parameters() if parameter.grad is not None)]

    for together, alone in zip(answers(False), answers(True), strict=True):
        torch.testing.assert_close(together, alone)


def test_initial_weights_are_a_function_of_the_seed(task):
    def build(seed: int) -> torch.Tensor:
        return initialised(architecture("gru"), task, configure("gru", width=4), seed).head.weight

    before = torch.random.get_rng_state()
    assert torch.equal(build(0), build(0))
    assert not torch.equal(build(0), build(1))
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("name", CLASSIC)
@pytest.mark.parametrize("norm", ["none", "rms"])
def test_norms_and_mlps_are_options(name, norm, task, batch):
    model = sx.models.create(name, task, width=8, norm=norm, mlp=12, activation="gelu", residual=True)
    assert model(batch.context, batch.queries).isfinite().all()


@pytest.mark.parametrize("positions", ["none", "learned", "sinusoidal"])
def test_a_transformer_sees_the_order_only_through_positions(positions, task, batch):
    model = sx.models.create("transformer", task, width=8, positions=positions).double()
    same = torch.allclose(model(batch.context, batch.queries), model(batch.context.flip(1), batch.queries))
    assert same == (positions == "none")


def test_a_shorter_context_is_welcome_and_a_longer_one_is_not(task, batch):
    model = sx.models.create("transformer", task, width=8)
    assert model(batch.context[:, :5], batch.queries).shape == (3, 4, 5)
    longer = torch.cat([batch.context, batch.context], dim=1)
    with pytest.raises(InputError, match="context of 24 tokens is longer than the model's 12 positions: build"):
        model(longer, batch.queries)


def test_contexts_of_the_wrong_kind_are_refused(task, batch):
    model = sx.models.create("lstm", task, width=8)
    with pytest.raises(InputError, match=r"shape \(batch, length\), got \(12,\)"):
        model.prefill(batch.context[0])
    with pytest.raises(InputError, match=r"integer tokens, got torch.float32"):
        model.prefill(batch.context.float())


def test_unknown_options_name_the_nearest():
    with pytest.raises(InputError, match="unknown key 'head': did you mean 'heads'"):
        configure("transformer", head=2)
