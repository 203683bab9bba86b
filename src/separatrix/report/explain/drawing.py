"""A pen for small drawings of cells, arrows and words: SVG whose colours follow the page's, or the reader's, theme."""

from __future__ import annotations

from html import escape
from typing import Literal

from separatrix.report.figures import theme

Tone = Literal["plain", "held", "other", "answer"]
Anchor = Literal["start", "middle", "end"]

CELL = 30
"""Width and height of a cell."""

HUE = {"held": 0, "other": 1, "answer": 2}
"""Which colour of the palette a tone takes."""


def style(scope: str = ".explained") -> str:
    """The style sheet that drawings share: light, and dark where the reader's system or the manual's page is."""
    dark = _colours("dark")
    return (
        f"{scope}{{{_colours('light')}}}@media (prefers-color-scheme:dark){{{scope}{{{dark}}}}}"
        f"[data-md-color-scheme=default] {scope}{{{_colours('light')}}}[data-md-color-scheme=slate] {scope}{{{dark}}}"
        f"{scope} svg{{max-width:100%;height:auto}}"
        f"{scope} text{{font:13px {theme.FONT};fill:var(--x-text)}}{scope} .soft{{fill:var(--x-soft);font-size:12px}}"
        f"{scope} rect{{stroke:var(--x-rule);fill:none}}{scope} .mark{{fill:none;stroke-width:2}}"
        + "".join(
            f"{scope} .{tone}{{fill:var(--x-{tone});stroke:var(--x-{tone})}}"
            f"{scope} path.{tone}{{fill:none}}{scope} text.{tone}{{stroke:none;fill:var(--x-text);font-weight:600}}"
            for tone in HUE
        )
    )


def _colours(mode: theme.Mode) -> str:
    ink = {f"--x-{name}": colour for name, colour in theme.ink(mode).items()}
    return ";".join(
        f"{name}:{colour}"
        for name, colour in {**ink, **{f"--x-{t}": theme.hue(mode, i) for t, i in HUE.items()}}.items()
    )


class Drawing:
    """A drawing as it grows. Coordinates are in pixels, from the upper left.

    label: what it shows, in words, for those who cannot see it
    """

    def __init__(self, width: float, height: float, label: str) -> None:
        self.width, self.height, self.label = width, height, label
        self._parts: list[str] = []

    def cell(
        self, x: float, y: float, text: object, tone: Tone = "plain", share: float = 0.22, size: float = CELL
    ) -> None:
        """A square with a word in it, filled by so much of its tone's colour."""
        fill = "" if tone == "plain" else f' class="{tone}" fill-opacity="{share:.2f}"'
        self._parts.append(f'<rect x="{x:g}" y="{y:g}" width="{size:g}" height="{size:g}" rx="3"{fill}/>')
        if str(text):
            self.text(x + size / 2, y + size / 2 + 4.5, text)

    def bar(self, x: float, y: float, width: float, height: float, tone: Tone) -> None:
        """A filled bar."""
        self._parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{max(width, 1):.1f}" height="{height:g}" class="{tone}" '
            'fill-opacity="0.7"/>'
        )

    def text(self, x: float, y: float, words: object, anchor: Anchor = "middle", kind: str = "") -> None:
        """Words on a line; kind: soft, or a tone."""
        named = f' class="{kind}"' if kind else ""
        self._parts.append(f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{named}>{escape(str(words))}</text>')

    def arrow(
        self, x: float, y: float, to_x: float, to_y: float, tone: Tone, share: float = 1.0, bend: float = 0.0
    ) -> None:
        """An arrow, so much bent upwards, as strong as a share in [0, 1]."""
        middle = f"Q{(x + to_x) / 2:g} {(y + to_y) / 2 - bend:g} " if bend else ""
        across = not bend and to_x != x
        back = 7 if (to_x > x if across else bend or to_y > y) else -7
        one, other = ((to_x - back, to_y - 4), (to_x - back, to_y + 4)) if across else (
            (to_x - 4, to_y - back), (to_x + 4, to_y - back))  # fmt: skip
        tip = f"M{one[0]:g} {one[1]:g}L{to_x:g} {to_y:g}L{other[0]:g} {other[1]:g}"
        self._parts.append(
            f'<path class="mark {tone}" stroke-opacity="{max(0.0, min(1.0, share)):.3f}" '
            f'd="M{x:g} {y:g}{middle or "L"}{to_x:g} {to_y:g}{tip}"/>'
        )

    def svg(self) -> str:
        """The drawing without its style sheet, on one line."""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:g} {self.height:g}" '
            f'width="{self.width:g}" '
            f'role="img" aria-label="{escape(self.label)}">{"".join(self._parts)}</svg>'
        )


def alone(svg: str) -> str:
    """A drawing as a file of its own, with its colours."""
    start = svg.index(">") + 1
    return f'{svg[: start - 1]} class="explained">{"<style>" + style("svg.explained") + "</style>"}{svg[start:]}'
