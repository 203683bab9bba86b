"""Drawings say what the library computes: counts, weights, states, messages; and are well-formed and escaped."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

import separatrix as sx
from separatrix import constructions, models, tasks
from separatrix.report.explain import catalogue
from separatrix.report.explain.attention import lookup_frames
from separatrix.report.explain.cuts import half_frames, prefix_frames
from separatrix.report.explain.drawing import Drawing, alone
from separatrix.report.explain.examples import example
from separatrix.report.explain.filling import register_frames
from separatrix.report.explain.gallery import gallery
from separatrix.report.explain.messages import protocol_frames
from separatrix.report.explain.stepped import figures


def words(drawing: Drawing) -> str:
    return " ".join(node.text or "" for node in ElementTree.fromstring(drawing.svg()).iter() if node.text)


def shares(drawing: Drawing, tone: str) -> list[float]:
    """How full the cells of a tone are."""
    return [float(share) for share in re.findall(rf'class="{tone}" fill-opacity="([\d.]+)"', drawing.svg())]


def test_the_cuts_are_the_counted_ones():
    task = sx.tasks.create("equality", length=8)
    for prefix, frame in enumerate(prefix_frames(), start=1):
        assert f"{sx.bounds.recurrent_rows(task, prefix)} different messages" in words(frame)
    rows = [sx.bounds.attention_rows(task, held) for held in (range(4), range(0, 8, 2), [0, 4], range(4, 8))]
    assert [int(re.search(r"(\d+) different", words(frame))[1]) for frame in half_frames()] == rows


def test_the_register_s_cells_are_its_state():
    frames = register_frames()
    for read, frame in enumerate(frames, start=1):
        ones = re.search(r"hold (\[.*?\])", frame.label)[1].count("1")
        assert len(shares(frame, "held")) == read + ones  # the tokens read, and the units that are on
    assert "an exact one needs 12 bits" in words(frames[-1]) and "12 units of one bit" in words(frames[-1])


def test_attention_is_drawn_where_the_weights_are():
    for asked, frame in enumerate(lookup_frames()):
        full = shares(frame, "held")
        assert full.index(max(full)) == asked and max(full) > 0.69
        token = re.search(r"attention reads (\S+)", frame.label)[1]
        assert f"answer: {token}" in words(frame)


def test_messages_are_those_of_the_protocol_and_all_give_the_right_answer():
    frames = protocol_frames()
    assert len({re.search(r"follows: (\S+)", words(frame))[1] for frame in frames}) == 1
    for frame in frames:
        sent = [int(bits) for bits in re.findall(r"sends (\d+) bits", frame.label)]
        assert f"{sum(sent):,} bits in all" in words(frame) and len(sent) >= 1


@pytest.mark.parametrize("name", [*tasks.names(), *tasks.stream_names()])
def test_every_task_has_an_example_with_the_oracle_s_answer(name):
    task = tasks.create(name, **catalogue.TASKS[name])
    said = words(example(task))
    drawn = task.sample(1, tasks.stream(0, "test"))
    if isinstance(task, tasks.StreamTask):
        assert all(str(label) in said for label in drawn.labels[0].tolist() if label >= 0)
    else:
        right = int(task.answer(drawn.context, drawn.queries)[0, 0])
        assert f"answer: {task.show_answer(right)}" in said


@pytest.mark.parametrize("name", ["index-lookup", "shift-register", "equality", "associative-recall-deltanet"])
def test_a_construction_s_entry_has_its_run_and_its_claim(name):
    entry = catalogue.construction_entry(name)
    assert "<svg" in entry and constructions.theorem(name).task in entry and "| certified |" in entry


def test_every_name_has_fields_in_the_catalogue():
    assert set(catalogue.TASKS) == {*tasks.names(), *tasks.stream_names()}
    assert set(catalogue.CONSTRUCTIONS) == set(constructions.names())


@pytest.mark.parametrize("name", ["lstm", "transformer"])
def test_a_model_s_entry_has_its_formula_and_its_measured_state(name):
    entry = catalogue.model_entry(name)
    task = sx.tasks.create("index-lookup", length=64, alphabet=4)
    batch = task.sample(1, tasks.stream(0, "test"))
    bits = sx.state_bits(models.create(name, task, width=16).prefill(batch.context))
    assert f"{bits:,} bits" in entry and "state, numbers a layer" in entry


def test_words_are_escaped_and_drawings_are_whole_files():
    drawing = Drawing(40, 40, 'a "label" <b>')
    drawing.text(1, 1, "<script>")
    drawing.arrow(0, 0, 10, 0, "held")
    root = ElementTree.fromstring(alone(drawing.svg()))
    assert root.get("aria-label") == 'a "label" <b>' and "<script>" not in drawing.svg()
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", alone(drawing.svg()))


def test_the_page_of_explainers_shows_one_frame_each_and_asks_for_nothing():
    page = figures(gallery())
    assert page.count('class="frame"') - page.count('class="frame" hidden>') == len(gallery()) - 1 + 4  # all four tasks
    assert page.count("data-step=") == len(gallery()) - 1
    assert len({each.name for each in gallery()}) == len(gallery()) == 6
    assert "fetch" not in page and "src=" not in page
