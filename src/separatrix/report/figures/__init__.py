"""Figures, and the data they draw."""
