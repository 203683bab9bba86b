"""The manual's drawn pages, made from the library's own objects: what the words mean, and the catalogue."""

from __future__ import annotations

from typing import Any

from mkdocs.structure.files import File, Files

from separatrix.report.explain.catalogue import catalogue
from separatrix.report.explain.gallery import gallery
from separatrix.report.explain.stepped import figures

INTRODUCTION = """# The ideas, drawn

Every number and every arrow below is computed by the library when this page is built: tasks by their generators, counts by
enumeration, weights and states by running constructed models, bits by executing the protocol. The slider steps through.

"""


def on_files(files: Files, config: Any) -> Files:
    """Add the pages."""
    files.append(File.generated(config, "explained.md", content=INTRODUCTION + figures(gallery())))
    files.append(File.generated(config, "catalogue.md", content=catalogue()))
    return files
