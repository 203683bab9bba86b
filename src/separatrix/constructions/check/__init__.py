"""Checking certificates against the weights, from scratch: never by the code that made them."""
