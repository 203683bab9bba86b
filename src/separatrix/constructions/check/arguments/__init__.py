"""Arguments: one lemma about exact functions a file, each proving one kind of certificate from the weights."""

__all__: list[str] = []
