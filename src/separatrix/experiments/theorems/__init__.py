"""The theorems, run: what each statement says, what was computed for it, and whether it holds."""
