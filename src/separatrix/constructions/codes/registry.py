"""Codes by name, and the figure of the widths they need."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal, get_args

from separatrix.constructions.codes.algebraic import DualBCH
from separatrix.constructions.codes.base import Code
from separatrix.constructions.codes.binary import Binary
from separatrix.constructions.codes.cross import largest_cross
from separatrix.constructions.codes.jl import DrawnSigns
from separatrix.errors import InputError, unknown

Kind = Literal["binary", "jl", "algebraic"]


def create(kind: Kind | str, length: int, gamma: float = 0.5, seed: int = 0) -> Code:
    """The code of a kind for so many positions.

    gamma: cross products are at most gamma k (jl and algebraic; binary codes have k - 2)
    seed:  of the draws of jl
    Raises InputError for unknown kinds and values out of range.

    >>> sx.constructions.codes.create("algebraic", length=1000, gamma=0.5).width
    32
    """
    if length < 1:
        raise InputError(f"a code needs at least 1 position, got {length}")
    if not 0 < gamma < 1:
        raise InputError(f"gamma must be between 0 and 1, got {gamma}")
    match kind:
        case "binary":
            return Binary(length)
        case "jl":
            return DrawnSigns(length, gamma, seed)
        case "algebraic":
            return DualBCH(length, gamma)
    raise unknown("code", kind, get_args(Kind))


def width_for(kind: Kind | str, length: int, gamma: float = 0.5) -> int:
    """Number of signs a code of the kind needs for so many positions.

    >>> [sx.constructions.codes.width_for(kind, 10**6) for kind in ("binary", "jl", "algebraic")]
    [20, 222, 128]
    """
    return create(kind, length, gamma).width


def widths(lengths: Iterable[int], gamma: float = 0.5, measured_to: int = 2**12) -> list[dict[str, Any]]:
    """Width against N for every kind of code, one row a kind and length.

    cross:    the guaranteed bound on cross products, over k
    measured: the largest there is, over k: all pairs up to N = `measured_to`, at any N where the code is linear (for
              an N between powers of 2, of the next power); None where it was not measured

    >>> for row in sx.constructions.codes.widths([64]):
    ...     print(row["code"], row["width"])
    ...
    binary 6
    jl 67
    algebraic 16
    """
    rows = []
    for length in lengths:
        for kind in get_args(Kind):
            code = create(kind, length, gamma)
            rows.append(
                {
                    "code": kind,
                    "length": length,
                    "width": code.width,
                    "log2": math.log2(length),
                    "cross": code.cross / code.width if code.width else None,
                    "measured": _measured(code, measured_to),
                }
            )
    return rows


def _measured(code: Code, measured_to: int) -> float | None:
    if isinstance(code, DualBCH):
        return code.largest() / code.width
    return largest_cross(code.signs()).value / code.width if 1 < code.length <= measured_to else None
