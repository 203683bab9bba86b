"""Where results are kept: a folder of trials, read as a table."""

__all__: list[str] = []
