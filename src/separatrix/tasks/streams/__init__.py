"""Tasks with answers on the way: recall, copying, state tracking and what else is asked of every prefix."""

__all__: list[str] = []
