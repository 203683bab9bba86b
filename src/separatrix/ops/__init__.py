"""Numerical kernels: for each op a plain reference and a fast path with the same signature."""
