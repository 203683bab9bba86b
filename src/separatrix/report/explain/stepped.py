"""Explainers as HTML: still without scripts, and with the small script below frames that one steps through."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from separatrix.report.explain.drawing import style
from separatrix.report.explain.gallery import Explainer

SCRIPT = """
for (const part of document.querySelectorAll(".explained[data-step]")) {
  const frames = [...part.querySelectorAll(".frame")], still = frames.findIndex((frame) => !frame.hidden);
  const label = document.createElement("label"), range = document.createElement("input");
  Object.assign(range, { type: "range", min: 1, max: frames.length, value: still + 1 });
  label.append(`${part.dataset.step} `, range);
  range.addEventListener("input", () => {
    frames.forEach((frame, index) => { frame.hidden = index + 1 !== Number(range.value); });
  });
  part.append(label);
}
"""
"""Gives every explainer of a page its slider. It asks for nothing and keeps nothing."""

LAYOUT = (
    ".explained .frame[hidden]{display:none}.explained label{display:flex;gap:.75em;align-items:center;font-size:.85em}"
    ".explained input{flex:0 1 16em}.explained label{white-space:nowrap}section.explained{margin:0 0 2.5em}"
    ".explained h4{margin:0 0 .3em}.explained p{margin:0 0 .5em}"
)


def figure(explainer: Explainer, heading: str = "h2") -> str:
    """One explainer on one line: heading, what to see, its frames; of those that one steps through one is shown."""
    captions = explainer.captions or ("",) * len(explainer.frames)
    frames = "".join(
        f'<div class="frame"{" hidden" if explainer.step and number != explainer.still else ""}>'
        f"{f'<p>{escape(caption)}</p>' if caption else ''}{drawing.svg()}</div>"
        for number, (drawing, caption) in enumerate(zip(explainer.frames, captions, strict=True))
    )
    step = f' data-step="{escape(explainer.step)}"' if explainer.step else ""
    return (
        f'<section class="explained" id="{explainer.name}"{step}>'
        f"<{heading}>{escape(explainer.title)}</{heading}><p>{escape(explainer.see)}</p>{frames}</section>"
    )


def sheet() -> str:
    """The style sheet of a page with explainers."""
    return style() + LAYOUT


def still(explainers: Iterable[Explainer], heading: str = "h2") -> str:
    """Several with their style sheet, one a line: what a page shows without a script, and gives sliders with one."""
    return "\n\n".join([f"<style>{sheet()}</style>", *(figure(each, heading) for each in explainers)])


def figures(explainers: Iterable[Explainer], heading: str = "h2") -> str:
    """The same with the script that gives them sliders."""
    return f"{still(explainers, heading)}\n\n<script>{SCRIPT.strip()}</script>"
