"""How long `import trimtab` takes in a fresh interpreter, beside a peer's import where one is given.

    python speed/import_time.py [--repeats 30] [--peer-python PYTHON --peer optuna]

Each repeat starts a new interpreter for each package in turn, so that a change in the machine's load
falls on both. The time is that of the import statement alone; the first repeat, which may have to
write bytecode, is left out.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

MEASURE = (
    "import time; start = time.perf_counter(); import {0}; seconds = time.perf_counter() - start;"
    "import sys; print(seconds, len(sys.modules))"
)


def measure(python: str, package: str) -> tuple[float, int]:
    """Seconds that one import takes, and how many modules are loaded after it."""
    done = subprocess.run([python, "-c", MEASURE.format(package)], capture_output=True, text=True, check=True)
    seconds, modules = done.stdout.split()
    return float(seconds), int(modules)


def main() -> None:
    parser = argparse.ArgumentParser(description="Time of import, in fresh interpreters.")
    parser.add_argument("--repeats", type=int, default=30, help="fresh interpreters per package")
    parser.add_argument("--peer-python", help="a Python that has the peer installed")
    parser.add_argument("--peer", default="optuna", help="the peer's package name")
    options = parser.parse_args()
    contenders = {"trimtab": sys.executable}
    if options.peer_python:
        contenders[options.peer] = options.peer_python
    times: dict[str, list[float]] = {package: [] for package in contenders}
    modules = {}
    for repeat in range(options.repeats + 1):
        for package, python in contenders.items():
            seconds, modules[package] = measure(python, package)
            if repeat > 0:
                times[package].append(seconds)
    ours = statistics.median(times["trimtab"])
    print(f"{'package':10} {'median ms':>10} {'fastest ms':>11} {'slowest ms':>11} {'modules':>8} {'ratio':>6}")
    for package, seconds in times.items():
        middle = statistics.median(seconds)
        row = f"{package:10} {1e3 * middle:10.1f} {1e3 * min(seconds):11.1f} {1e3 * max(seconds):11.1f}"
        print(f"{row} {modules[package]:8} {middle / ours:6.1f}")


if __name__ == "__main__":
    main()
