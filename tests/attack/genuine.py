"""Certificates that are true, of every construction at sizes from one token to a thousand: none may be refused."""

from __future__ import annotations

import time
from typing import Any

from separatrix import constructions
from separatrix.constructions import CertificateError
from separatrix.constructions.check import check
from separatrix.experiments.theorems.upper import counter

CASES: list[tuple[str, dict[str, Any]]] = [
    ("index-lookup", {"length": 1, "alphabet": 2, "code": "binary", "mixed_lengths": False}),
    ("index-lookup", {"length": 3, "alphabet": 3, "code": "binary", "mixed_lengths": False}),
    ("index-lookup", {"length": 100, "alphabet": 16, "code": "binary", "mixed_lengths": True}),
    ("index-lookup", {"length": 40, "alphabet": 5, "code": "jl", "mixed_lengths": False}),
    ("index-lookup", {"length": 40, "alphabet": 5, "code": "algebraic", "mixed_lengths": False}),
    ("index-lookup", {"length": 512, "alphabet": 4, "code": "binary", "mixed_lengths": False}),
    ("parity", {"length": 8}),
    ("modular-counter", {"length": 8, "modulus": 3}),
    ("group-word", {"length": 6, "group": "S3"}),
    ("bounded-dyck-automaton", {"length": 8, "kinds": 2, "depth": 2}),
    ("bounded-dyck-stack", {"length": 8, "kinds": 2, "depth": 3}),
    ("bounded-dyck-stack", {"length": 100, "kinds": 64, "depth": 6}),
    *(("group-word", {"length": 6, "group": "S3", "cell": cell}) for cell in ("lstm", "gru")),
    *(("bounded-dyck-automaton", {"length": 8, "kinds": 2, "depth": 3, "cell": cell}) for cell in ("lstm", "gru")),
    ("shift-register", {"length": 6, "alphabet": 4}),
    ("shift-register", {"length": 5, "alphabet": 5}),
    ("equality-interleaved", {"length": 8}),
    ("equality-interleaved", {"length": 8, "alphabet": 5}),
    ("disjointness-interleaved", {"length": 8}),
    ("equality-fingerprint", {"length": 16}),
    ("equality-fingerprint", {"length": 32, "alphabet": 3, "degree": 5}),
    ("automaton", {"length": 20, "transitions": [[0, 1], [1, 0]], "outputs": [1, 0]}),
    ("equality", {"length": 12, "layout": "concatenated"}),
    ("equality", {"length": 4, "alphabet": 3, "layout": "concatenated"}),
    ("disjointness", {"length": 12, "layout": "concatenated"}),
    ("equality", {"length": 2, "layout": "concatenated"}),
    ("equality", {"length": 1024, "layout": "concatenated"}),
    ("equality", {"length": 256, "layout": "concatenated"}),
    ("equality", {"length": 64, "alphabet": 20, "layout": "concatenated"}),
    ("equality", {"length": 12, "layout": "interleaved"}),
    ("equality", {"length": 4, "alphabet": 3, "layout": "interleaved"}),
    ("disjointness", {"length": 12, "layout": "interleaved"}),
    ("equality", {"length": 2, "layout": "interleaved"}),
    ("equality", {"length": 1024, "layout": "interleaved"}),
    ("equality", {"length": 256, "layout": "interleaved"}),
    ("equality", {"length": 64, "alphabet": 20, "layout": "interleaved"}),
    ("sparse-threshold", {"length": 9}),
    ("sparse-threshold", {"length": 15}),
    ("sparse-threshold", {"length": 200}),
    ("sparse-threshold", {"length": 6, "instance": "k-cnf", "k": 2}),
    ("sparse-threshold", {"length": 12, "instance": "k-cnf", "k": 3}),
    ("sparse-threshold", {"length": 12, "instance": "k-dnf", "k": 3}),
    ("sparse-threshold", {"length": 8, "instance": "inner-product", "threshold": 1, "combine": "count"}),
    ("sparse-threshold", {"length": 8, "instance": "inner-product", "threshold": 1}),
    ("sparse-threshold", {"length": 8, "instance": "equality"}),
    ("sparse-threshold", {"length": 8, "instance": "disjointness"}),
    ("bounded-dyck-two-layers", {"length": 2, "kinds": 1}),
    ("bounded-dyck-two-layers", {"length": 4, "kinds": 3, "depth": 1}),
    ("bounded-dyck-two-layers", {"length": 100, "kinds": 2}),
    ("bounded-dyck-two-layers", {"length": 200, "kinds": 1}),
    ("bounded-dyck-two-layers", {"length": 1024, "kinds": 9}),
    ("bounded-dyck-three-layers", {"length": 2, "kinds": 1, "depth": 2}),
    ("bounded-dyck-three-layers", {"length": 200, "kinds": 5, "depth": 7}),
    ("associative-recall", {"pairs": 3, "keys": 4, "values": 3}),
    ("associative-recall", {"pairs": 1, "keys": 2, "values": 2}),
    ("associative-recall", {"pairs": 100, "keys": 200, "values": 50}),
    ("index-lookup-linear-attention", {"length": 1, "alphabet": 2}),
    ("index-lookup-linear-attention", {"length": 200, "alphabet": 100}),
    ("associative-recall-deltanet", {"pairs": 1, "keys": 2, "values": 2}),
    ("associative-recall-deltanet", {"pairs": 100, "keys": 200, "values": 50}),
    ("associative-recall-deltanet", {"pairs": 2, "keys": 2, "values": 300}),
    *(
        ("automaton", {"length": 20, "transitions": counter(k), "outputs": list(range(k + 1)), "cell": "mamba"})
        for k in (2, 9)
    ),
    *(("flip-flop", {"length": 20, "cell": cell}) for cell in ("elman", "lstm", "gru", "mamba")),
    *(("next-bracket", {"length": 20, "kinds": 3, "depth": 3, "cell": cell}) for cell in ("elman", "lstm", "gru")),
    *(
        ("state-tracking", {"length": 20, "machine": "S3", "cell": cell})
        for cell in ("elman", "lstm", "gru", "deltaproduct")
    ),
    ("state-tracking", {"length": 20, "machine": "automaton", "table": counter(5), "cell": "mamba"}),
    ("nearest-neighbor", {"points": 4, "dimension": 2, "margin": 0.3}),
    ("nearest-neighbor", {"points": 30, "dimension": 16, "margin": 0.3}),
    ("nearest-neighbor", {"points": 300, "dimension": 16, "margin": 0.9}),
    ("nearest-neighbor", {"points": 2, "dimension": 4, "margin": 1.9}),
]
FORMATS = [
    *("real", "fp32", "bf16", "fp16", "e4m3", "e5m2"),
    *("fixed(16)", "fixed(20,10)", "fixed(8,4)", "fixed(6,0)", "fixed(5,0)", "float(5,4)"),
]


def upheld(number_format: str) -> tuple[int, float, list[str]]:
    """(certificates of a format, CPU seconds of the slowest check, those refused and why)."""
    count, slowest, denied = 0, 0.0, []
    for name, parameters in CASES:
        try:
            made = constructions.create(name, **parameters, format=number_format)
        except CertificateError:  # the format is too narrow for it
            continue
        count, started = count + 1, time.process_time()
        try:
            check(made.model, made.certificate)
        except Exception as error:
            denied.append(f"{name} {parameters} {number_format}: {error}"[:300])
        slowest = max(slowest, time.process_time() - started)
    return count, slowest, denied
