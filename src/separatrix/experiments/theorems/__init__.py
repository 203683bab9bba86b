"""The theorems, run: what each statement says, what was computed for it, and whether it holds."""

__all__: list[str] = []
