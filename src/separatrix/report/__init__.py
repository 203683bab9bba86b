"""Figures and the page."""

from __future__ import annotations

from separatrix.experiments.store import Store


def write_report(store: Store) -> str:
    return "later"
