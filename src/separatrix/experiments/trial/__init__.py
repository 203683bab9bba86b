"""One trial.

config (what decides it), initial_weights, trainer, evaluation, checkpoint, result and the environment it ran in.
"""

__all__: list[str] = []
