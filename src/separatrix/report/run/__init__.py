"""The page of a folder of results.

collect gathers what a store holds; panels, frontiers, theorems and bits_recalled are its sections; panel_figures draws
for panels; summary says it in sentences; write lays the page out.
"""

__all__: list[str] = []
