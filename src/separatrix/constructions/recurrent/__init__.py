"""Recurrent networks as weights.

automaton, stack, shift_register, interleaved, fingerprint: one theorem a file. What they are made of: network (the
Elman network itself), moore_machine, violation_flag, gf2, and finite, which certifies small ones by their product.
failing holds networks that must not be certified.
"""

__all__: list[str] = []
