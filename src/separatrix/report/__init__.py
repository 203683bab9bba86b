"""The page of a folder of results: what was proved, certified and observed, in one file that opens from disk."""

from separatrix.report.section import Figure, Section, Table
from separatrix.report.write import write_report

__all__ = ["Figure", "Section", "Table", "write_report"]
