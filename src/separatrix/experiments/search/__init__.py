"""Many trials.

sweep (grids and lists), halving (the worse of competing trials end early), frontier (the smallest width that learns)
with frontier_bounds (what is proved beside it), and cost (what all that will take).
"""

__all__: list[str] = []
