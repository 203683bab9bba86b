"""What a notebook shows of the library's objects: measured and proved numbers as they are, everything escaped."""

from __future__ import annotations

import html
import re

import pytest
import synthetic

import separatrix as sx
from separatrix.experiments.measure.memory_wall import MemoryWall
from separatrix.experiments.store.folder import Store
from separatrix.notebook import bits, brief, facts


def rows(shown) -> dict[str, str]:
    return dict(re.findall(r"<tr><th[^>]*>(.*?)</th><td[^>]*>(.*?)</td></tr>", shown._repr_html_()))


def test_a_task_shows_its_parameters_and_what_is_proved():
    said = rows(sx.tasks.create("index-lookup", length=100, alphabet=64))
    assert (said["length"], said["alphabet"], said["chance"]) == ("100", "64", "1.6%")
    assert said["an exact recurrent state needs (proved)"] == "600 bits"


def test_unknown_is_never_zero(monkeypatch):
    task = sx.tasks.create("parity", length=8)
    monkeypatch.setattr(type(task), "recurrent_bits", lambda self: None)
    assert rows(task)["an exact recurrent state needs (proved)"].startswith("unknown")


def test_a_construction_and_its_certificate_show_the_claim():
    built = sx.constructions.create("index-lookup", length=2**20, alphabet=64)
    assert "width 27" in rows(built)["architecture"]
    assert html.unescape(rows(built)["certified"]) == built.certificate.claim
    assert rows(built.certificate)["for"] == "lengths up to N"


def test_bounds_show_what_they_count():
    cut = sx.bounds.best_attention_cut(sx.tasks.create("equality", length=6))
    assert rows(cut)["bits"] == "3" and "exact" in rows(cut)
    assert rows(sx.bounds.growth_law([8, 16, 32, 64], [5, 5, 5, 5]))["law"] == "constant"
    model = sx.bounds.RoundedSums(16)
    assert rows(model)["every exact model obeys"] == brief(model.formula).replace(">", "&gt;")
    size = sx.bounds.StateSize((sx.bounds.Part(bits_each=16, constant=0, per_token=128),), source="a cache")
    assert rows(size)["source"] == "a cache" and "bits" not in rows(size)


def test_a_result_shows_measured_beside_proved(tmp_path):
    trial = synthetic.preset().trials()[0]
    shown = synthetic.write(Store(tmp_path), trial)
    said = rows(shown.replace(test=shown.test.replace(accuracy=0.875)))
    assert said["test accuracy (observed)"] == "87.50%"
    assert said["an exact recurrent state needs (proved)"] == bits(shown.recurrent_bits)
    assert rows(shown.replace(test=None))["test accuracy (observed)"] == "not measured"


def test_a_card_shows_every_question_with_chance():
    card = sx.experiments.card.stored_reference("lstm")
    said = rows(card)
    assert len(said) == len(card.questions)
    assert all("chance" in shown or shown == "not run" for shown in said.values())


def test_what_is_shown_is_escaped():
    wall = MemoryWall(points=[], context_bits=4.0, numbers=8, contexts=64, confidence=0.95)
    assert rows(wall)["context bits"] == "4"
    assert "<script" not in facts("<script>", {"<script>": "<script>"})


@pytest.mark.parametrize(("value", "text"), [(None, "none"), (True, "yes"), (4096, "4,096"), ((1, 2.5), "1, 2.5")])
def test_values_in_brief(value, text):
    assert brief(value) == text
