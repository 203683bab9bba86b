"""The page of a folder of results: what was proved, certified and observed, in one file that opens from disk."""

from separatrix.report.html.section import Figure, Section, Table
from separatrix.report.run.write import write_report

__all__ = ["Figure", "Section", "Table", "write_report"]
