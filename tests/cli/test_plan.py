"""`separatrix plan`: sizes for a task, and the question turned around."""

from __future__ import annotations

import json

import pytest
import synthetic_cards

from separatrix.bounds.sizes import longest_recurrent
from separatrix.cli.plan import memory
from separatrix.errors import InputError
from separatrix.experiments.card import write_card
from separatrix.tasks import create

LOOKUP = ("plan", "index-lookup", "--length", "4096", "--alphabet", "64", "--precision", "16")


def test_what_is_needed_and_what_suffices(run):
    code, out, _ = run(*LOOKUP, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["classes"] == json.loads(run("bounds", *LOOKUP[1:], "--json")[1])["bounds"]
    assert found["sentence"] == run(*LOOKUP)[1].splitlines()[-1]
    two = json.loads(run(*LOOKUP, "--layers", "2", "--json")[1])["classes"]
    assert [row["architecture class"][:7] for row in two] == ["recurre", "recurre", "2-layer"]


def test_how_long_a_context_a_state_allows(run):
    held = json.loads(run(*LOOKUP, "--state", "1MB", "--json")[1])["held"]
    task = create("index-lookup", length=4096, alphabet=64)
    assert held[0]["bits at this length"] == 8_000_000
    assert held[0]["not ruled out at"] == f"at most {longest_recurrent(task, 8_000_000).length:,} (proved)"


def test_models_of_ones_own_are_measured(run, tmp_path):
    write_card(synthetic_cards.card({"name": "lstm", "width": 8}), tmp_path / "card.json")
    settings = {"model_type": "mamba", "hidden_size": 16, "num_hidden_layers": 2, "state_size": 4, "conv_kernel": 4}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    for model, bits in (("card.json", 2 * 8 * 32), ("lstm:16", 2 * 16 * 32), ("config.json", 512 * 32)):
        held = json.loads(run(*LOOKUP, "--model", model, "--json")[1])["held"]
        assert [each["bits at this length"] for each in held] == [bits]
        assert held[0]["exactly"] == "ruled out (proved)"


def test_memory_in_words():
    assert [memory(text) for text in ("1MB", "4 KiB", "1.5kB", "7b")] == [8_000_000, 32_768, 12_000, 7]
    for text in ("", "1", "MB", "-1MB", "0b", "1XB", "1e3MB"):
        with pytest.raises(InputError, match="expected memory such as"):
            memory(text)
