"""The command line: thin. Each command parses, calls the library and prints."""

__all__: list[str] = []
