"""Where results are kept: a folder of trials, read as a table."""
