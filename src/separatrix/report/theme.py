"""Colours and type of the figures, on paper and in the dark. The palettes stay apart for colour-blind eyes."""

from __future__ import annotations

from typing import Any, Literal

Mode = Literal["light", "dark"]

FONT = "Inter, Helvetica Neue, Helvetica, Arial, Liberation Sans, sans-serif"

# Okabe and Ito's hues, darkened or lightened until each keeps 3 : 1 against its background
_PALETTE: dict[Mode, list[str]] = {
    "light": ["#0067a5", "#c44e00", "#007a5a", "#a8428a", "#8a6a00", "#3a8fc0", "#5b4bb3", "#55606b"],
    "dark": ["#58a6ff", "#ff8f4d", "#2fc79b", "#e48ac4", "#e0b62e", "#a5dcff", "#b3a4ff", "#aab4bf"],
}
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
_ON_CELL: dict[Mode, tuple[str, str]] = {"light": ("#10181f", "#ffffff"), "dark": ("#ffffff", "#0b1219")}
TURN = 0.68


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
            {"name": "ink", "value": ink["soft"]},
            {"name": "page", "value": ink["page"]},
        ],
        "view": {"stroke": None},
        "axis": axis,
        "legend": {
            **words, "labelColor": ink["text"], "titleColor": ink["soft"], "labelFontSize": 12, "symbolSize": 260,
            "symbolStrokeWidth": 2.5, "labelLimit": 260, "columnPadding": 18, "rowPadding": 4,
        },
        "title": {
            "font": FONT, "subtitleFont": FONT, "color": ink["text"], "subtitleColor": ink["soft"], "fontSize": 15,
            "subtitleFontSize": 12, "anchor": "start", "subtitlePadding": 6, "offset": 14, "frame": "group",
        },
        "range": {"category": _PALETTE[mode], "heatmap": _RAMP[mode], "ramp": _RAMP[mode]},
    }  # fmt: skip


def dashes(count: int) -> list[list[int]]:
    """A dash pattern for each of `count` lines, so that colour is never the only difference."""
    return [_DASHES[index % len(_DASHES)] for index in range(count)]
