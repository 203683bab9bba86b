"""Presets: the figures to reproduce, as readable TOML files."""

from separatrix.experiments.presets.schema import Panel, Preset, load, names

__all__ = ["Panel", "Preset", "load", "names"]
