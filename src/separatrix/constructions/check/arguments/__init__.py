"""Arguments: one lemma about exact functions a file, each proving one kind of certificate from the weights."""
