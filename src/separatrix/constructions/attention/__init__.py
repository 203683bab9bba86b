"""Transformers as weights: lookup, recall, equality, disjointness, threshold functions, nearest neighbour."""
