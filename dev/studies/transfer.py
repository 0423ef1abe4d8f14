"""What past tasks save a new one: LCBench tasks left out one at a time, with peers, and corpora that mislead.

    OMP_NUM_THREADS=1 python dev/studies/transfer.py corpus DATA --out runs           past trials of every task, first
    OMP_NUM_THREADS=1 python dev/studies/transfer.py run DATA --out runs --methods cold random warm
    OMP_NUM_THREADS=1 python dev/studies/transfer.py run DATA --out runs --methods warm --corpus shuffled
    OMP_NUM_THREADS=1 python dev/studies/transfer.py tables --out runs                Markdown

DATA is the folder of the surrogate (see `trimtab.benchmarks.problems.lcbench`); needs the package `onnxruntime`. Runs
are kept as JSON lines, one a run, in OUT/METRIC/CORPUS/METHOD.jsonl, and what is there is not done again, so the work
can be cut into pieces with --tasks (places in the list of tasks), --seeds and --methods. Peers from elsewhere need
--environments, as `trimtab bench prepare optuna syne_tune` makes them.

Each of the 17 tasks in turn is new; the corpus is the past trials of the other 16. Corpora:

| name | past trials of a task |
|---|---|
| studies | two studies of `auto` with 50 trials each, of seeds 1000 and 1001 |
| random | 300 uniform draws |
| shuffled | those of `studies`, the losses dealt out anew within each task |
| negated | those of `studies`, each loss with the other sign |
| elsewhere | 100 draws from another space: four of the parameters with other ranges, three unknown ones; another loss |

Methods: `cold` is `auto` alone; `warm` is a `WarmStart` of it as it comes, `warm-8` one with a portfolio of eight and
ranking-weighted processes alone; `enqueued` and `optuna:tpe+enqueued` are given the best past configuration of every
task to try first. The others are parts of the warm start by themselves, and Syne Tune's.

Normalised regret is (best value so far - best known) / (median of uniform draws - best known), so that half of all
draws lie above 1. The best known value is the least of the search in `Lcbench.best_known` and of all runs and corpora.
A run reaches the cold start when its best value is no higher than that of the cold start of the same task and seed
after 50 trials. The columns "mean regret" and "median regret" tell instead when that number over all runs is no higher
than the cold start's after 50; the mean is decided by the few tasks on which the cold start failed.

The guard is checked on the trials themselves: those that are not signed as warm have to be the cold start's, in order,
and the best value after n trials no higher than the cold start's after as many of its own.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
from numpy.typing import NDArray

import trimtab as tt
from trimtab.base.records import Params
from trimtab.base.seeds import Key
from trimtab.benchmarks.columns import columns_of, from_peer, to_peer
from trimtab.benchmarks.conversation import Conversation, conversation
from trimtab.benchmarks.peer import Peer
from trimtab.benchmarks.problems.lcbench import METRICS, Lcbench, lcbench_tasks
from trimtab.space import Float, Int, Space
from trimtab.tuners import make_tuner
from trimtab.tuners.tasks.transfer import (
    Corpus,
    CorpusTask,
    DefaultPortfolio,
    PrunedSpace,
    QuantilePrior,
    RankingWeighted,
    WarmStart,
)
from trimtab.tuners.tasks.transfer.guard import WARM as WARM_NAME
from trimtab.tuners.tasks.transfer.guard import most_warm

Past = dict[str, tuple[Space, list[Params], list[float]]]
"""Task -> its space, past configurations and their losses."""

BUDGET = 50
STUDY_SEEDS, DRAWS = (1000, 1001), 300
NEAR = 0.05
"""Two configurations are one where no unit coordinate differs by more, for the list that is enqueued."""

ALONE = ("cold", "random", "optuna:tpe")
"""Methods that see no corpus; their runs are kept under "none"."""

WARM: dict[str, Callable[[Corpus], Any]] = {
    "warm": lambda corpus: WarmStart(make_tuner("auto"), corpus),
    "warm-8": lambda corpus: WarmStart(make_tuner("auto"), corpus, portfolio=8, methods=("ranking-weighted",)),
    "ranking-weighted": RankingWeighted,
    "quantile-prior": QuantilePrior,
    "portfolio": lambda corpus: DefaultPortfolio(corpus, size=BUDGET),
    "pruned-space": lambda corpus: PrunedSpace(corpus, make_tuner("auto")),
}
PEERS = {
    "optuna:tpe": ("optuna", "tpe"),
    "optuna:tpe+enqueued": ("optuna", "tpe"),
    "syne_tune:zero-shot": ("syne_tune", "zero-shot"),
    "syne_tune:quantile": ("syne_tune", "quantile"),
    "syne_tune:bounding-box": ("syne_tune", "bounding-box"),
}
METHODS = ("cold", "random", *WARM, "enqueued", *PEERS)
CORPORA = ("studies", "random", "shuffled", "negated", "elsewhere")


# Past trials.


def make_corpora(asked: argparse.Namespace) -> None:
    """The past trials of every task, by studies and by draws, and then the best known values."""
    for place, task in chosen_tasks(asked):
        problem = Lcbench(asked.data, task, asked.metric)
        for kind, make in (("studies", studied), ("random", drawn)):
            path = asked.out / asked.metric / f"past-{kind}.jsonl"
            if any(line["task"] == task for line in read(path)):
                continue
            params, values = make(problem, place)
            append(path, {"task": task, "params": params, "values": values})
    for _, task in chosen_tasks(asked):
        path = asked.out / asked.metric / "best.jsonl"
        if not any(line["task"] == task for line in read(path)):
            best = Lcbench(asked.data, task, asked.metric).best_known
            append(path, {"task": task, "value": best.value, "params": dict(best.params), "median": best.median})


def studied(problem: Lcbench, place: int) -> tuple[list[Params], list[float]]:
    """The trials of studies that knew of no other task."""
    params: list[Params] = []
    values: list[float] = []
    for seed in STUDY_SEEDS:
        found = run_own(problem, "auto", seed, BUDGET)
        params += found["params"]
        values += found["values"]
    return params, values


def drawn(problem: Lcbench, place: int) -> tuple[list[Params], list[float]]:
    """Uniform draws, others for every task."""
    raw = problem.space().sample_raw(Key(place, purpose="transfer/past").generator(), DRAWS)
    return list(problem.space().decode_many(raw)), problem.values(raw).tolist()


@cache
def past_of(out: Path, metric: str, kind: str, space: Space) -> Past:
    """The past trials of every task in one of the corpora."""
    if kind == "elsewhere":
        return elsewhere(space, [line["task"] for line in read(out / metric / "past-random.jsonl")])
    stored = kind if kind in ("studies", "random") else "studies"
    found: Past = {}
    for place, line in enumerate(read(out / metric / f"past-{stored}.jsonl")):
        values = np.array(line["values"])
        if kind == "shuffled":
            values = Key(place, purpose="transfer/shuffled").generator().permutation(values)
        found[line["task"]] = (space, line["params"], (-values if kind == "negated" else values).tolist())
    return found


def elsewhere(space: Space, tasks: Sequence[str]) -> Past:
    """Tasks over a space that shares four names, whose ranges overlap in part.

    Their loss has its least value beyond where the ranges of the real space end.
    """
    shared: dict[str, Float | Int] = {}
    for name in space.names[:4]:
        own = space[name]
        assert isinstance(own, Float | Int)
        width = own.high - own.low
        low, high = own.low + 0.5 * width, own.high + 2.0 * width
        shared[name] = Int(int(low), int(high), log=own.log) if isinstance(own, Int) else Float(low, high, log=own.log)
    other = Space({**shared, **{f"other{place}": Float(0.0, 1.0) for place in range(3)}})
    found: Past = {}
    for place, task in enumerate(tasks):
        rng = Key(place, purpose="transfer/elsewhere").generator()
        raw = other.sample_raw(rng, 100)
        centre = rng.random(len(other.names)) ** 0.2
        found[task] = (other, list(other.decode_many(raw)), ((other.to_unit(raw) - centre) ** 2).sum(1).tolist())
    return found


def corpus_of(past: Past, left_out: str) -> Corpus:
    """All tasks but one."""
    tasks = [CorpusTask(task, *trials) for task, trials in past.items() if task != left_out]
    return Corpus(tasks)


# Runs.


def run_all(asked: argparse.Namespace) -> None:
    """Every run that is asked for and not there."""
    for place, task in chosen_tasks(asked):
        problem = Lcbench(asked.data, task, asked.metric)
        for method in asked.methods:
            kind = "none" if method in ALONE else asked.corpus
            path = asked.out / asked.metric / kind / f"{method.replace(':', '-')}.jsonl"
            there = {line["seed"] for line in read(path) if line["task"] == task}
            todo = [seed for seed in asked.seeds if seed not in there]
            if not todo:
                continue
            past = {} if kind == "none" else past_of(asked.out, asked.metric, kind, problem.space())
            for seed, found in runs(problem, method, past, todo, asked.environments):
                append(path, {"task": task, "seed": seed, **found})
                best = min(found["values"])
                print(f"{asked.metric} {kind} {method} task {place} seed {seed}: {best:.4f}, {found['cpu']:.1f} s")


def runs(
    problem: Lcbench, method: str, past: Past, seeds: Sequence[int], environments: Path | None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The runs of one method on one task, seed by seed."""
    if method in PEERS:
        for seed in seeds:
            yield seed, run_peer(problem, method, past, seed, environments)
        return
    tuner: Any = {"cold": "auto", "random": "random", "enqueued": "auto"}.get(method)
    if tuner is None:
        tuner = WARM[method](corpus_of(past, problem.task))
    first = bests(problem.space(), past, problem.task) if method == "enqueued" else []
    for seed in seeds:
        yield seed, run_own(problem, tuner, seed, BUDGET, first)


def run_own(problem: Lcbench, tuner: Any, seed: int, trials: int, first: Sequence[Params] = ()) -> dict[str, Any]:
    """One study of trimtab's: its trials, who proposed them, and the processor's seconds for all asks and tells."""
    study = tt.create_study(space=problem.space(), tuner=tuner, seed=seed)
    for one in first:
        study.enqueue_trial(one)
    params: list[Params] = []
    values: list[float] = []
    cpu = 0.0
    for _ in range(trials):
        began = time.process_time()
        trial = study.ask()
        cpu += time.process_time() - began
        value = value_of(problem, trial.params)
        began = time.process_time()
        study.tell(trial, value)
        cpu += time.process_time() - began
        params.append(dict(trial.params))
        values.append(value)
    tuners = [trial.tuner for trial in study.trials]
    return {"params": params, "values": values, "cpu": cpu, "tuners": tuners}


def run_peer(problem: Lcbench, method: str, past: Past, seed: int, environments: Path | None) -> dict[str, Any]:
    """One run of a library's, in its own environment."""
    space = problem.space()
    setup: dict[str, Any] = {"columns": columns_of(space), "seed": seed, "budget": BUDGET, "workers": 1}
    if method == "optuna:tpe+enqueued":
        setup["first"] = [to_peer(space, params) for params in bests(space, past, problem.task)]
    elif past:
        setup["past"] = {
            task: [[to_peer(space, one), value] for one, value in zip(params, values, strict=True)]
            for task, (_, params, values) in past.items()
            if task != problem.task
        }
    params, values = [], []
    with peer(method, environments) as talk:
        talk.request({"setup": setup})
        cpu = 0.0
        for number in range(BUDGET):
            answer = talk.request({"ask": number})
            params.append(from_peer(space, answer["params"]))
            values.append(value_of(problem, params[-1]))
            cpu += answer["cpu"] + talk.request({"tell": number, "value": values[-1]})["cpu"]
    return {"params": params, "values": values, "cpu": cpu}


@contextmanager
def peer(method: str, environments: Path | None) -> Iterator[Conversation]:
    """A library's process."""
    library, own = PEERS[method]
    if environments is None:
        sys.exit(f"{method} runs in an environment of its own; say where with --environments DIR")
    python = environments.absolute() / library / "bin" / "python"
    script = files("trimtab.benchmarks") / "peers" / "peer_loop.py"
    with conversation(Peer(method, (str(python), str(script), f"{library}_peer", own))) as talk:
        yield talk


def bests(space: Space, past: Past, left_out: str) -> list[Params]:
    """The best past configuration of every task, without those that are near one before."""
    taken: list[NDArray[np.float64]] = []
    found: list[Params] = []
    for task, (_, params, values) in past.items():
        best = params[int(np.argmin(values))]
        unit = space.to_unit(space.encode(best)[None, :])[0]
        if task != left_out and all(np.abs(unit - other).max() > NEAR for other in taken):
            taken.append(unit)
            found.append(best)
    return found


def value_of(problem: Lcbench, params: Params) -> float:
    """The loss of one configuration."""
    (value,) = problem.evaluate(params, Key(0)).values.values()
    return value


# Tables.


def tables(asked: argparse.Namespace) -> None:
    """Everything that is there, as Markdown."""
    for metric in METRICS:
        folder = asked.out / metric
        if not folder.is_dir():
            continue
        scale = scales(folder)
        alone = {method: lines(folder / "none", method, scale) for method in ALONE}
        for kind in CORPORA:
            found = {method: lines(folder / kind, method, scale) for method in METHODS if method not in ALONE}
            found = {method: runs for method, runs in found.items() if runs}
            if not found:
                continue
            print(f"\n## {metric}, corpus {kind}\n")
            compared({**alone, **found}, scale)
            if "warm" in found:
                guarded(found["warm"], alone["cold"])
            if asked.each:
                by_task({**alone, **found}, scale)


Runs = dict[tuple[str, int], dict[str, Any]]
"""(task, seed) -> the run."""

Scale = Mapping[str, tuple[float, float]]
"""Task -> best known value, median of uniform draws."""


def lines(folder: Path, method: str, scale: Scale) -> Runs:
    """The runs of one method."""
    stored = read(folder / f"{method.replace(':', '-')}.jsonl")
    return {(line["task"], line["seed"]): line for line in stored if line["task"] in scale}


def scales(folder: Path) -> dict[str, tuple[float, float]]:
    """Task -> best known value, median of uniform draws."""
    least: defaultdict[str, float] = defaultdict(lambda: math.inf)
    for path in folder.glob("**/*.jsonl"):
        for line in read(path) if path.name != "best.jsonl" else []:
            least[line["task"]] = min(least[line["task"]], *line["values"])
    return {
        line["task"]: (min(line["value"], least[line["task"]]), line["median"]) for line in read(folder / "best.jsonl")
    }


def compared(methods: Mapping[str, Runs], scale: Scale) -> None:
    """Regrets, and trials until the cold start's last value."""
    cold = methods["cold"]
    head(
        "method",
        "runs",
        *(f"regret after {n}" for n in (10, 20, 50)),
        "trials to the cold start's 50: median of runs",
        "at most 20",
        "never in 50",
        "mean regret",
        "median regret",
        "ends lower than cold",
        "ms an ask",
    )
    for method, found in methods.items():
        if not found:
            continue
        regrets = [fmean(regret(found[run], n, scale[run[0]]) for run in found) for n in (10, 20, 50)]
        both = [run for run in found if run in cold]
        needed = [trials_to(found[run]["values"], min(cold[run]["values"][:BUDGET])) for run in both]
        if not needed:
            continue
        lower = fmean(
            0.5 * ((a := min(found[run]["values"])) < (b := min(cold[run]["values"]))) + 0.5 * (a <= b) for run in both
        )
        row(
            method,
            len(found),
            *(f"{value:.3f}" for value in regrets),
            shown(median(needed)),
            f"{fmean(trials <= 20 for trials in needed):.0%}",
            f"{fmean(math.isinf(trials) for trials in needed):.0%}",
            *(
                shown(
                    trials_to([of(found, both, n, scale) for n in range(1, BUDGET + 1)], of(cold, both, BUDGET, scale))
                )
                for of in (mean_regret, median_regret)
            ),
            "" if method == "cold" else f"{lower:.0%}",
            f"{1000 * fmean(run['cpu'] for run in found.values()) / BUDGET:.0f}",
        )


def by_task(methods: Mapping[str, Runs], scale: Scale) -> None:
    """Trials until the cold start's 50 of each task: the seeds one after the other."""
    cold = methods["cold"]
    print("\nTrials to the cold start's value after 50, seed by seed.\n")
    head("task", "cold start's regret after 50", *methods)
    for task in scale:
        seeds = sorted(seed for one, seed in cold if one == task)
        cells = []
        for found in methods.values():
            there = [(task, seed) for seed in seeds if (task, seed) in found]
            cells.append(
                ", ".join(shown(trials_to(found[run]["values"], min(cold[run]["values"][:BUDGET]))) for run in there)
            )
        row(task, ", ".join(f"{regret(cold[task, seed], BUDGET, scale[task]):.3f}" for seed in seeds), *cells)


def guarded(warm: Runs, cold: Runs) -> None:
    """Whether the theorem of `trimtab.tuners.tasks.transfer.guard` held in each run, and what the corpus was given."""
    same = bounded = held = higher = 0
    given: defaultdict[int, list[int]] = defaultdict(list)
    both = [run for run in warm if run in cold]
    for run in both:
        found, alone = warm[run], cold[run]
        is_warm = [name.startswith(WARM_NAME) for name in found["tuners"]]
        own = [params for params, from_corpus in zip(found["params"], is_warm, strict=True) if not from_corpus]
        counts = np.cumsum(is_warm).tolist()
        best, reference = (np.minimum.accumulate(one["values"]) for one in (found, alone))
        numbers = range(1, len(counts) + 1)
        same += own == alone["params"][: len(own)]
        bounded += all(w <= most_warm(n) for n, w in zip(numbers, counts, strict=True))
        held += all(best[n - 1] <= reference[n - w - 1] for n, w in zip(numbers, counts, strict=True) if w < n)
        higher += best[-1] > reference[len(best) - 1]
        for n in (10, 20, 50):
            given[n].append(counts[n - 1])
    shares = "; ".join(f"{fmean(many):.1f} of {n} (at most {max(many)})" for n, many in given.items())
    print(
        f"\nGuard, {len(both)} runs: the cold trials are those of the cold start, in order, in {same}; the number of "
        f"warm trials is within its bound in {bounded}; the best value is no higher than the cold start's after as "
        f"many trials of its own in {held}. Warm trials: {shares}. After {BUDGET} trials {higher} end higher than the "
        "cold start."
    )


def mean_regret(found: Runs, both: Sequence[tuple[str, int]], trials: int, scale: Scale) -> float:
    """Over runs, after some trials."""
    return fmean(regret(found[run], trials, scale[run[0]]) for run in both)


def median_regret(found: Runs, both: Sequence[tuple[str, int]], trials: int, scale: Scale) -> float:
    """Likewise."""
    return median(regret(found[run], trials, scale[run[0]]) for run in both)


def regret(run: Mapping[str, Any], trials: int, scale: tuple[float, float]) -> float:
    """Normalised regret after some trials."""
    best, middle = scale
    return float((min(run["values"][:trials]) - best) / (middle - best))


def trials_to(values: Sequence[float], target: float) -> float:
    """The first trial, counted from 1, that is no higher; inf for none."""
    return next((float(number) for number, value in enumerate(values, start=1) if value <= target), math.inf)


def shown(trials: float) -> str:
    """A number of trials."""
    return "never" if math.isinf(trials) else f"{trials:g}"


def head(*names: str) -> None:
    """A table's head."""
    row(*names)
    row(*["---"] * len(names))


def row(*cells: object) -> None:
    """A table's row, shown at once."""
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


# Files.


def chosen_tasks(asked: argparse.Namespace) -> list[tuple[int, str]]:
    """Places and names of the tasks that are asked for."""
    listed = list(enumerate(lcbench_tasks(asked.data)))
    return listed if asked.tasks is None else [listed[place] for place in asked.tasks]


def read(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a file; a last one that was cut off is left out."""
    if not path.is_file():
        return []
    whole = path.read_text(encoding="utf-8").rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines()]


def append(path: Path, line: Mapping[str, Any]) -> None:
    """Write a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Transfer between LCBench tasks.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, do in (("corpus", make_corpora), ("run", run_all), ("tables", tables)):
        command = commands.add_parser(name)
        command.set_defaults(do=do)
        command.add_argument("--out", type=Path, required=True)
        if name == "tables":
            command.add_argument("--each", action="store_true", help="also task by task")
            continue
        command.add_argument("data", type=Path)
        command.add_argument("--metric", choices=METRICS, default=METRICS[0])
        command.add_argument("--tasks", type=int, nargs="+", help="places among the 17; all by default")
        if name == "run":
            command.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
            command.add_argument("--methods", choices=METHODS, nargs="+", default=["cold", "random", "warm"])
            command.add_argument("--corpus", choices=CORPORA, default="studies")
            command.add_argument("--environments", type=Path, help="of the peers from elsewhere")
    asked = parser.parse_args()
    asked.do(asked)
