"""Colours and type of the figures, on paper and in the dark. The palettes stay apart for colour-blind eyes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, count
from typing import Any, Literal

Mode = Literal["light", "dark"]

FONT = "Inter, Helvetica Neue, Helvetica, Arial, Liberation Sans, sans-serif"

# Okabe and Ito's hues, moved until each keeps 3 : 1 against its background and any two are 15 apart (CIE 1976) for
# normal, protan, deutan and tritan eyes
_PALETTE: dict[Mode, list[str]] = {
    "light": ["#186cab", "#e16b18", "#005e3d", "#9b377c", "#7e5f00", "#3a95c7", "#5249b5", "#6f6f6c"],
    "dark": ["#2d92f9", "#ff8f4e", "#2fc79b", "#e594d7", "#e3b828", "#bce8ff", "#b6a3ff", "#879ea4"],
}
HUES = len(_PALETTE["light"])
_DASHES = [[1, 0], [7, 3], [2, 2], [9, 3, 2, 3], [5, 2, 1, 2], [12, 4], [3, 5], [1, 3]]
_RAMP: dict[Mode, list[str]] = {
    "light": ["#eef2f6", "#d3e3f1", "#a9cce6", "#6fb0da", "#3a8dc6", "#1766a6", "#073f72"],
    "dark": ["#1c232c", "#1f3143", "#23486a", "#2a6797", "#3f8dc4", "#74b9e8", "#b5e0ff"],
}
_INK: dict[Mode, dict[str, str]] = {
    "light": {"text": "#1b1f24", "soft": "#57606a", "rule": "#d8dee4", "page": "#ffffff"},
    "dark": {"text": "#e8ebee", "soft": "#a3adb8", "rule": "#333c47", "page": "#14181d"},
}
# text on a cell of the ramp, below and above the share where the better contrast changes sides
_ON_CELL: dict[Mode, tuple[str, str]] = {"light": ("#000000", "#ffffff"), "dark": ("#ffffff", "#000000")}
_TURN: dict[Mode, float] = {"light": 0.745, "dark": 0.585}


def config(mode: Mode) -> dict[str, Any]:
    """The Vega-Lite configuration of one mode; charts themselves name no colours."""
    ink = _INK[mode]
    words = {"font": FONT, "labelFont": FONT, "titleFont": FONT}
    axis = {
        "labelColor": ink["soft"], "titleColor": ink["soft"], "gridColor": ink["rule"], "domainColor": ink["rule"],
        "tickColor": ink["rule"], "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal",
        "titlePadding": 8, "labelFont": FONT, "titleFont": FONT,
    }  # fmt: skip
    return {
        "background": ink["page"],
        "font": FONT,
        "params": [
            {"name": "onPale", "value": _ON_CELL[mode][0]},
            {"name": "onDeep", "value": _ON_CELL[mode][1]},
            {"name": "turn", "value": _TURN[mode]},
            {"name": "palette", "value": _PALETTE[mode]},
            {"name": "ink", "value": ink["soft"]},
            {"name": "strong", "value": ink["text"]},
        ],
        "view": {"stroke": None},
        "axis": axis,
        "legend": {
            **words, "labelColor": ink["text"], "titleColor": ink["soft"], "labelFontSize": 12, "symbolSize": 260,
            "symbolStrokeWidth": 2.5, "labelLimit": 0, "columnPadding": 18, "rowPadding": 4,
        },
        "title": {
            "font": FONT, "subtitleFont": FONT, "color": ink["text"], "subtitleColor": ink["soft"], "fontSize": 15,
            "subtitleFontSize": 12, "anchor": "start", "subtitlePadding": 6, "offset": 14, "frame": "group",
        },
        "range": {"heatmap": _RAMP[mode], "ramp": _RAMP[mode]},
    }  # fmt: skip


def dash(hue: int) -> list[int]:
    """The dash pattern that goes with a colour, so that colour is never the only difference between two lines."""
    return _DASHES[(hue + hue // HUES) % len(_DASHES)]


def hues(figures: Iterable[Sequence[str]]) -> dict[str, int]:
    """A colour for each model of a page: the same in every figure, and another than that of any model beside it."""
    groups = [list(models) for models in figures]
    chosen: dict[str, int] = {}
    for model in dict.fromkeys(model for models in groups for model in models):
        beside = {chosen[other] for models in groups if model in models for other in models if other in chosen}
        chosen[model] = next(hue for hue in chain(range(len(chosen) % HUES, HUES), count()) if hue not in beside)
    return chosen


def ink(mode: Mode) -> dict[str, str]:
    """Colours of words and rules in a mode: text, soft, rule, page."""
    return dict(_INK[mode])


def hue(mode: Mode, number: int) -> str:
    """A colour of the palette in a mode."""
    return _PALETTE[mode][number % HUES]
