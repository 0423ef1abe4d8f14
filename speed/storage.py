"""How fast trials are stored: trimtab's SQLite beside Optuna's SQLite and journal file, in one run.

    python speed/storage.py                          # makes an environment with Optuna, once
    python speed/storage.py --peer-python PATH       # or uses one that has it
    python speed/storage.py --peer-python none       # trimtab alone

Every system stores the same trivial objective, x squared at a random x, with one process and with
many on one file. A trial of trimtab is what its study loop writes: a claim, the proposal and the
result. Processes start first and then begin together, so that imports do not count. Then 100,000
trials are stored and loaded by a fresh process, and the price of syncing to the disk is measured.

Prints a table, or JSON lines with --json. Ratios compare with trimtab in the same run; absolute
numbers are the machine's.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

REQUIREMENTS = Path(__file__).with_name("requirements-peers.txt")
SYSTEMS = {"trimtab sqlite": "trimtab.db", "optuna sqlite": "optuna.db", "optuna journal": "optuna.log"}


def trimtab_worker(path: Path, trials: int) -> None:
    """Store trials as the study loop does."""
    from trimtab.base.events import TrialAsked, TrialTold
    from trimtab.base.outcomes import EndReason, TrialState
    from trimtab.base.records import Observation
    from trimtab.storage import open_storage

    storage = open_storage(path)
    begin = ready()
    for _ in range(trials):
        claim = storage.claim("study", f"process {os.getpid()}", 60.0)
        number, token = claim.trial.number, claim.seq
        x = random.random()
        storage.append("study", [TrialAsked(number, token, {"x": x}, seen=token, tuner="random")])
        told = TrialTold(number, token, TrialState.COMPLETE, EndReason.COMPLETED, Observation(x * x))
        storage.append("study", [told])
    finished(begin)
    storage.close()


def optuna_worker(path: Path, trials: int) -> None:
    """Run Optuna's own loop with its random sampler. Runs in the peers' environment."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.load_study(study_name="study", storage=optuna_storage(path), sampler=optuna.samplers.RandomSampler())
    begin = ready()
    study.optimize(lambda trial: trial.suggest_float("x", 0.0, 1.0) ** 2, n_trials=trials)
    finished(begin)


def optuna_storage(path: Path) -> Any:
    """Optuna's storage for a file; SQLite waits as long for a lock as trimtab does."""
    import optuna

    if path.suffix == ".log":
        return optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    return optuna.storages.RDBStorage(f"sqlite:///{path}", engine_kwargs={"connect_args": {"timeout": 60}})


def create_study(path: Path) -> None:
    """Make the study that workers share."""
    if path.name.startswith("optuna"):
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        optuna.create_study(study_name="study", storage=optuna_storage(path))
        return
    from trimtab.base.events import StudyCreated
    from trimtab.base.records import Objective
    from trimtab.storage import open_storage

    storage = open_storage(path)
    storage.append("study", [StudyCreated((Objective(),), seed=0)])
    storage.close()


def ready() -> float:
    """Tell the parent that all is loaded, and wait for its word; gives the processor time used so far."""
    print("ready", flush=True)
    sys.stdin.readline()
    return time.process_time()


def finished(begin: float) -> None:
    """Tell the parent when all trials were stored, and the processor time that they took."""
    print(time.monotonic(), time.process_time() - begin)


def time_workers(python: str, path: Path, processes: int, trials: int) -> dict[str, Any]:
    """Seconds from the common start to the last trial, processor seconds of all, trials done, processes failed."""
    subprocess.run([python, __file__, "--role", "create", str(path)], check=True)
    role = "optuna" if path.name.startswith("optuna") else "trimtab"
    command = [python, __file__, "--role", role, str(path), "--trials", str(trials)]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    for worker in workers:
        worker.stdout.readline()
    start = time.monotonic()  # one clock for all processes of a machine
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    said = [worker.communicate()[0].split() for worker in workers]
    told = [(float(end), float(used)) for end, used in (line for line in said if len(line) == 2)]
    failed = processes - len(told)
    seconds = max((end for end, _ in told), default=start) - start
    used = sum(used for _, used in told)
    return {"seconds": seconds, "used": used, "done": len(told) * trials, "failed": failed}


def measure_rates(options: argparse.Namespace, peer: str | None, folder: Path) -> Iterator[dict[str, Any]]:
    """Trials per second of every system, with one process and with many; systems take turns, medians count."""
    for processes, trials in ((1, options.trials), (options.processes, max(1, options.trials // 4))):
        found: dict[str, list[dict[str, Any]]] = {}
        for number in range(options.rounds):
            place = folder / f"{processes}-{number}"
            place.mkdir()
            for system, name in SYSTEMS.items():
                python = sys.executable if system.startswith("trimtab") else peer
                if python is not None:
                    found.setdefault(system, []).append(time_workers(python, place / name, processes, trials))
        rates = {
            system: median([one["done"] / max(one["seconds"], 1e-9) for one in runs]) for system, runs in found.items()
        }
        for system, runs in found.items():
            yield {
                "what": "trials per second",
                "system": system,
                "processes": processes,
                "trials": processes * trials,
                "value": rates[system],
                "processor ms per trial": median([one["used"] / max(one["done"], 1) * 1e3 for one in runs]),
                "trimtab is faster by": rates["trimtab sqlite"] / rates[system] if rates[system] else None,
                "failed processes": sum(one["failed"] for one in runs),
            }


def measure_syncing(folder: Path) -> Iterator[dict[str, Any]]:
    """Milliseconds of a bare sync, of a write that is synced, and of one that is not."""
    from trimtab.base.events import LeaseRenewed, StudyAttribute, StudyCreated
    from trimtab.base.records import Objective
    from trimtab.storage import open_storage

    with (folder / "sync").open("wb", buffering=0) as file:
        yield row("write and sync 4 KiB to the disk", milliseconds(lambda: (file.write(b"x" * 4096), os.fsync(file))))
    storage = open_storage(folder / "sync.db")
    storage.append("study", [StudyCreated((Objective(),), seed=0)])
    claim = storage.claim("study", "worker", 60.0)
    lasting, fleeting = StudyAttribute("a", 1), LeaseRenewed(0, claim.seq, 2e9)
    yield row("append an event that is synced", milliseconds(lambda: storage.append("study", [lasting])))
    yield row("append an event that is not synced", milliseconds(lambda: storage.append("study", [fleeting])))
    storage.close()


def row(what: str, value: float, unit: str = "ms") -> dict[str, Any]:
    """One figure of trimtab alone."""
    return {"what": f"{what}, {unit}", "system": "trimtab sqlite", "value": value}


def milliseconds(work: Any, times: int = 200) -> float:
    """Median time of a call."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return median(found) * 1e3


def measure_loading(options: argparse.Namespace, folder: Path) -> Iterator[dict[str, Any]]:
    """What a study of many stored trials costs a process that opens it."""
    from trimtab.base.events import NEXT, TrialAdded
    from trimtab.base.outcomes import EndReason, TrialState
    from trimtab.base.records import Observation
    from trimtab.storage import open_storage

    path = folder / "stored.db"
    create_study(path)
    storage = open_storage(path)
    for start in range(0, options.stored, 1000):
        numbers = range(start, min(start + 1000, options.stored))
        storage.append(
            "study",
            [
                TrialAdded(
                    NEXT,
                    {"lr": 1e-5 * (n + 1), "layers": n % 8, "width": n % 512, "act": "relu", "opt": "adam"},
                    TrialState.COMPLETE,
                    EndReason.COMPLETED,
                    Observation(n / 7),
                )
                for n in numbers
            ],
        )
    storage.close()
    yield row(f"size of {options.stored} stored trials", path.stat().st_size / 2**20, "MiB")
    out = subprocess.run([sys.executable, __file__, "--role", "load", str(path)], capture_output=True, check=True)
    for what, (value, unit) in json.loads(out.stdout).items():
        yield row(what, value, unit)


def load(path: Path) -> None:
    """Load a study and print times and memory as JSON."""
    import psutil

    from trimtab.base.history import History
    from trimtab.storage import open_storage

    process = psutil.Process()
    storage = open_storage(path)
    before = process.memory_info().rss
    start = time.perf_counter()
    snapshot = storage.snapshot("study")
    middle = time.perf_counter()
    history = History.from_snapshot(snapshot, None)
    end = time.perf_counter()
    after = process.memory_info().rss
    figures = {
        "snapshot of them": ((middle - start) * 1e3, "ms"),
        f"history of {len(history)}": ((end - middle) * 1e3, "ms"),
        "memory that this took": ((after - before) / 2**20, "MiB"),
        "memory of the whole process": (after / 2**20, "MiB"),
    }
    print(json.dumps(figures))


def peer_python(options: argparse.Namespace) -> str | None:
    """The Python that has the peers; makes an environment for them where none is given."""
    if options.peer_python == "none":
        return None
    if options.peer_python:
        return str(options.peer_python)
    folder = Path(options.cache) / "peers"
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"making an environment for the peers in {folder}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "-r", str(REQUIREMENTS)], check=True)
    return str(python)


def show(found: dict[str, Any], as_json: bool) -> None:
    """One line of the table, or one of JSON."""
    if as_json:
        print(json.dumps(found), flush=True)
        return
    where = f"{found['processes']:3d} processes" if "processes" in found else ""
    ratio = found.get("trimtab is faster by")
    note = f"{used:6.2f} ms of processor a trial" if (used := found.get("processor ms per trial")) else ""
    note += f"; trimtab is {ratio:.2f} times as fast" if ratio and found["system"] != "trimtab sqlite" else ""
    if found.get("failed processes"):
        note += f"; {found['failed processes']} processes failed"
    print(f"{found['what']:42s} {found['system']:15s} {where:14s} {found['value']:10.2f}  {note}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=100, help="of one process alone; a quarter of it each of many")
    parser.add_argument("--rounds", type=int, default=3, help="systems take turns this often")
    parser.add_argument("--processes", type=int, default=16)
    parser.add_argument("--stored", type=int, default=100_000, help="trials in the study that is loaded")
    parser.add_argument("--folder", type=Path, help="where files are written; on the disk to measure")
    parser.add_argument("--peer-python", help="a Python that has Optuna, or 'none'")
    parser.add_argument("--cache", default=Path.home() / ".cache" / "trimtab", help="where that environment is made")
    parser.add_argument("--json", action="store_true", help="JSON lines")
    parser.add_argument("--role", choices=["create", "trimtab", "optuna", "load"], help=argparse.SUPPRESS)
    parser.add_argument("path", type=Path, nargs="?", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role in ("create", "load"):
        {"create": create_study, "load": load}[options.role](options.path)
        return
    if options.role:
        {"trimtab": trimtab_worker, "optuna": optuna_worker}[options.role](options.path, options.trials)
        return
    peer = peer_python(options)
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        for found in measure_rates(options, peer, folder):
            show(found, options.json)
        for measure in (measure_syncing(folder), measure_loading(options, folder)):
            for found in measure:
                show(found, options.json)


if __name__ == "__main__":
    main()
