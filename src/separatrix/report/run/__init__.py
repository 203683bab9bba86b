"""The page of a folder of results."""
