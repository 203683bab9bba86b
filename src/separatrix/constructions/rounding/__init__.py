"""Models evaluated with every result rounded to a number format.

transformer and recurrent do the evaluating; precision finds the formats a construction is right in.
"""

__all__: list[str] = []
