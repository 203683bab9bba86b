"""Growth laws: is a size that was measured at several lengths constant, logarithmic or a power of the length?"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from separatrix.errors import InputError
from separatrix.notebook import Shown

Law = Literal["constant", "logarithmic", "power", "undecided"]

DECISIVE = 6.0
"""The chosen law's BIC is lower than any other's by at least this much: strong evidence (Kass and Raftery 1995)."""

FEWEST = 4
"""With sizes at fewer lengths nothing but a constant is called decided."""

RESOLUTION = 1e-3
"""Relative errors below this are not told apart: sizes are whole numbers, found on a grid."""


@dataclass(frozen=True)
class Growth(Shown):
    """The law that describes the sizes best, or "undecided". Errors are relative: least squares on logarithms.

    exponent: of N in the power law, with its confidence interval (Student's t)
    bic:     the Bayesian information criterion of each law; lower is better

    >>> sx.bounds.growth_law([8, 16, 32, 64], [5, 5, 5, 5]).law
    'constant'
    """

    law: Law
    exponent: float
    interval: tuple[float, float]
    confidence: float
    bic: dict[str, float]


def growth_law(lengths: Sequence[int], sizes: Sequence, confidence: float = 0.95) -> Growth:
    """Choose among constant c, logarithmic a + b log2 N (b > 0) and power a N^e (e > 0) by BIC.

    Raises InputError for fewer than 3 different lengths or sizes that are not positive.

    >>> sx.bounds.growth_law([8, 16, 32, 64], [3, 4, 5, 6]).law
    'logarithmic'
    >>> law = sx.bounds.growth_law([8, 16, 32, 64], [4, 8, 16, 32])
    >>> law.law, round(law.exponent, 3)
    ('power', 1.0)
    """
    from scipy import stats  # noqa: PLC0415  # slow to import, rarely needed

    if len(lengths) != len(sizes) or len(set(lengths)) < 3:
        raise InputError(f"a growth law needs sizes at 3 different lengths at least, got {len(set(lengths))}")
    if min(sizes) <= 0 or min(lengths) < 1:
        raise InputError(f"lengths and sizes must be positive, got {list(lengths)} and {list(sizes)}")
    log_n, log_y = np.log2(np.asarray(lengths, dtype=float)), np.log(np.asarray(sizes, dtype=float))
    line = stats.linregress(log_n * math.log(2), log_y)
    margin = stats.t.ppf((1 + confidence) / 2, max(1, len(sizes) - 2)) * line.stderr
    low, high = float(line.slope - margin), float(line.slope + margin)
    residuals = {
        "constant": log_y - log_y.mean(),
        "logarithmic": _fit(log_n, log_y),
        "power": log_y - line.intercept - line.slope * log_n * math.log(2),
    }
    bic = {law: _bic(residual, 1 if law == "constant" else 2) for law, residual in residuals.items()}
    if len(set(sizes)) == 1:
        return Growth("constant", 0.0, (0.0, 0.0), confidence, bic)
    best, second = sorted(bic, key=lambda law: bic[law])[:2]
    decided = bic[second] - bic[best] >= DECISIVE and (best != "power" or low > 0) and len(set(lengths)) >= FEWEST
    law: Law = best if decided else "undecided"  # type: ignore[assignment]
    return Growth(law, float(line.slope), (low, high), confidence, {k: round(v, 3) for k, v in bic.items()})


def _fit(log_n: np.ndarray, log_y: np.ndarray) -> np.ndarray:
    """Residuals of log(a + b log2 N), b >= 0, from the straight line as a start."""
    from scipy import optimize  # noqa: PLC0415  # slow to import, rarely needed

    slope, intercept = np.polyfit(log_n, np.exp(log_y), 1)
    start = (max(1e-9, intercept + slope * log_n.min()), max(1e-9, slope))
    model: Callable[..., np.ndarray] = lambda x, least, rise: np.log(least + rise * (x - log_n.min()))  # noqa: E731
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optimize.OptimizeWarning)
        fitted, _ = optimize.curve_fit(model, log_n, log_y, p0=start, bounds=([1e-12, 0], np.inf), maxfev=20_000)
    return log_y - model(log_n, *fitted)


def _bic(residuals: np.ndarray, parameters: int) -> float:
    variance = max(float((residuals**2).mean()), RESOLUTION**2)
    return len(residuals) * math.log(variance) + (parameters + 1) * math.log(len(residuals))  # the variance is one too
