"""Figures, and the data they draw.

panel_data and series are the data; charts, scaling, codes and trace draw; theme colours; export writes PNG and SVG.
"""

__all__: list[str] = []
