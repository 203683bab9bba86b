"""Lines that, when wrong, bend what is reported without breaking anything: each is broken, and a test has to notice.

    python tests/mutation/wrong_lines.py

A copy of the tree is broken, one line at a time (`lines.py`). Prints a table in Markdown, what was broken and which
tests failed, and exits with 1 when some line was missed.
"""

from __future__ import annotations

import re
import subprocess
import sys

from lines import SOURCE, WRONG_LINES, WrongLine
from tree import BUILD, copy_tree, environment

LINES = BUILD / "lines"
"""The copy that is broken."""


def caught(line: WrongLine) -> list[str]:
    """Break the line in the copy, run its tests, and mend it: the names of those that failed."""
    path = LINES / SOURCE / line.file
    whole = path.read_text(encoding="utf-8")
    if whole.count(line.right) != 1:
        raise SystemExit(f"{line.file} has not one line with {line.right!r}: say which is meant")
    path.write_text(whole.replace(line.right, line.wrong), encoding="utf-8")
    try:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=no", *line.tests.split()]
        done = subprocess.run(command, cwd=LINES, env=environment(LINES), capture_output=True, text=True, check=False)
    finally:
        path.write_text(whole, encoding="utf-8")
    if done.returncode > 1:
        raise SystemExit(f"{line.what}: the tests did not run\n{done.stdout[-2000:]}")
    return list(dict.fromkeys(re.findall(r"^FAILED \S+::(\w+)", done.stdout, re.MULTILINE)))


def main() -> None:
    """Break every line, and say which tests noticed."""
    copy_tree(LINES)
    missed = 0
    print("| What was broken | File | Tests that failed |\n|---|---|---|")
    for line in WRONG_LINES:
        failed = caught(line)
        missed += not failed
        print(f"| {line.what} | `{line.file}` | {', '.join(f'`{name}`' for name in failed) or 'none'} |", flush=True)
    print(f"\n{len(WRONG_LINES) - missed} of {len(WRONG_LINES)} wrong lines were noticed.")
    raise SystemExit(min(1, missed))


if __name__ == "__main__":
    main()
