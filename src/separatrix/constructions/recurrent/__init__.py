"""Recurrent networks as weights: automata, stacks, registers and fingerprints."""
