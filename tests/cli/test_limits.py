"""`separatrix limits`: names, files, stores; what it prints and refuses."""

from __future__ import annotations

import json

import pytest
import torch

import separatrix as sx


def test_a_model_by_name(run):
    code, out, _ = run("limits", "lstm", "--width", "8", "--layers", "2", "--json")
    (found,) = json.loads(out)["found"]
    assert code == 0 and found["lengths"] == [found["first"], found["first"] + 1]
    assert found["number_format"] == "float32" and found["numbers"] == 32
    assert found["ends_counting_modulo"]["2"] and len(found["answers"]) == 2
    assert found["every_such_model"] is None
    assert sum(each["right"] != each["given"] for each in found["answers"]) == 1
    code, out, _ = run("limits", "lstm", "--width", "8", "--layers", "2")
    assert code == 0 and max(map(len, out.splitlines())) <= 80
    assert " ".join(out.split()).endswith(": wrong.") or out.count(": wrong.") == 1
    other = json.loads(run("limits", "lstm", "--width", "8", "--seed", "1", "--json")[1])["found"][0]
    assert other["lengths"] != found["lengths"]


def test_a_limit_not_reached_is_said(run):
    code, out, _ = run("limits", "mamba", "--width", "4", "--steps", "20")
    assert code == 0 and "No repeat within 20 tokens: nothing is proved" in out
    assert "Proved of every model of these layers" in out
    every = json.loads(run("limits", "mamba", "--width", "4", "--steps", "20", "--json")[1])["found"][0][
        "every_such_model"
    ]
    values = sx.bounds.values_of("fp32") + 3  # and the convolution's three tokens
    assert every == {"steps": values, "period": 1, "parity_ends_at_length": 2 * values + 1}


def test_files_and_stores(run):
    task = sx.tasks.create("parity", length=8)
    sx.models.save(sx.models.create("gru", task, width=4), "gru.safetensors")
    code, out, _ = run("limits", "gru.safetensors", "--token", "0", "--json")
    assert code == 0 and json.loads(out)["found"][0]["token"] == 0
    assert run("train", "parity", "elman", "--length", "4", "--steps", "4", "--width", "2")[0] == 0
    code, out, _ = run("limits", "runs/train", "--json")
    (found,) = json.loads(out)["found"]
    identity = found["label"].split("(")[-1].rstrip(")")
    assert code == 0 and found["period"] and run("limits", "runs/train", "--trial", identity)[0] == 0
    for bad, said in [
        (("runs/train", "--trial", "0123"), "unknown trial '0123'"),
        (("gru.safetensors", "--width", "4"), "no option '--width'"),
        (("lstm", "--trial", identity), "--trial names a trial of a folder of results"),
        (("transformer", "--width", "4"), "told the position"),
        (("missing.safetensors",), "no such file"),
    ]:
        code, _, err = run("limits", *bad)
        assert code == 2 and said in err and len(err.strip().splitlines()[-1]) < 300


def test_a_configuration_of_transformers(run):
    pytest.importorskip("transformers")
    code, out, _ = run("limits", "hf:falcon_mamba", "--width", "4", "--steps", "30", "--json")
    assert code == 0 and json.loads(out)["found"][0]["read"] == 30


def test_a_pretrained_model_of_transformers(run, tmp_path):
    transformers = pytest.importorskip("transformers")
    small = {"vocab_size": 16, "hidden_size": 8, "num_hidden_layers": 2}
    config = transformers.MambaConfig(**small, state_size=2, time_step_rank=2, bos_token_id=None, eos_token_id=None)
    torch.manual_seed(0)
    model = transformers.MambaForCausalLM(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("dt_proj.bias"):
                weight.fill_(2.0)  # large steps: the state forgets within a few tokens
    model.save_pretrained("mamba")
    code, out, err = run("limits", "mamba", "--token", "5", "--json")
    (found,) = json.loads(out)["found"]
    assert code == 0 and "trained weights" in found["label"] and found["period"] == 1, err
    with torch.no_grad():  # the whole model, read at once, predicts the same after both lengths
        one, other = (model(torch.full((1, n), 5)).logits[0, -1] for n in found["lengths"])
    assert torch.allclose(one, other, atol=1e-5)
    code, _, err = run("limits", "mamba", "--token", "16")
    assert code == 2 and "token must be in 0 … 15" in err
    attention = transformers.GPT2Config(vocab_size=8, n_embd=8, n_layer=1, n_head=1)
    transformers.GPT2LMHeadModel(attention).save_pretrained("gpt")
    code, _, err = run("limits", "gpt")
    assert code == 2 and "the state grows with every token" in err
