"""Explainers: what the words mean, drawn from the library's own objects, still and as frames that one steps through.

drawing is the pen; examples, attention, filling, cuts and messages draw one thing each; gallery lists them.
"""

__all__: list[str] = []
