"""Theorems as weights of the library's own models, each with a certificate."""
