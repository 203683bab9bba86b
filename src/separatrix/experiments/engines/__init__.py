"""Who runs trials: processes of this machine, or a Ray cluster.

base says what an engine is; local and ray are the two; run_trial is what each of their workers does; process is the
environment of a worker; trackers tell TensorBoard or Weights and Biases what happened.
"""

__all__: list[str] = []
