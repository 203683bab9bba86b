"""The command line: thin. Each command parses, calls the library and prints."""
