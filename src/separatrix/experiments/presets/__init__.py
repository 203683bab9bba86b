"""Presets: the figures to reproduce, as readable TOML files."""

from separatrix.experiments.presets.panel import FrontierPanel, Panel
from separatrix.experiments.presets.schema import Preset, load, names

__all__ = ["FrontierPanel", "Panel", "Preset", "load", "names"]
