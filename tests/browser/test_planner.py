"""The planner of a page: the library's numbers, a permalink, states and models of one's own."""

from __future__ import annotations

import json

import pytest
import synthetic_cards

from separatrix import models
from separatrix.bounds import Part, StateSize, verdicts
from separatrix.bounds.classes import table
from separatrix.bounds.formats import of_precision
from separatrix.bounds.in_words import sentence
from separatrix.cli.configured import built
from separatrix.experiments.card import write_card
from separatrix.models.huggingface.audit import configured_size
from separatrix.report.html import planner
from separatrix.report.html.state_laws import TRANSFORMERS, state_laws
from separatrix.tasks import create

pytestmark = pytest.mark.browser


def test_the_planner_shows_the_librarys_numbers_and_has_a_permalink(visit):
    page = visit().page
    for name, fields, length, precision in (
        ("index-lookup", {"alphabet": 64}, 400, 16),
        ("bounded-dyck", {"kinds": 8, "depth": 16}, 1024, 32),
        ("equality", {"layout": "concatenated"}, 65536, 8),
    ):
        page.locator("#plan-task").select_option(planner.title(name, fields))
        page.locator("#plan-length").select_option(str(length))
        page.locator("#plan-precision").select_option(str(precision))
        rows = table(create(name, **fields, length=length), of_precision(precision))
        shown = page.locator("#plan-table tbody tr").all()
        assert len(shown) == len(rows)
        for row, line in zip(rows, shown, strict=True):
            who, lower, arithmetic, best = line.locator("th, td").all_inner_texts()
            assert (who, arithmetic) == (row["architecture class"], row["arithmetic"])
            assert lower == row["status"] if row["lower bound"] is None else number(lower) == row["lower bound"]
            assert best == "–" if row["best known"] is None else number(best) == row["best known"]
        assert page.locator("#plan-sentence").inner_text() == sentence(rows, precision)
    link = page.locator("#plan-link").get_attribute("href")
    again = visit(part=link).page
    assert again.locator("#plan-sentence").inner_text() == sentence(rows, 8)
    assert again.locator("#plan-length").input_value() == "65536"


def test_the_planner_turns_the_question_around_and_takes_models(visit, tmp_path):
    page = visit().page
    task = create("index-lookup", alphabet=64, length=4096)
    page.locator("#plan-task").select_option(planner.title("index-lookup", {"alphabet": 64}))
    page.locator("#plan-length").select_option("4096")
    page.locator("#plan-state").select_option("4 KiB")
    size = StateSize((Part(bits_each=1, constant=8 * 4096),), source="given")
    assert verdicts(size, 4096, [task])[0].exact_at_most in page.locator("#plan-reach").inner_text()
    page.locator("#plan-model").select_option("LSTM-(1, 64)")
    assert "4,096 bits here, where an exact recurrent model needs 24,576" in page.locator("#plan-held").inner_text()
    assert "ruled out (proved)" in page.locator("#plan-held").inner_text()
    page.locator("#plan-model").select_option("TF-(1, 64)")
    assert page.locator("#plan-held").inner_text().endswith(f"{4096 * 4096:,} bits here, where an exact "
                                                            "recurrent model needs 24,576: not ruled out.")  # fmt: skip
    page.locator("#plan-layers").select_option("2")
    assert page.locator("#plan-table tbody th").all_inner_texts()[2:] == ["2-layer Transformer (width)"]
    hostile = synthetic_cards.card({"name": "lstm", "width": 8}).replace(label="<img src=x onerror=window.hacked=4>")
    write_card(hostile, tmp_path / "own.json")
    page.locator("#plan-card").set_input_files(tmp_path / "own.json")
    page.wait_for_function("() => document.getElementById('plan-held').textContent.includes('onerror')")
    assert "constant state: 4,096 bits here" in page.locator("#plan-held").inner_text()
    (tmp_path / "none.json").write_text("{}")
    page.locator("#plan-card").set_input_files(tmp_path / "none.json")
    page.wait_for_function("() => document.getElementById('plan-held').textContent.startsWith('none.json is no card')")
    assert page.evaluate("window.hacked") is None


def ours() -> list[dict[str, object]]:
    """A configuration of each architecture whose state the page knows, as `separatrix convert` writes it."""
    names = [name.partition(":")[2] for name in state_laws() if name.startswith("separatrix:")]
    fields = [{"name": name, "width": 32, "layers": 1 + index % 3} for index, name in enumerate(names)]
    more: list[dict[str, object]] = [
        {"name": "transformer", "width": 32, "heads": 2, "head_width": 5, "window": 9},
        {"name": "deltanet", "width": 32, "heads": 2, "taps": 3},
        {"name": "mamba2", "width": 32, "state": 8, "expand": 3, "head_width": 32},
        {"name": "mlstm", "width": 32, "heads": 2, "expand": 1, "taps": 2},
        {"name": "ttt", "width": 32, "heads": 2, "batch": 7},
    ]
    return [models.configure(**each).model_dump(mode="json") for each in (*fields, *more)]


SMALL = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "vocab_size": 99}
CACHED = {**SMALL, "num_key_value_heads": 2, "intermediate_size": 64}
THEIRS = [
    {"model_type": "llama", **CACHED, "torch_dtype": "bfloat16"},
    {"model_type": "mamba", **SMALL, "state_size": 5, "conv_kernel": 3, "dtype": "float16"},
]
OTHERS = [
    {"model_type": "llama", **CACHED, "head_dim": 24, "dtype": "float16"},
    {"model_type": "qwen2", **CACHED, "use_sliding_window": False},
    {"model_type": "qwen3", **CACHED},
    {"model_type": "gemma", **CACHED, "head_dim": 48},
    {"model_type": "mistral", **CACHED, "sliding_window": 100, "dtype": "bfloat16"},
    {"model_type": "mixtral", **CACHED, "sliding_window": None},
    {"model_type": "phi3", **CACHED, "sliding_window": 300, "pad_token_id": 0},
    {"model_type": "gpt2", "n_embd": 64, "n_layer": 3, "n_head": 4, "vocab_size": 99, "n_positions": 8192},
    {"model_type": "gpt_neox", **SMALL, "intermediate_size": 64},
    {"model_type": "opt", **SMALL, "ffn_dim": 64, "word_embed_proj_dim": 64},
    {"model_type": "falcon_mamba", **SMALL, "state_size": 5},
    {"model_type": "mamba2", **SMALL, "state_size": 6, "expand": 2, "num_heads": 8, "head_dim": 16, "n_groups": 2},
]


def held(page, path) -> str:
    """What the planner says of a file."""
    page.evaluate("document.getElementById('plan-held').textContent = ''")
    page.locator("#plan-card").set_input_files(path)
    page.wait_for_function("() => document.getElementById('plan-held').textContent")
    return page.locator("#plan-held").inner_text()


def compared(page, folder, settings: dict[str, object], size: StateSize) -> None:
    """Holds the page's words about a configuration to the library's numbers, at two lengths."""
    path = folder / "config.json"
    path.write_text(json.dumps(settings))
    held(page, path)
    for length in (100, 4096):
        page.locator("#plan-length").select_option(str(length))
        said, task = page.locator("#plan-held").inner_text(), create("index-lookup", alphabet=64, length=length)
        (verdict,) = verdicts(size, length, [task])
        assert f"{size.growth} state: {size.bits(length):,} bits here, where" in said, settings
        assert said.endswith(f"needs {int(verdict.needed_bits):,}: {verdict.ruling}."), settings


def test_a_configuration_of_ones_own_has_the_librarys_state(visit, tmp_path):
    page = visit().page
    page.locator("#plan-task").select_option(planner.title("index-lookup", {"alphabet": 64}))
    for model in ours():
        compared(page, tmp_path, {"model_type": "separatrix", "task": {"name": "parity"}, "model": model}, built(model))
    for settings in THEIRS:
        compared(page, tmp_path, settings, configured_size(settings, 4096))


@pytest.mark.slow
def test_every_type_of_transformers_that_the_page_knows_has_the_librarys_state(visit, tmp_path):
    page = visit().page
    page.locator("#plan-task").select_option(planner.title("index-lookup", {"alphabet": 64}))
    assert {each["model_type"] for each in (*THEIRS, *OTHERS)} == set(TRANSFORMERS)
    for settings in OTHERS:
        compared(page, tmp_path, settings, configured_size(settings, 4096))


REFUSED = {
    "{": "it is not JSON",
    "[1]": "expected a JSON object",
    "{}": "expected the JSON that `separatrix card` writes, or a config.json with its model_type",
    '{"model_type": "<img src=x onerror=window.hacked=5>"}': "the page has no formula of <img src=x onerror",
    '{"model_type": "__proto__"}': "the page has no formula of __proto__",
    '{"model_type": "llama", "hidden_size": "1); window.hacked = 6; ("}': "is no whole number",
    '{"model_type": "llama", "layer_types": ["full_attention", "other"]}': "layer_types is full_attention,other",
    '{"model_type": "llama", "dtype": "int4"}': "int4 is no number format",
    '{"model_type": "separatrix", "model": {"name": "lstm", "convolution": 0}}': "convolution is 0",
    '{"model_type": "separatrix", "model": {"name": "a.py:Mixer"}}': "the page has no formula of a.py:Mixer",
}


def test_what_is_no_configuration_is_told_in_one_line(visit, tmp_path):
    page = visit().page
    for text, said in REFUSED.items():
        (tmp_path / "config.json").write_text(text)
        shown = held(page, tmp_path / "config.json")
        assert shown.startswith("config.json is no card, and no configuration the page can read: "), text
        assert said in shown, text
    assert page.evaluate("window.hacked") is None


def number(shown: str) -> float:
    return float(shown.replace(",", ""))
