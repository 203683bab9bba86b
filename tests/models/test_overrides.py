"""What a class overrides is what its models run, whatever faster forms it inherits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import separatrix as sx
from separatrix import models
from separatrix.models import mixer
from separatrix.models.mixer import Mixer
from separatrix.models.state import tensors

TASK = sx.tasks.create("index-lookup", length=12, alphabet=8)
FAMILIES = models.names()


def derived(name: str, **members: Any) -> models.SequenceModel:
    """A model of two layers whose mixers are of a class with further members, set after the inherited ones."""
    torch.manual_seed(0)
    model = models.create(name, TASK, width=16, layers=2)
    for block in model.blocks:
        block.mixer.__class__ = type("Derived", (type(block.mixer),), members)
    return model


def logits(model: models.SequenceModel, queries: int) -> torch.Tensor:
    batch = TASK.sample(3, torch.Generator().manual_seed(0), queries=queries)
    return model(batch.context, batch.queries)


@pytest.mark.parametrize("queries", [1, 9], ids=["own rows", "shared rows"])
@pytest.mark.parametrize("name", FAMILIES)
def test_an_overridden_decode_or_step_is_what_runs(name: str, queries: int) -> None:
    plain = logits(derived(name), queries)

    def by_decode(self: Any, state: Any, x: torch.Tensor) -> torch.Tensor:
        return 2 * super(type(self), self).decode(state, x)

    def by_step(self: Any, state: Any, x: torch.Tensor) -> Any:
        y, after = super(type(self), self).step(state, x)
        return 2 * y, after

    def by_rows(self: Any, state: Any, x: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
        return 2 * super(type(self), self).alternatives(state, x, which)

    changed = logits(derived(name, decode=by_decode), queries)
    assert not torch.allclose(changed, plain, atol=1e-4)
    for other in (derived(name, step=by_step), derived(name, alternatives=by_rows)):
        torch.testing.assert_close(logits(other, queries), changed, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", FAMILIES)
def test_an_overridden_scan_gives_the_state(name: str) -> None:
    def scan(self: Any, x: torch.Tensor, state: Any = None) -> Any:
        return super(type(self), self).scan(2 * x, state)

    context = TASK.sample(3, torch.Generator().manual_seed(0), queries=1).context
    model, plain = derived(name, scan=scan), derived(name)
    block, x = model.blocks[1], plain.blocks[0].scan(plain.embed(context), None)[0].detach()
    expected = plain.blocks[1].mixer.scan(2 * block.norm(x))[1]
    for ours, wanted in zip(tensors(block.prefill(x, None)), tensors(expected), strict=True):
        torch.testing.assert_close(ours, wanted)


def test_forms_are_chosen_along_the_order_of_inheritance() -> None:
    class Plain(Mixer):
        def scan(self, x: Any, state: Any = None) -> Any:
            return x, x[:, -1]

        def step(self, state: Any, x: Any) -> Any:
            return x, x

    class Fused(Plain):
        def alternatives(self, state: Any, x: Any, which: Any) -> Any:
            return x[which]

    class Halved:  # a mixin that is no mixer itself
        def step(self, state: Any, x: Any) -> Any:
            return x / 2, x

    class Both(Halved, Fused): ...

    class Again(Both):
        def alternatives(self, state: Any, x: Any, which: Any) -> Any:
            return x[which] / 2

    assert [c.answers for c in (Plain, Fused, Both, Again)] == ["step", "alternatives", "step", "alternatives"]
    assert [c.reduces for c in (Plain, Fused)] == ["scan", "scan"]


def test_a_file_may_override_the_decode_of_a_built_in_mixer(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(
        "from separatrix.models.gla import GLAMixer\n"
        "class Silent(GLAMixer):\n    def decode(self, state, x):\n        return 0 * super().decode(state, x)\n"
    )
    model = models.create(f"{path}:Silent", TASK, width=16)
    batch = TASK.sample(3, torch.Generator().manual_seed(0), queries=9)
    model(batch.context, batch.queries).sum().backward()
    assert not model.blocks[0].mixer.value.weight.grad.any()  # what is read is thrown away


@pytest.mark.parametrize(
    "name",
    [
        "gla",
        "gated-deltanet",
        "mamba2",
        "retnet",
        "mlstm",
        "deltaproduct",
        "kda",
        "rwkv7",
        "hgrn2",
        "rg-lru",
        "based",
        "rwkv6",
        "mamba3",
        "log-linear",
    ],
)
def test_an_overridden_part_reaches_every_form(name: str) -> None:
    def finish(self: Any, *parts: Any) -> torch.Tensor:
        return 2 * super(type(self), self).finish(*parts)

    plain, doubled = derived(name), derived(name, finish=finish)
    x = torch.randn(2, 5, 16)
    state = plain.blocks[0].prefill(x, None)
    both = [mixer.ask(model.blocks[0].mixer, state, x) for model in (plain, doubled)]
    torch.testing.assert_close(both[1], 2 * both[0])


@pytest.mark.parametrize("name", ["gla", "retnet"])
def test_overridden_projections_reach_the_state(name: str) -> None:
    def project(self: Any, x: torch.Tensor) -> Any:
        q, k, v, *rest = super(type(self), self).project(x)
        return q, k, 2 * v, *rest

    x = torch.randn(2, 5, 16)
    plain, doubled = (m.blocks[0].prefill(x, None) for m in (derived(name), derived(name, project=project)))
    torch.testing.assert_close(doubled[0], 2 * plain[0])


@pytest.mark.parametrize("name", FAMILIES)
def test_built_in_mixers_run_the_fastest_form_they_define(name: str) -> None:
    """A class that only declared its transitions once lost its parent's fast form: 28 times slower."""
    for block in models.create(name, TASK, width=16).blocks:
        defined = {
            form for base in type(block.mixer).__mro__ if base not in (Mixer, mixer.SharedMixer) for form in vars(base)
        }
        answers = [form for form in ("alternatives", "decode", "step") if form in defined]
        reduces = [form for form in ("prefill", "scan") if form in defined]
        assert (block.mixer.answers, block.mixer.reduces) == (answers[0], reduces[0])
