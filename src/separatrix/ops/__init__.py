"""Numerical kernels: for each op a plain reference and a native fast path with the same signature."""

from separatrix.ops.cells import cell_scan, cell_step
from separatrix.ops.convolution import causal_convolution
from separatrix.ops.diagonal_scan import diagonal_scan
from separatrix.ops.linear_recurrence import linear_recurrence
from separatrix.ops.native import Status, backend, status, use
from separatrix.ops.selective_scan import selective_scan
from separatrix.ops.slstm import slstm_scan, slstm_step

__all__ = [
    "Status",
    "backend",
    "causal_convolution",
    "cell_scan",
    "cell_step",
    "diagonal_scan",
    "linear_recurrence",
    "selective_scan",
    "slstm_scan",
    "slstm_step",
    "status",
    "use",
]
