"""What a page is made of: document (the file), section (its parts) and labels (numbers and names as words)."""

__all__: list[str] = []
