"""Audits: states from configurations equal the caches that the models really keep."""

from __future__ import annotations

import json

import pytest
import torch

import separatrix as sx
from separatrix import InputError
from separatrix.bounds import config_size, load_config, measured_size, verdicts


@pytest.mark.parametrize(
    ("name", "constant", "per_token"), [("elman", 16, 0), ("lstm", 32, 0), ("transformer", 0, 2 * 2 * 8)]
)
def test_models_are_measured(name, constant, per_token):
    task = sx.tasks.create("index-lookup", length=12, alphabet=4)
    size = measured_size(sx.models.create(name, task, width=8, layers=2), task)
    assert (size.constant, size.per_token, size.precision) == (constant, per_token, 32)
    assert size.growth == ("linear" if per_token else "constant")


def test_any_module_with_prefill_is_measured():
    class Windowed(torch.nn.Module):
        def prefill(self, context):
            return {"sum": context.sum(1, keepdim=True).float(), "half": torch.zeros(len(context), 3).bfloat16()}

    assert measured_size(Windowed(), sx.tasks.create("parity", length=8)).numbers(100) == 4


TINY = {"hidden_size": 16, "num_hidden_layers": 2, "vocab_size": 32}


@pytest.mark.parametrize(
    ("kind", "fields", "numbers"),
    [
        ("llama", {"num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 32}, 10 * 2 * 2 * 2 * 4),
        ("gpt2", {"n_embd": 16, "n_layer": 2, "n_head": 4}, 10 * 2 * 2 * 16),
        ("mamba", {"state_size": 4, "conv_kernel": 4, "expand": 2}, 2 * 32 * (4 + 4)),
        ("rwkv", {"attention_hidden_size": 16}, 2 * 5 * 16),
        ("mamba2", {"state_size": 8, "n_groups": 1, "expand": 2, "conv_kernel": 4}, 2 * (32 * 8 + (32 + 16) * 4)),
    ],
)
def test_configurations_give_sizes(kind, fields, numbers):
    assert config_size({"model_type": kind, **TINY, **fields}).numbers(10) == numbers


@pytest.mark.parametrize("kind", ["llama", "gpt2", "mamba"])
def test_sizes_equal_the_caches_of_real_models(kind):
    transformers = pytest.importorskip("transformers")
    fields = {
        "llama": {**TINY, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 32},
        "gpt2": {"n_embd": 16, "n_layer": 2, "n_head": 4, "vocab_size": 32},
        "mamba": {**TINY, "state_size": 4},
    }[kind]
    config = transformers.AutoConfig.for_model(kind, **fields)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        out = model(torch.randint(32, (1, 10)), use_cache=True)
    cache = out.past_key_values if getattr(out, "past_key_values", None) is not None else out.cache_params
    tensors: list[torch.Tensor] = []

    def collect(thing: object, depth: int = 0) -> None:
        if isinstance(thing, torch.Tensor):
            if thing.is_floating_point():
                tensors.append(thing)
        elif isinstance(thing, list | tuple):
            [collect(item, depth + 1) for item in thing]
        elif isinstance(thing, dict):
            [collect(item, depth + 1) for item in thing.values()]
        elif hasattr(thing, "__dict__") and depth < 6:
            collect(vars(thing), depth + 1)

    collect(cache)
    unique = {(t.data_ptr(), t.numel()): t for t in tensors}.values()
    assert config_size(config.to_dict()).numbers(10) == sum(t.numel() for t in unique)


def test_a_hybrids_window_limits_its_growth():
    config = {"model_type": "recurrent_gemma", **TINY, "num_hidden_layers": 3, "num_attention_heads": 4,
              "num_key_value_heads": 1, "attention_window_size": 8}  # fmt: skip
    size = config_size(config)
    assert size.growth == "windowed"
    assert size.numbers(8) == size.numbers(100)


def test_verdicts_follow_the_bounds():
    task = sx.tasks.create("index-lookup", length=12, alphabet=4)
    size = measured_size(sx.models.create("elman", task, width=4), task)
    found = {verdict.task: verdict for verdict in verdicts(size, 400)}
    assert not found["index-lookup"].possible
    assert found["index-lookup"].longest.length == 20
    assert found["index-lookup"].accuracy_ceiling < 0.3
    assert found["bounded-dyck"].possible
    assert found["bounded-dyck"].longest.length is None


@pytest.mark.parametrize(
    ("config", "message"),
    [({"model_type": "lama"}, "did you mean 'llama'"), ({"model_type": "mamba"}, "needs the field 'hidden_size'")],
)
def test_wrong_configurations(config, message):
    with pytest.raises(InputError, match=message):
        config_size(config)


def test_wrong_files(tmp_path):
    with pytest.raises(InputError, match="cannot read"):
        load_config(tmp_path / "none.json")
    (tmp_path / "list.json").write_text(json.dumps([1]))
    with pytest.raises(InputError, match="must hold a JSON object, got list"):
        load_config(tmp_path / "list.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(InputError, match="is not JSON"):
        load_config(tmp_path / "bad.json")
