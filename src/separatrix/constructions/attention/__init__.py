"""Transformers as weights.

index_lookup, associative_recall, nearest_neighbor, sparse_threshold, two_strings (equality and disjointness):
one theorem a file. What they are made of: layers, one_hot (hardmax by scaling), average, features, comparison,
any_objection and local_functions.
"""

__all__: list[str] = []
