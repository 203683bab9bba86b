"""Number formats: which real numbers a format holds, and rounding to the nearest of them (ties to even)."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from separatrix.errors import InputError, unknown


class Format(ABC):
    """A finite set of reals with rounding to nearest, ties to even. Values are carried in float64.

    Every format here has at most 25 significant bits, so float64 holds each of its values, each product of two of
    them, and each sum and quotient closely enough that rounding once more gives the correctly rounded result
    (Figueroa 1995: 53 >= 2 * 25 + 2).

    >>> bf16 = sx.numerics.parse("bf16")
    >>> bf16.bits, bf16.round(torch.tensor([1.001, 1.01], dtype=torch.float64)).tolist()
    (16, [1.0, 1.0078125])
    """

    name: str

    @property
    @abstractmethod
    def bits(self) -> int:
        """Bits one number takes."""

    @property
    @abstractmethod
    def largest(self) -> float:
        """The largest finite value."""

    @property
    @abstractmethod
    def smallest(self) -> float:
        """The smallest positive value."""

    @abstractmethod
    def round(self, x: Float[Tensor, "*B"]) -> Float[Tensor, "*B"]:
        """The nearest values of the format, elementwise, in float64. NaN stays NaN."""

    @abstractmethod
    def round_number(self, x: float) -> float:
        """`round` of one number, without tensors."""

    @abstractmethod
    def exact_up_to(self, unit: float) -> float:
        """The largest bound up to which every multiple of `unit`, a power of two, is a value; 0 when `unit` is none."""

    def vanishes(self, gap: float) -> bool:
        """Whether exp(-gap) rounds to 0, even if the exponential is 1% too large."""
        return gap > 0 and self.round_number(1.01 * math.exp(-gap)) == 0

    def holds(self, x: Float[Tensor, "*B"]) -> bool:
        """Whether all of these are values of the format."""
        wide = x.double()
        return bool((self.round(wide) == wide).all())

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Real(Format):
    """No rounding: statements about real arithmetic. Evaluated in float64, which is not quite that.

    >>> sx.numerics.Real().round(torch.tensor([0.1], dtype=torch.float64)).item()
    0.1
    """

    name: str = "real"

    @property
    def bits(self) -> int:
        raise InputError("real numbers have no number of bits: choose a format such as bf16 or fixed(16)")

    @property
    def largest(self) -> float:
        return math.inf

    @property
    def smallest(self) -> float:
        return 0.0

    def round(self, x: Float[Tensor, "*B"]) -> Float[Tensor, "*B"]:
        return x.double()

    def round_number(self, x: float) -> float:
        return x

    def exact_up_to(self, unit: float) -> float:
        return math.inf

    def vanishes(self, gap: float) -> bool:
        return gap == math.inf


@dataclass(frozen=True)
class FloatingPoint(Format):
    """Binary floating point with subnormals, as IEEE 754.

    exponent, mantissa: stored bits; one more bit is the sign
    finite:             no infinities, as e4m3 of the Open Compute Project: only the all-ones pattern is NaN
    Overflow, |x| rounded without a bound exceeding `largest`, gives infinity; in `finite` formats NaN, the rule of
    ml_dtypes (PyTorch 2.13 saturates there; nothing certified ever overflows).

    >>> e4m3 = sx.numerics.FloatingPoint(exponent=4, mantissa=3, finite=True)
    >>> e4m3.largest, e4m3.round(torch.tensor([0.3], dtype=torch.float64)).item()
    (448.0, 0.3125)
    """

    exponent: int
    mantissa: int
    finite: bool = False
    name: str = ""

    def __post_init__(self) -> None:
        if not 2 <= self.exponent <= 8 or not 1 <= self.mantissa <= 24:
            raise InputError(
                f"float(exponent, mantissa) needs 2 to 8 exponent and 1 to 24 mantissa bits, got {self.exponent} and "
                f"{self.mantissa}"
            )
        if not self.name:
            object.__setattr__(self, "name", f"float({self.exponent},{self.mantissa})")

    @property
    def bits(self) -> int:
        return 1 + self.exponent + self.mantissa

    @property
    def unit(self) -> float:
        """The unit roundoff: half the gap between 1 and the next value."""
        return 2.0 ** -(self.mantissa + 1)

    @property
    def lowest(self) -> int:
        """Exponent of the smallest normal number."""
        return 2 - 2 ** (self.exponent - 1)

    @property
    def largest(self) -> float:
        bias = 2 ** (self.exponent - 1) - 1
        if self.finite:
            return (2 - 2 * 2.0**-self.mantissa) * 2.0 ** (bias + 1)
        return (2 - 2.0**-self.mantissa) * 2.0**bias

    @property
    def smallest(self) -> float:
        return 2.0 ** (self.lowest - self.mantissa)

    def round(self, x: Float[Tensor, "*B"]) -> Float[Tensor, "*B"]:
        wide = x.detach().double()
        found = self._nearest(wide.numpy()) if wide.device.type == "cpu" else None
        return self.round_plainly(wide) if found is None else torch.from_numpy(found)

    def _nearest(self, x: np.ndarray) -> np.ndarray | None:
        """`round_plainly` by one sum with a number whose last bit is the result's; None where anything overflows."""
        with np.errstate(all="ignore"):
            power = (x.view(np.int64) & 0x7FF0000000000000).view(np.float64)  # of two, and at most |x|
            coarse = np.maximum(power, 2.0**self.lowest) * (1.5 * 2.0 ** (52 - self.mantissa))
            y = np.asarray(np.copysign((x + coarse) - coarse, x))
            return y if np.abs(y).max(initial=0) <= self.largest else None

    def round_plainly(self, x: Float[Tensor, "*B"]) -> Float[Tensor, "*B"]:
        """`round` bit by bit, on any device, whatever x: the reference of the fast way."""
        exponent = torch.frexp(x).exponent.clamp(min=self.lowest + 1) - (self.mantissa + 1)  # of the last bit
        y = torch.ldexp(torch.round(torch.ldexp(x, -exponent)), exponent)
        over = torch.full_like(y, math.nan) if self.finite else torch.copysign(torch.full_like(y, math.inf), y)
        return torch.where(y.abs() > self.largest, over, torch.where(x.isfinite(), y, x if not self.finite else over))

    def round_number(self, x: float) -> float:
        if abs(x) <= 2 * self.largest:
            last = max(math.frexp(x)[1], self.lowest + 1) - (self.mantissa + 1)
            x = math.copysign(math.ldexp(round(math.ldexp(x, -last)), last), x)
        if abs(x) > self.largest:
            return math.nan if self.finite else math.copysign(math.inf, x)
        return x

    def exact_up_to(self, unit: float) -> float:
        return min(unit * 2 ** (self.mantissa + 1), self.largest) if self.smallest <= unit <= self.largest else 0.0


@dataclass(frozen=True)
class FixedPoint(Format):
    """Fixed point: two's complement numbers of p bits, `fraction` of them behind the point. Overflow saturates.

    >>> sx.numerics.FixedPoint(p=8, fraction=4).round(torch.tensor([0.3, 100.0])).tolist()  # overflow saturates
    [0.3125, 7.9375]
    """

    p: int
    fraction: int
    name: str = ""

    def __post_init__(self) -> None:
        if not 2 <= self.p <= 25 or not 0 <= self.fraction < self.p:
            raise InputError(
                f"fixed(p, fraction) needs p in 2 … 25 and fraction in 0 … p - 1, got {self.p} and {self.fraction}"
            )
        if not self.name:
            object.__setattr__(self, "name", f"fixed({self.p},{self.fraction})")

    @property
    def bits(self) -> int:
        return self.p

    @property
    def largest(self) -> float:
        return (2 ** (self.p - 1) - 1) * self.smallest

    @property
    def smallest(self) -> float:
        return 2.0**-self.fraction

    def round(self, x: Float[Tensor, "*B"]) -> Float[Tensor, "*B"]:
        whole = torch.round(x.double() / self.smallest)  # by a power of two: exact
        return whole.clamp(-(2 ** (self.p - 1)), 2 ** (self.p - 1) - 1) * self.smallest

    def round_number(self, x: float) -> float:
        if math.isnan(x):
            return x
        low, high = -self.largest - self.smallest, self.largest
        return low if x <= low else high if x >= high else round(x / self.smallest) * self.smallest

    def exact_up_to(self, unit: float) -> float:
        return self.largest if self.smallest <= unit <= self.largest else 0.0


FORMATS: dict[str, Format] = {
    "real": Real(),
    "fp32": FloatingPoint(8, 23, name="fp32"),
    "bf16": FloatingPoint(8, 7, name="bf16"),
    "fp16": FloatingPoint(5, 10, name="fp16"),
    "e4m3": FloatingPoint(4, 3, finite=True, name="e4m3"),
    "e5m2": FloatingPoint(5, 2, name="e5m2"),
}
"""The formats with names of their own. e4m3 and e5m2 are the two kinds of fp8."""

TORCH: dict[str, torch.dtype] = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
    "e4m3": torch.float8_e4m3fn,
    "e5m2": torch.float8_e5m2,
}
"""PyTorch's types of the same numbers."""


def parse(name: str | Format) -> Format:
    """A format by name: fp32, bf16, fp16, e4m3, e5m2, real, fixed(p), fixed(p,fraction) or float(exponent,mantissa).

    fixed(p) has p // 2 bits behind the point. Raises InputError naming the nearest valid name.

    >>> sx.numerics.parse("fixed(8)").bits, sx.numerics.parse("float(5,2)").bits
    (8, 8)
    """
    if isinstance(name, Format):
        return name
    if name in FORMATS:
        return FORMATS[name]
    if found := re.fullmatch(r"fixed\((\d+)(?:,\s*(\d+))?\)", name):
        p = int(found[1])
        return FixedPoint(p, p // 2 if found[2] is None else int(found[2]))
    if found := re.fullmatch(r"float\((\d+),\s*(\d+)\)", name):
        return FloatingPoint(int(found[1]), int(found[2]))
    raise unknown(
        "number format", name.removeprefix("fp8").lstrip("-_ ") or name, [*FORMATS, "fixed(16)", "float(8,7)"]
    )
