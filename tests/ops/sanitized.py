"""Every kernel of every instruction set, forward and backward, under the address and undefined-behaviour sanitizers.

    python tests/ops/sanitized.py    (or: make sanitize)

Builds the native module once more, under build/sanitize, and starts itself again with the sanitizers' libraries loaded
first. The first fault ends the run with a report. Skipped, with the reason, where the compiler has no sanitizers.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

ROOT = Path(__file__).parents[2]
TARGET = ROOT / "build" / "sanitize"
LIBRARIES = ("libasan.so", "libubsan.so")
SHAPES = [(2, 37, 11, 5), (1, 70, 5, 19), (2, 16, 16, 16), (1, 1, 1, 1), (2, 5, 33, 3), (2, 0, 4, 2)]


def libraries() -> list[str] | None:
    """The compiler's own sanitizer libraries, None where it has none."""
    compiler = os.environ.get("CXX", "g++")
    try:
        found = [
            subprocess.run([compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout
            for name in LIBRARIES
        ]
    except (OSError, subprocess.CalledProcessError):
        return None
    paths = [path.strip() for path in found]
    return paths if all(os.path.isabs(path) for path in paths) else None


def build() -> Path:
    """The sanitized module."""
    settings = ["cmake.define.SEPARATRIX_SANITIZE=ON", f"build-dir={TARGET}/cmake"]
    options = [f"--config-settings={setting}" for setting in settings]
    where = ["--no-deps", "--upgrade", "--target", str(TARGET / "package")]
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", *where, *options, str(ROOT)], check=True)
    return next((TARGET / "package" / "separatrix").glob("_native*.so"))


def run(module: str) -> None:
    """All ops at all shapes, types and instruction sets, with this module's kernels."""
    spec = spec_from_file_location("separatrix._native", module)
    assert spec is not None and spec.loader is not None
    sys.modules["separatrix._native"] = native = module_from_spec(spec)
    spec.loader.exec_module(native)
    sys.path.insert(0, str(ROOT / "tests"))
    import torch
    from kernel_cases import CHUNKED, OPS, READS, STATES, case, evaluate, state_case

    from separatrix import ops

    assert ops.native.native() is native
    torch.set_num_threads(1)
    count = 0
    for isa in ops.status().available:
        for op in [*OPS, *READS]:
            for shape in SHAPES:
                for dtype in (torch.float32, torch.float64):
                    function, arguments = case(op, shape, dtype)
                    with ops.use(isa):
                        evaluate(function, arguments)
                        if op in STATES:
                            evaluate(*state_case(op, shape, dtype))
                        if op in CHUNKED and op != "delta":  # and where everything is forgotten
                            decay = torch.full_like(arguments[-3], -torch.inf).requires_grad_()
                            evaluate(function, [*arguments[:-3], decay, *arguments[-2:]])
                    count += 1
    print(f"sanitize: {count} runs of {len(OPS) + len(READS)} kernels on {', '.join(ops.status().available)}: no fault")


def main() -> None:
    if len(sys.argv) > 1:
        return run(sys.argv[1])
    if (found := libraries()) is None:
        return print("sanitize: skipped: the compiler (CXX, or g++) has no libasan and libubsan")
    checks = {"ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "print_stacktrace=1", "OMP_NUM_THREADS": "1"}
    environment = {**os.environ, **checks, "LD_PRELOAD": ":".join(found)}
    sys.exit(subprocess.run([sys.executable, __file__, str(build())], env=environment, check=False).returncode)


if __name__ == "__main__":
    main()
