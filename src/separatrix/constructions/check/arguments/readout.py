"""The lemma of what follows a matrix memory: a scale, a norm, a gate and two maps, for every row that may be read."""

from __future__ import annotations

import numpy as np

from separatrix.constructions.certificate import CertificateError
from separatrix.constructions.check.arguments.exactness import vanishes
from separatrix.numerics import FloatingPoint, Format

MIXER = "blocks.0.mixer"
FINITE = 2.0**30
"""Numbers that are multiplied by 0, and those that are squared, stay below this."""
EPSILON = 1e-5
"""What the heads' norm adds to the mean square (`models.heads`)."""


def accurate(number_format: Format) -> FloatingPoint:
    """The format; CertificateError unless its gates are 0 or 1 and its norms accurate, as fp32's are."""
    if not isinstance(number_format, FloatingPoint) or number_format.unit > 2.0**-20:
        raise CertificateError(
            f"gates are 0 or 1, and norms accurate, in fp32: in {number_format} a memory is not certified"
        )
    return number_format


def silu(number_format: Format, x: np.ndarray) -> np.ndarray:
    """SiLU of sums so far from 0 that it is 0 or the sum itself in the format; CertificateError of others."""
    size = float(np.abs(x[x != 0]).min(initial=np.inf))
    if size < np.inf and not vanishes(number_format, size - np.log(size)):
        raise CertificateError(f"the SiLU of {size:g} is neither 0 nor {size:g} in {number_format}")
    return np.maximum(x, 0)


def logits(
    weights: dict[str, np.ndarray],
    number_format: FloatingPoint,
    rows: np.ndarray,
    keys: int,
    gate: np.ndarray | float = 1.0,
) -> tuple[np.ndarray, float]:
    """Logits [R, answers] of rows [R, D] that are read, and what rounding may do to one.

    A coordinate read is off by a factor (1 + u)^(D + 20): two results for the scale, one product, D + 2 for the mean
    square, half as much for its root, eight for the root and the quotient, three products. Each map of m terms adds m +
    1. So for the sizes of all terms, (1 + u)^(3 D + 36) - 1 is an upper bound, for any order of the sums.
    """
    width = rows.shape[1]
    scaled = rows * keys**-0.5
    normed = scaled / np.sqrt((scaled**2).mean(axis=1, keepdims=True) + EPSILON) * weights[f"{MIXER}.norm"] * gate
    out, head, bias = weights[f"{MIXER}.out.weight"], weights["head.weight"], weights["head.bias"]
    told, sizes = normed @ out.T @ head.T + bias, np.abs(normed) @ np.abs(out).T @ np.abs(head).T + np.abs(bias)
    largest = max(float(sizes.max()), float(np.abs(normed).max()), float((np.abs(normed) @ np.abs(out).T).max()))
    if not largest <= FINITE:
        raise CertificateError(f"logits go up to {largest:g}: expected {FINITE:g} at most")
    error = largest * ((1 + number_format.unit) ** (3 * width + 36) - 1) * 1.01 + 2.0**-80
    return told, error


def margin(
    weights: dict[str, np.ndarray],
    number_format: FloatingPoint,
    rows: np.ndarray,
    keys: int,
    gate: np.ndarray | float = 1.0,
) -> float:
    """The least difference of logits, less twice what rounding may do to one. Row i of [R, D] must be answered i."""
    told, error = logits(weights, number_format, rows, keys, gate)
    right = np.diag(told).copy()
    np.fill_diagonal(told, -np.inf)
    least = float((right - told.max(axis=1)).min()) - 2 * error
    if not least > 0:
        raise CertificateError(f"the least difference of logits is {least:g}: some values are taken for others")
    return least


def power_of_two(x: float) -> bool:
    """Whether a number is one."""
    return bool(np.frexp(x)[0] == 0.5)


def units(rows: np.ndarray) -> bool:
    """Whether these are different unit vectors times one number."""
    used = rows != 0
    return bool((used.sum(axis=1) == 1).all() and (used.sum(axis=0) <= 1).all() and (rows[used] == rows.max()).all())
