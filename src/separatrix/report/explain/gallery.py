"""All explainers: a title, what to see, and the frames, the last or telling one of which stands for them when still."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from separatrix.report.explain.attention import lookup_frames
from separatrix.report.explain.cuts import half_frames, prefix_frames
from separatrix.report.explain.drawing import Drawing
from separatrix.report.explain.examples import example
from separatrix.report.explain.filling import register_frames
from separatrix.report.explain.messages import protocol_frames
from separatrix.tasks import create

FIGURE_1 = (
    ("index lookup: the token at the position asked for", ("index-lookup", {"length": 8, "alphabet": 8})),
    ("bounded Dyck: are the brackets balanced, never too deep?", ("bounded-dyck", {"length": 8})),
    ("equality: are the two strings the same?", ("equality", {"length": 8})),
    ("nearest neighbour: the label of the nearest point",
     ("nearest-neighbor", {"length": 10, "points": 5, "dimension": 4})),
)  # fmt: skip
"""The tasks of the paper's first figure."""


@dataclass(frozen=True)
class Explainer:
    """One thing explained.

    step:     what one steps through; empty where all frames are shown at once
    still:    the frame that is shown where nothing moves
    captions: a line over each frame, where they need one
    """

    name: str
    title: str
    see: str
    step: str
    frames: tuple[Drawing, ...]
    still: int = 0
    captions: tuple[str, ...] = ()


@cache
def gallery() -> tuple[Explainer, ...]:
    """Every explainer, computed once a process."""
    tasks = tuple(example(create(name, **fields)) for _, (name, fields) in FIGURE_1)
    return (
        Explainer(
            "tasks", "The tasks",
            "An example of each task of the paper's first figure, drawn by its generator, with the oracle's answer.",
            "", tasks, captions=tuple(caption for caption, _ in FIGURE_1),
        ),
        Explainer(
            "cut-recurrent", "The recurrent cut",
            "Whoever has read the beginning must be able to say enough about it for every ending. Counted, for "
            "equality of two strings: half of the input has to be remembered in the middle.",
            "tokens read", tuple(prefix_frames()), 3,
        ),
        Explainer(
            "cut-attention", "The attention cut",
            "One layer of attention adds up what each place says, so any set of places may be held. The same task: the "
            "count depends on who holds what.",
            "who holds what", tuple(half_frames()),
        ),
        Explainer(
            "filling", "A state filling up",
            "The shift register, whose certificate says that it looks up any token: one unit for each bit of the "
            "context. Nothing smaller can.",
            "tokens read", tuple(register_frames()), 3,
        ),
        Explainer(
            "attention", "Where attention looks",
            "The constructed lookup on an input: all weight is on the position asked for.",
            "position asked for", tuple(lookup_frames()), 2,
        ),
        Explainer(
            "messages", "The protocol",
            "What the two parties send so that the model's own answer follows, bit for bit. A recurrent model sends "
            "its state; attention sends a few sums.",
            "conversation", tuple(protocol_frames()), 1,
        ),
    )  # fmt: skip
