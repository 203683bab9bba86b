"""The page of a map: the table, and under it the evidence of every cell."""

__all__: list[str] = []
