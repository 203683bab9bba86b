"""One trial: a configuration, its training, and its result."""
