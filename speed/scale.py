"""A study of many trials: how long until it is open, how long an ask takes, how much memory it holds.

    python speed/scale.py --trials 100000
    python speed/scale.py --trials 20000 --peer-python PATH     # beside Optuna, installed for that Python

Each measurement is a fresh process; the table gives the median of `--repeats`. Both libraries hold the same trials
(5 parameters, 1 value) in SQLite and ask with their random sampler.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BATCH = 2_000


def fill_trimtab(path: Path, count: int) -> None:
    import numpy as np

    import trimtab as tt
    from trimtab.base.events import NEXT, TrialAdded
    from trimtab.storage import open_storage

    names = "abcde"
    space = tt.Space({name: tt.Float(0.0, 1.0) for name in names})
    tt.create_study("s", f"sqlite:///{path}", space=space, tuner="random", seed=0)
    storage = open_storage(f"sqlite:///{path}")
    draws = np.random.default_rng(0).random((count, 6))
    complete, reason = tt.TrialState.COMPLETE, tt.EndReason.COMPLETED
    for start in range(0, count, BATCH):
        rows = draws[start : start + BATCH].tolist()
        storage.append(
            "s",
            [
                TrialAdded(NEXT, dict(zip(names, row, strict=False)), complete, reason, tt.Observation(row[5]))
                for row in rows
            ],
        )


def measure_trimtab(path: Path) -> dict[str, float]:
    before = time.perf_counter()
    import trimtab as tt

    imported = time.perf_counter()
    study = tt.load_study("s", f"sqlite:///{path}")
    loaded = time.perf_counter()
    asks = []
    for _ in range(20):
        start = time.perf_counter()
        study.ask()
        asks.append(time.perf_counter() - start)
    start = time.perf_counter()
    best = study.best_value
    found = time.perf_counter() - start
    assert best >= 0.0
    return figures(imported - before, loaded - imported, asks, found)


FILL_OPTUNA = """
import sys, random
import optuna
optuna.logging.set_verbosity(optuna.logging.ERROR)
path, count = sys.argv[1], int(sys.argv[2])
study = optuna.create_study(storage=f"sqlite:///{path}", study_name="s")
ranges = {name: optuna.distributions.FloatDistribution(0.0, 1.0) for name in "abcde"}
rng = random.Random(0)
def trial():
    params = {name: rng.random() for name in ranges}
    return optuna.trial.create_trial(params=params, distributions=ranges, value=rng.random())
study.add_trials([trial() for _ in range(count)])
"""

MEASURE_OPTUNA = """
import json, resource, sys, time
before = time.perf_counter()
import optuna
optuna.logging.set_verbosity(optuna.logging.ERROR)
imported = time.perf_counter()
sampler = optuna.samplers.RandomSampler(seed=0)
study = optuna.load_study(study_name="s", storage=f"sqlite:///{sys.argv[1]}", sampler=sampler)
n = len(study.get_trials(deepcopy=False))
loaded = time.perf_counter()
ranges = {name: optuna.distributions.FloatDistribution(0.0, 1.0) for name in "abcde"}
asks = []
for _ in range(20):
    start = time.perf_counter()
    study.ask(fixed_distributions=ranges)
    asks.append(time.perf_counter() - start)
start = time.perf_counter()
study.best_value
found = time.perf_counter() - start
print(json.dumps({"import": imported - before, "load": loaded - imported, "ask": sorted(asks)[10], "best": found,
                  "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def figures(imported: float, loaded: float, asks: list[float], best: float) -> dict[str, float]:
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"import": imported, "load": loaded, "ask": statistics.median(asks), "best": best, "memory": memory}


def run(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peer-python", help="a Python that has Optuna")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure_trimtab(options.measure)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trimtab.db"
        start = time.perf_counter()
        fill_trimtab(path, options.trials)
        print(
            f"wrote {options.trials} trials in {time.perf_counter() - start:.1f} s, "
            f"{path.stat().st_size / 2**20:.0f} MB"
        )
        own = medians(
            [json.loads(run([sys.executable, __file__, "--measure", str(path)])) for _ in range(options.repeats)]
        )
        columns = {"trimtab": own}
        if options.peer_python:
            other = Path(folder) / "optuna.db"
            run([options.peer_python, "-c", FILL_OPTUNA, str(other), str(options.trials)])
            runs = [
                json.loads(run([options.peer_python, "-c", MEASURE_OPTUNA, str(other)])) for _ in range(options.repeats)
            ]
            columns["optuna"] = medians(runs)
        table(columns)


def table(columns: dict[str, dict[str, float]]) -> None:
    units = {"import": "s", "load": "s", "ask": "ms", "best": "ms", "memory": "MB"}
    print(f"{'':8}" + "".join(f"{name:>14}" for name in columns) + (f"{'ratio':>10}" if len(columns) > 1 else ""))
    for name, unit in units.items():
        factor = 1000 if unit == "ms" else 1
        values = [column[name] for column in columns.values()]
        ratio = f"{values[1] / values[0]:>9.1f}x" if len(values) > 1 else ""
        print(f"{name:8}" + "".join(f"{value * factor:>11.2f} {unit:2}" for value in values) + ratio)


if __name__ == "__main__":
    main()
