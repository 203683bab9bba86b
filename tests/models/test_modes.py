"""Models in the number formats and modes people use: halves, autocast, double, compiled, copied, pickled, on meta."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from torch import Tensor

import separatrix as sx
from separatrix import models, ops
from separatrix.models.files import weights_sha256

TASK = sx.tasks.create("index-lookup", length=24, alphabet=8)
BATCH = TASK.sample(3, torch.Generator().manual_seed(0), queries=4)
VARIANTS = [
    *((name, {}) for name in models.names()),
    ("transformer", {"positions": "alibi", "heads": 2}),
    ("transformer", {"positions": "rope", "window": 7}),
    ("transformer", {"positions": "sinusoidal"}),
    ("s4d", {"init": "inv"}),
    ("mamba+attention", {"positions": "rope"}),
    ("retnet+deltanet+lstm", {}),
    ("mamba2//attention", {"heads": 2}),
    ("gla//lstm", {"fusion": "norm"}),
    ("forgetting", {"qk_norm": True, "output_gate": True, "shift": True}),
    ("mamba3", {"rank": 2}),
    ("mla", {"convolution": 3}),
]
each_variant = pytest.mark.parametrize(("name", "options"), VARIANTS, ids=lambda x: x if isinstance(x, str) else str(x))
HALVES = {torch.bfloat16: 2**-6, torch.float16: 2**-9}
SMOOTH = {"activation": "gelu"}
"""Where gradients are compared across formats: ReLU's jumps where rounding changes a sign (0.07 for one seed in 12)."""


def build(name: str, options: dict) -> models.SequenceModel:
    torch.manual_seed(0)
    return models.create(name, TASK, **{"width": 16, "layers": max(2, name.count("+") + 1), **options})


def passes(model: models.SequenceModel) -> list[Tensor]:
    """Logits, those after a prefill in two pieces and in steps, and all gradients at once."""
    model.zero_grad()
    logits = model(BATCH.context, BATCH.queries)
    state = model.prefill(BATCH.context[:, 15:], model.prefill(BATCH.context[:, :15]), start=15)
    pieces = model.decode(state, BATCH.queries)
    logits.float().square().mean().backward()
    gradient = torch.cat([p.grad.float().flatten() for p in model.parameters() if p.grad is not None])
    return [logits.detach().float(), pieces.detach().float(), gradient]


def assert_near(ours: list[Tensor], theirs: list[Tensor], tolerance: float) -> None:
    for a, b in zip(ours, theirs, strict=True):
        assert a.isfinite().all()
        assert float((a - b).detach().norm() / b.detach().norm()) < tolerance


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@each_variant
def test_half_formats(name: str, options: dict, dtype: torch.dtype) -> None:
    half = build(name, SMOOTH | options).to(dtype)
    assert half(BATCH.context, BATCH.queries).dtype == dtype
    state = half.prefill(BATCH.context)
    assert {t.dtype for t in models.state.tensors(state)} == {dtype}
    same = build(name, SMOOTH | options)
    same.load_state_dict({key: value.float() for key, value in half.state_dict().items()})  # the rounded weights
    assert_near(passes(half), passes(same), 8 * HALVES[dtype])


@each_variant
def test_autocast(name: str, options: dict) -> None:
    model = build(name, SMOOTH | options)
    wanted = passes(model)
    with torch.autocast("cpu", torch.bfloat16):
        assert_near(passes(model), wanted, 8 * HALVES[torch.bfloat16])
    assert all(p.dtype == torch.float32 for p in model.parameters())


@pytest.fixture
def double_by_default():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@each_variant
@pytest.mark.usefixtures("double_by_default")
def test_double_by_default(name: str, options: dict) -> None:
    model = build(name, options)
    assert {p.dtype for p in model.parameters()} == {torch.float64}
    ours = passes(model)
    with ops.use("reference"):
        assert_near(ours, passes(model), 1e-6)
    assert model(BATCH.context, BATCH.queries).dtype == torch.float64


@each_variant
def test_copied_pickled_and_made_of_nothing(name: str, options: dict) -> None:
    model = build(name, options)
    wanted = model(BATCH.context, BATCH.queries)
    with torch.device("meta"):
        empty = build(name, options)
    empty.to_empty(device="cpu").load_state_dict(model.state_dict())
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), empty):
        assert type(other) is type(model)
        assert other.config == model.config
        assert weights_sha256(other) == weights_sha256(model)
        torch.testing.assert_close(other(BATCH.context, BATCH.queries), wanted, rtol=0, atol=0)
    assert pickle.loads(pickle.dumps(model.config)).model_fields_set == model.config.model_fields_set


OWN = """
import torch

class Own(torch.nn.Module):
    def __init__(self, width, scale=1.0):
        super().__init__()
        self.linear, self.scale = torch.nn.Linear(width, width), scale
    def step(self, state, x):
        total = x if state is None else state + x
        return self.scale * self.linear(total), total
    def forward(self, x):
        return self.scale * self.linear(x.cumsum(1))
"""


def test_models_of_ones_own_are_pickled_for_another_process(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(OWN)
    torch.manual_seed(0)
    kept = {}
    for name in (f"{path}:Own", f"{path}:Own+gla"):
        model = models.create(name, TASK, width=16, scale=0.5)
        torch.testing.assert_close(
            copy.deepcopy(model)(BATCH.context, BATCH.queries), model(BATCH.context, BATCH.queries)
        )
        kept[name] = (model, model(BATCH.context, BATCH.queries).detach())
    (tmp_path / "kept").write_bytes(pickle.dumps((kept, BATCH.context, BATCH.queries)))
    code = """
import pickle, sys, torch
kept, context, queries = pickle.load(open(sys.argv[1], "rb"))
for model, logits in kept.values():
    torch.testing.assert_close(model(context, queries), logits)
"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "kept"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["gpt2", "mamba", "recurrent_gemma"])
def test_huggingface_models_in_every_mode(name: str) -> None:
    pytest.importorskip("transformers")
    torch.manual_seed(0)
    model = models.create(f"hf:{name}", TASK, width=16).eval()
    wanted = model(BATCH.context, BATCH.queries)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        torch.testing.assert_close(other(BATCH.context, BATCH.queries), wanted)
    near = {"rtol": 0.05, "atol": 0.05}
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(model(BATCH.context, BATCH.queries).float(), wanted, **near)
    half = copy.deepcopy(model).bfloat16()
    torch.testing.assert_close(half(BATCH.context, BATCH.queries).float(), wanted, **near)


@pytest.mark.parametrize("options", [{"positions": "alibi"}, {"window": 100}, {"positions": "rope", "window": 300}, {}])
def test_halves_tell_positions_beyond_256_apart(options: dict) -> None:
    """bfloat16 has no 257: a position held in it lets tokens see the future, or forget the present."""
    torch.manual_seed(0)
    layer = models.create("transformer", sx.tasks.create("index-lookup", length=600, alphabet=8), width=16, **options)
    half = layer.blocks[0].mixer.bfloat16()
    same = copy.deepcopy(half).float()
    x = torch.randn(1, 600, 16).bfloat16()
    whole, _ = half.scan(x)
    start, state = half.scan(x[:, :300])
    end, _ = half.scan(x[:, 300:], state)
    wanted = same.scan(x.float())[0]
    for y in (whole, torch.cat([start, end], dim=1)):
        assert float((y.float() - wanted).detach().norm() / wanted.detach().norm()) < 0.02
    changed = x.clone()
    changed[:, 511] = 9
    assert torch.equal(half.scan(changed)[0][:, :511], whole[:, :511])


def compiled(names: list[str], backend: str, dtypes: str = "float32, bfloat16") -> None:
    """In a process of its own: what checks shapes in these tests cannot be traced."""
    code = f"""
import sys, torch
import separatrix as sx
torch.set_num_threads(1)
task = sx.tasks.create("index-lookup", length=9, alphabet=8)
batch = task.sample(2, torch.Generator().manual_seed(0), queries=3)
for name in {names!r}:
    for dtype in (getattr(torch, each) for each in {dtypes.split(", ")!r}):
        torch.manual_seed(0)
        torch._dynamo.reset()
        model = sx.models.create(name, task, width=8).to(dtype)
        plain, fast = model(batch.context, batch.queries), torch.compile(model, backend={backend!r}, fullgraph=True)
        logits = fast(batch.context, batch.queries)
        near = dict(rtol=1e-4, atol=1e-5) if dtype == torch.float32 else dict(rtol=0.05, atol=0.05)
        torch.testing.assert_close(logits, plain, **near, msg=lambda text: name + ": " + text)
        logits.float().square().sum().backward()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=dict(os.environ), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_compiles_as_one_graph() -> None:
    compiled(["dss", "retnet"], "aot_eager")


@pytest.mark.slow
@pytest.mark.parametrize("half", [0, 1])  # the two run side by side
def test_every_family_compiles_as_one_graph(half: int) -> None:
    compiled([*models.names(), "mamba+attention"][half::2], "aot_eager", "float32")


@pytest.mark.long
def test_every_family_compiles_in_half_precision() -> None:
    compiled([*models.names(), "mamba+attention"], "aot_eager", "bfloat16")


UNROLLED = ["deltaproduct", "kda", "rwkv7", "rwkv6", "mamba3", "ttt", "titans", "log-linear", "h3", "hyena"]
"""Families whose graphs take the compiler half a minute and more, or were not timed by themselves."""


@pytest.mark.long
def test_every_family_compiles_with_the_default_backend() -> None:
    compiled([name for name in models.names() if name not in UNROLLED], "inductor")


@pytest.mark.long
def test_unrolled_families_compile_with_the_default_backend() -> None:
    compiled(UNROLLED, "inductor")


def test_kernels_are_chosen_for_each_thread() -> None:
    seen: list[bool] = []
    inside, done = threading.Event(), threading.Event()

    def other() -> None:
        inside.wait()
        seen.append(ops.status().native)
        with ops.use(ops.status().available[0]):
            seen.append(ops.status().instruction_set == ops.status().available[0])
        done.set()

    thread = threading.Thread(target=other)
    thread.start()
    with ops.use("reference"):
        inside.set()
        done.wait()
        assert not ops.status().native
    thread.join()
    assert seen == [True, True]
