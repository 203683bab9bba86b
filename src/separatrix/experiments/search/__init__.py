"""Many trials: sweeps, halving, frontiers, and what they cost."""
