"""Chi-square tests at one in a million, for what is drawn by a fixed seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping

from scipy import stats


def uniform(drawn: Iterable[Hashable], outcomes: int) -> bool:
    """Whether these may be uniform draws from so many outcomes."""
    counts = Counter(drawn)
    observed = list(counts.values()) + [0] * (outcomes - len(counts))
    return len(counts) <= outcomes and (outcomes == 1 or stats.chisquare(observed).pvalue > 1e-6)


def distributed(drawn: Iterable[Hashable], expected: Mapping[Hashable, float]) -> bool:
    """Whether these may be draws of outcomes with the chances expected."""
    counts = Counter(drawn)
    total = counts.total()
    observed = [counts[outcome] for outcome in expected]
    return set(counts) <= set(expected) and (
        stats.chisquare(observed, [total * chance for chance in expected.values()]).pvalue > 1e-6
    )


def alike(observed: list[list[int]]) -> bool:
    """Whether these rows of counts may be draws from one distribution."""
    return stats.chi2_contingency(observed).pvalue > 1e-6
