"""Number formats: rounding to p bits, and arithmetic with every intermediate rounded."""

from separatrix.numerics.arithmetic import Arithmetic
from separatrix.numerics.exact import Grid
from separatrix.numerics.formats import FORMATS, TORCH, FixedPoint, FloatingPoint, Format, Real, parse

__all__ = ["FORMATS", "TORCH", "Arithmetic", "FixedPoint", "FloatingPoint", "Format", "Grid", "Real", "parse"]
