"""Architectures of one's own: from a file, as a hybrid, from Hugging Face, from an installed package."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import torch

import separatrix as sx
from separatrix import models
from separatrix.models import registry

TASK = sx.tasks.create("index-lookup", length=12, alphabet=8)
FILE = '''
import torch
from torch import nn

class Mean(nn.Module):
    """A running mean."""
    def __init__(self, width, scale=1.0):
        super().__init__()
        self.linear, self.scale = nn.Linear(width, width), scale
    def forward(self, x):
        return self.scale * self.linear(x.cumsum(1) / torch.arange(1, x.shape[1] + 1)[:, None])

class Ahead(Mean):
    def forward(self, x):
        return self.linear(x) + x.roll(-3, dims=1)

class Batch(Mean):
    def forward(self, x):
        return self.linear(x) + x.mean(0)

class Shape(Mean):
    def forward(self, x):
        return x[:, :1]

class Sum(Mean):
    def step(self, state, x):
        total = x if state is None else state + x
        return self.linear(total), total
    def forward(self, x):
        return self.linear(x.cumsum(1))

class Wrong(Sum):
    def forward(self, x):
        return self.linear(x)

class Nan(Mean):
    def forward(self, x):
        return super().forward(x) / 0

class Needs(nn.Module):
    def __init__(self, width, depth):
        super().__init__()

value = 3
'''


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "own.py"
    path.write_text(FILE)
    return str(path)


def outputs(model: models.SequenceModel) -> tuple[torch.Tensor, tuple]:
    """Logits and state; prefill in two pieces must give the same."""
    batch = TASK.sample(3, torch.Generator().manual_seed(0), queries=4)
    model.eval()
    state = model.prefill(batch.context)
    logits = model.decode(state, batch.queries)
    pieces = model.prefill(batch.context[:, 7:], model.prefill(batch.context[:, :7]), start=7)
    torch.testing.assert_close(model.decode(pieces, batch.queries), logits, atol=1e-5, rtol=1e-4)
    one = model.decode(state, batch.queries[:, 1:2])
    torch.testing.assert_close(one, logits[:, 1:2], atol=1e-5, rtol=1e-4)
    logits.sum().backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
    return logits, state


def test_a_module_carries_its_whole_past(file: str) -> None:
    model = models.create(f"{file}:Mean", TASK, width=16, scale=2.0)
    _, state = outputs(model)
    assert sx.state_numbers(state) == 12 * 16
    assert model.blocks[0].mixer.module.scale == 2.0
    assert models.architecture(f"{file}:Mean").__doc__ == "A running mean."


def test_a_module_with_step_carries_its_state(file: str) -> None:
    _, state = outputs(models.create(f"{file}:Sum", TASK, width=16))
    assert sx.state_numbers(state) == 16


def test_what_the_file_says_is_part_of_the_configuration(file: str) -> None:
    before = models.configure(f"{file}:Mean")
    Path(file).write_text(FILE + "\n# changed\n")
    after = models.configure(f"{file}:Mean")
    assert before.code != after.code
    with pytest.raises(sx.InputError, match="code"):
        models.configure(f"{file}:Mean", code=before.code)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Ahead", "looks ahead: the output at position 0 changes with the input at position 3"),
        ("Batch", "another example of the batch"),
        ("Shape", r"must map shape \(2, 12, 16\) to the same shape, got \(2, 1, 16\)"),
        ("Wrong", "scan and step disagree at position 1"),
        ("Nan", "gives a number that is not finite at position 0, for finite input"),
        ("Needs", "takes 'depth' without a default"),
        ("Meen", "did you mean 'Mean'"),
        ("value", "must be a class of torch.nn.Module"),
    ],
)
def test_unfit_modules_are_refused(file: str, name: str, message: str) -> None:
    with pytest.raises(sx.InputError, match=message) as error:
        models.create(f"{file}:{name}", TASK, width=16)
    assert "\n" not in str(error.value)


def test_missing_and_broken_files(tmp_path: Path) -> None:
    with pytest.raises(sx.InputError, match="no file"):
        models.create(f"{tmp_path}/none.py:Mean", TASK)
    (tmp_path / "broken.py").write_text("1 / 0")
    with pytest.raises(sx.InputError, match="ZeroDivisionError"):
        models.create(f"{tmp_path}/broken.py:Mean", TASK)


def test_hybrids(file: str) -> None:
    model = models.create("mamba*3+attention", TASK, width=16, state=4, heads=2, positions="rope")
    assert [type(block.mixer).__name__ for block in model.blocks] == ["MambaMixer"] * 3 + ["Attention"]
    assert model.blocks[0].mixer.states == 4
    assert model.blocks[3].mixer.heads == 2
    _, state = outputs(model)
    assert sx.state_numbers(state) == 3 * 32 * (4 + 3) + 2 * 16 * 12
    repeated = models.create("lstm + gla", TASK, width=16, layers=5)
    assert [type(block.mixer).__name__ for block in repeated.blocks][-1] == "LSTMMixer"
    outputs(repeated)
    outputs(models.create(f"{file}:Mean+mamba", TASK, width=16))


def test_mixers_side_by_side(file: str) -> None:
    model = models.create("mamba2//attention*2+gla", TASK, width=16, state=4, heads=2, positions="rope")
    assert [type(block.mixer).__name__ for block in model.blocks] == ["ParallelMixer"] * 2 + ["GLAMixer"]
    assert [type(part).__name__ for part in model.blocks[0].mixer.parts] == ["Mamba2Mixer", "Attention"]
    outputs(model)
    outputs(models.create(f"{file}:Mean//gla", TASK, width=16, fusion="norm", layers=2))
    folder, _, name = file.rpartition("/")
    assert type(models.create(f"{folder}//{name}:Mean", TASK, width=16).blocks[0].mixer).__name__ != "ParallelMixer"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mamba2//", {}, "side by side are written such as"),
        ("gla//gla" + "//gla" * 64, {}, "64 at most"),
        ("mamba//atention", {}, "unknown model 'atention'"),
        ("mamba*0+attention", {}, "pattern such as"),
        ("mamba+", {}, "pattern such as"),
        ("mamba+atention", {}, "unknown model 'atention'"),
        ("mamba+lstm", {"stat": 3}, "did you mean 'state'"),
        ("mamba+gla", {"width": 10, "heads": 4}, "divisible"),
    ],
)
def test_bad_hybrids(name: str, options: dict, message: str) -> None:
    with pytest.raises(sx.InputError, match=message):
        models.create(name, TASK, **options)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["mamba", "mamba2", "rwkv", "recurrent_gemma", "gpt2", "llama"])
def test_huggingface_models(name: str) -> None:
    pytest.importorskip("transformers")
    torch.manual_seed(0)
    model = models.create(f"hf:{name}", TASK, width=16)
    _, state = outputs(model)
    numbers = {"mamba": 32 * (16 + 4), "gpt2": 2 * 16 * 12, "llama": 2 * 16 * 12, "rwkv": 5 * 16 * 2}
    if name in numbers:  # Transformers' convolution window holds one input more than the next token needs
        assert sx.state_numbers(state) == numbers[name]


def test_huggingface_configurations(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    path = tmp_path / "config.json"
    settings = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    path.write_text(json.dumps({"model_type": "llama", "intermediate_size": 48, **settings}))
    model = models.create(f"hf:{path}", TASK)
    assert (model.config.width, model.config.layers) == (32, 2)
    assert sx.state_numbers(model.prefill(torch.zeros(1, 12, dtype=torch.long))) == 2 * 2 * 16 * 12
    assert models.create("hf:mamba", TASK, width=16, state_size=4).body.config.state_size == 4
    for bad, message in (("hf:mambo", "did you mean 'mamba'"), ("hf:none.json", "cannot read")):
        with pytest.raises(sx.InputError, match=message):
            models.create(bad, TASK)


def test_installed_packages_register(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = models.architecture(f"{file}:Mean").module
    entry = EntryPoint("running-mean", "package:Mean", registry.GROUP)
    monkeypatch.setattr(EntryPoint, "load", lambda self: module)
    monkeypatch.setattr(registry, "_installed", lambda: {"running-mean": entry})
    assert models.names()[-1] == "running-mean"
    assert sx.state_numbers(outputs(models.create("running-mean", TASK, width=16))[1]) == 12 * 16
