"""Position codes: one vector of signs a position, any two of them far apart."""

from separatrix.constructions.codes.base import Code
from separatrix.constructions.codes.cross import Cross, largest_cross
from separatrix.constructions.codes.registry import Kind, create, width_for, widths

__all__ = ["Code", "Cross", "Kind", "create", "largest_cross", "width_for", "widths"]
