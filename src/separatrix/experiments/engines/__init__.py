"""Who runs trials: processes of this machine, or a Ray cluster."""
