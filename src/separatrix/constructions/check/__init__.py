"""Checking certificates against the weights, from scratch: never by the code that made them."""

from separatrix.constructions.check.kernel.frame import Verdict, check, check_file

__all__ = ["Verdict", "check", "check_file"]
