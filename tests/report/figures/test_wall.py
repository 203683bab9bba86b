"""The picture of the memory wall: 1200 × 630, its words in one line each."""

from __future__ import annotations

import re

from separatrix.report.figures.wall import CERTIFIED, PICTURE, picture, wall_chart

ROWS = [
    {"model": "LSTM", "kind": "observed", "x": 16, "y": 5, "low": 4, "high": 6, "leads": True, "text": ""},
    {"model": "LSTM", "kind": "observed", "x": 2048, "y": 8, "low": 7, "high": 8, "leads": True, "text": ""},
    {"model": CERTIFIED, "kind": "certified", "x": 8, "y": 8, "low": 8, "high": 8, "leads": False, "text": ""},
]


def test_the_pictures_words_stand_in_one_line_and_its_last_number_is_there() -> None:
    chart = wall_chart(ROWS, ["LSTM"], {"LSTM": 0}, 8.0).to_dict() | {"datasets": {"rows": ROWS}}
    before = repr(chart)
    svg = picture(chart, "Title", "Subtitle")
    texts = re.findall(r"<text[^>]*>([^<]+)</text>", svg)
    assert {"Title", "Subtitle", CERTIFIED, "2,048"} <= set(texts)
    assert any(" ".join(text.split()) == "proved: no code gets here" for text in texts)
    assert 'width="{}" height="{}"'.format(*PICTURE) in svg
    assert repr(chart) == before, "the page's own chart keeps its lines short, for phones"
