"""Which seeds are reported, and which only choose learning rates."""

from __future__ import annotations

TUNING_SEEDS = 10**12
"""Tuning seeds are this one and those after it; every seed below may be reported. So no seed is ever both."""


def is_tuning(seed: int) -> bool:
    """Whether trials of this seed chose a rate, and are no results."""
    return seed >= TUNING_SEEDS
