"""How a trial ended: solved, on a plateau, or cut off while it was still improving, by a test on the validation loss.

Only the first two carry a sentence about what an architecture finds by training: a trial that was cut off measures its
budget. A trial that never left chance was cut off too, since recall is learnt after a plateau at chance that may last
for any number of steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

Ending = Literal["solved", "plateau", "cut off"]

IMPROVING = 0.05
"""A trial is still improving when the second half of its steps lowered its best validation loss by more than this."""

LEFT_CHANCE = 0.9
"""A trial has left chance when its validation loss is below this share of the loss of guessing uniformly."""

RULE = (
    "Solved: the validation accuracy asked for, twice running. Cut off: the second half of the steps lowered the best "
    f"validation loss by more than {IMPROVING:.0%}, or it is still above {LEFT_CHANCE:.0%} of chance. Plateau: neither."
)
"""The test in words."""


def ending(status: str, history: Sequence[Mapping[str, float | int]], answers: int) -> Ending | None:
    """How a trial with this status and these validations ended; None for one that failed, or is not at its end.

    history: rows of `step` and `loss_bits`, in order; answers: how many the task has

    >>> ending("finished", [{"step": 50, "loss_bits": 0.5}, {"step": 100, "loss_bits": 0.3}], 2)
    'cut off'
    """
    if status == "solved":
        return "solved"
    if status not in ("finished", "plateau") or not history:
        return None
    best = min(row["loss_bits"] for row in history)
    if not left_chance(best, answers):
        return "cut off"
    if status == "plateau":  # `patience` ended it: no better for so many validations
        return "plateau"
    half = history[-1]["step"] / 2
    before = min((row["loss_bits"] for row in history if row["step"] <= half), default=math.inf)
    return "cut off" if best < (1 - IMPROVING) * before else "plateau"


def left_chance(loss_bits: float, answers: int) -> bool:
    """Whether a validation loss is that of a model that has begun to learn."""
    return loss_bits < LEFT_CHANCE * math.log2(answers)
