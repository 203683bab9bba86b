"""Bits recalled of strings shown once, on language models whose memory is known."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from copying_models import SEPARATOR, TOKENS, language_model, saved, trained
from scipy import stats

import separatrix as sx
from separatrix.errors import InputError
from separatrix.experiments.measure.hedging import hedged, predictors
from separatrix.experiments.measure.shown_once import recall_shown_once
from separatrix.experiments.measure.strings import Drawn, draw_pairs, drawn
from separatrix.models.huggingface.pretrained import pretrained
from separatrix.models.huggingface.streamed import Streamed

pytestmark = pytest.mark.filterwarnings("ignore")
N = 8
ALL = N * math.log2(TOKENS)


def measured(folder: str, lengths: list[int], **options: Any) -> list[Any]:
    options = {"strings": 16, "separator": SEPARATOR, "kinds": ["string"]} | options
    found = recall_shown_once(pretrained(folder), lengths, tokens=TOKENS, **options)
    for point in found.points:
        assert 0 <= point.low <= point.recalled_bits <= point.high <= point.shown_bits
    return found.points


@pytest.fixture(scope="module")
def copying(tmp_path_factory) -> Any:
    """A window of N + 1 tokens, trained to copy N."""
    return saved(trained("mistral", N, 1e-2, 150, sliding_window=N + 1), tmp_path_factory.mktemp("copying"))


def test_attention_holds_all_of_its_window_and_nothing_beyond(copying, tmp_path):
    (inside,) = measured(copying, [N])
    assert inside.recalled_bits > 0.9 * ALL and inside.state_bits == 2 * N * 32 * 32
    shorter = pretrained(copying).config
    shorter.sliding_window = N  # the same weights; the token to be copied is one place out of sight
    model = pretrained(copying).model
    shorter.save_pretrained(tmp_path)
    model.save_pretrained(tmp_path)
    shorter.save_pretrained(tmp_path)
    (outside,) = measured(str(tmp_path), [N])
    assert outside.low == 0 and outside.recalled_bits < 0.1 * ALL
    assert outside.state_bits == 2 * (N - 1) * 32 * 32


def test_absolute_positions_copy_too(tmp_path):
    (point,) = measured(saved(trained("gpt2", N, 3e-3, 120), tmp_path), [N])
    assert point.recalled_bits > 0.8 * ALL


def test_a_model_that_guesses_holds_nothing(tmp_path):
    model = language_model("gpt2")
    with torch.no_grad():
        model.lm_head.weight.zero_()
    for point in measured(saved(model, tmp_path), [4, 20], kinds=["string", "pairs"]):
        assert point.high < 1e-9


def test_hedging_costs_a_few_bits_and_follows_what_is_right():
    generator = torch.Generator().manual_seed(0)
    truth = torch.randint(8, (5, 200), generator=generator)
    knows = 20.0 * torch.nn.functional.one_hot(truth, 8).double()
    wrong = 20.0 * torch.nn.functional.one_hot((truth + 1) % 8, 8).double()
    forgotten = torch.cat([wrong[:, :100], knows[:, 100:]], dim=1)  # the first half is not known
    for logits, best in ((knows, 0.0), (wrong, 600.0), (forgotten, 300.0)):
        paid = hedged(predictors(logits, truth))
        assert bool((paid >= 0).all())
        assert bool((paid.sum(dim=1) <= best + math.log2(5) + 2 + (math.log2(1000) + 1)).all())
        assert bool((paid.sum(dim=1) >= best - 25).all())


def test_guesses_that_know_nothing_prove_nothing():
    """Logits drawn without a look at the truth: what is gained is not above 0 by more than chance."""
    generator = torch.Generator().manual_seed(1)
    truth = torch.randint(16, (400, 64), generator=generator)
    for scale in (0.1, 1.0, 10.0):
        logits = scale * torch.randn(400, 64, 16, generator=generator).double()
        gains = (4 - hedged(predictors(logits, truth))).sum(dim=1)
        assert stats.ttest_1samp(gains, 0, alternative="greater").pvalue > 1e-3


@pytest.mark.parametrize("kind", ["mamba", "falcon_mamba", "jamba", "recurrent_gemma", "mamba2", "gpt2", "mistral"])
def test_a_text_read_in_parts_is_the_text_read_at_once(kind, tmp_path, monkeypatch):
    options = {"sliding_window": 5} if kind == "mistral" else {}
    plain = language_model(kind, **options).eval()
    model = Streamed(pretrained(saved(plain, tmp_path)))
    assert model.in_pieces == (kind != "recurrent_gemma")
    monkeypatch.setattr("separatrix.models.huggingface.streamed.PIECE", 3)
    monkeypatch.setattr("separatrix.models.huggingface.streamed.FIRST", 8)
    tokens = torch.randint(1, 17, (2, 21), generator=torch.Generator().manual_seed(0))
    among = torch.tensor([3, 1, 7])
    with torch.no_grad():
        whole = plain(tokens).logits[..., among].double()  # by Transformers' own scan
    held = model.hold(tokens[:, :13])
    kept = model.copy(held)
    torch.testing.assert_close(model.go_on(held, tokens[:, 13:], among), whole[:, 13:], atol=1e-5, rtol=1e-4)
    again = model.go_on(kept, tokens[:, 13:], among, last=True)  # another read in between changed nothing
    torch.testing.assert_close(again, whole[:, -1:], atol=1e-5, rtol=1e-4)


def test_a_model_in_memory_is_measured_as_its_folder_and_left_as_it_was(tmp_path):
    model = language_model("mamba").train()
    folder = saved(model, tmp_path)
    held, stored = (sx.recall(each, lengths=[4, 9], tokens=8, strings=2) for each in (model, folder))
    assert held.points == stored.points and held.reads_pieces
    assert model.training and not any("forward" in vars(part) for part in model.modules())
    model(torch.zeros(1, 3, dtype=torch.long)).logits.sum().backward()  # by Transformers' own scan
    with pytest.raises(InputError, match="expected a causal language model of Transformers, got Linear"):
        sx.recall(torch.nn.Linear(2, 2))


@pytest.mark.parametrize("length", [2, 6, 40, 200])
def test_pairs_have_different_keys_and_fit(length):
    alphabet = Drawn(torch.arange(10, 18), 3, None)
    pairs = draw_pairs(alphabet, length, 3, torch.Generator().manual_seed(0))
    assert length - 4 <= pairs.shown.shape[1] <= length
    size = pairs.keys.shape[-1]
    for keys, values, shown in zip(pairs.keys, pairs.values, pairs.shown, strict=True):
        assert len({tuple(key.tolist()) for key in keys}) == len(keys)
        assert torch.equal(shown.view(-1, size + 1)[:, :size], keys)
        assert torch.equal(shown.view(-1, size + 1)[:, size] - 10, values)


def test_tokens_with_a_meaning_are_not_drawn():
    config = language_model("gpt2").config
    config.bos_token_id, config.eos_token_id = 4, [5, 6]
    found = drawn(config, 13, seed=0)
    assert not {4, 5, 6, found.separator} & set(found.tokens.tolist()) and found.beginning == 4
    assert found.begun(torch.tensor([[1]])).tolist() == [[4, 1]]
    with pytest.raises(InputError, match="expected 2 to 13"):
        drawn(config, 14, seed=0)


def test_what_could_run_code_is_not_read(copying, tmp_path):
    folder = Path(saved(language_model("gpt2"), tmp_path))
    settings = json.loads((folder / "config.json").read_text())
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Evil: pass\n")
    code = {"auto_map": {"AutoModelForCausalLM": "evil.Evil"}, "attn_implementation": "somebody/kernels"}
    (folder / "config.json").write_text(json.dumps(settings | code))
    assert type(pretrained(str(folder)).model).__module__.startswith("transformers.")
    assert not (tmp_path / "ran").exists()
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InputError, match="has its weights in pytorch_model.bin, which is not read"):
        pretrained(str(folder))
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../b.safetensors"}}')
    with pytest.raises(InputError, match="no file of the folder"):
        pretrained(str(folder))
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(InputError, match="adapter"):
        pretrained(str(folder))


def test_weights_that_do_not_fit_are_refused(copying):
    config = Path(copying) / "config.json"
    before = config.read_text()
    config.write_text(json.dumps(json.loads(before) | {"num_hidden_layers": 2}))
    try:
        with pytest.raises(InputError, match="do not fit"):
            pretrained(copying)
    finally:
        config.write_text(before)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["mamba", "mamba2"])
def test_a_recurrent_model_holds_more_with_a_larger_state(kind, tmp_path):
    held = []
    for state in (1, 16):
        model = trained(kind, 12, 5e-3, 400, state_size=state)
        (point,) = measured(saved(model, tmp_path / str(state)), [12])
        held.append(point)
    assert held[0].high < held[1].low and held[0].state_bits < held[1].state_bits
