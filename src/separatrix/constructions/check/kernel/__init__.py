"""The trusted base of certificates."""

__all__: list[str] = []
