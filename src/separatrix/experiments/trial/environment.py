"""What a trial ran on: versions, threads, device, kernels."""

from __future__ import annotations

import os
import platform
import sys
from typing import Any

import torch

from separatrix import __version__, ops


def environment(device: torch.device | str = "cpu") -> dict[str, Any]:
    """Versions, processor, threads, device and kernels, as JSON values."""
    device = torch.device(device)
    return {
        "separatrix": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "kernels": ops.backend(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
    }
