"""What trained models hold.

capacity (bits recalled), rate_accuracy (of states sent in fewer bits), recall (both, for the trials of a store) and
attention_overlap (learned attention beside a construction's).
"""

__all__: list[str] = []
