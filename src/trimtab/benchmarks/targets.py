"""How many trials, and how many seconds, until a value is nearly the best known.

The best known value of a problem (of each instance of it, where it has several) is the least that any run of any
length has reached. A run is there when its best value lies within a share of it: value <= best + share |best|.
Peers are compared by the median over a problem's runs; a run that is never there counts as infinitely long, so a
median may be told even where some runs did not get there.

Seconds are told twice: of waiting for the tuner (all asks and tells), and whole, with the evaluations. What a peer
takes before its first ask (imports, compilation) is told apart, since it is paid once.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import final

from trimtab.base.errors import InvalidArgument, message
from trimtab.base.records import Json
from trimtab.benchmarks.protocol import RunRecord
from trimtab.benchmarks.registry import without_instance
from trimtab.benchmarks.report import table

__all__ = ["Reached", "reached", "targets_table"]


@final
@dataclass(frozen=True, slots=True)
class Reached:
    """One peer on one problem.

    Arguments:
        problem, peer: names.
        runs, there: how many runs, and how many of them came near enough.
        trials: median until then; inf where fewer than half did.
        seconds: median of what all asks and tells until then took, wall time; inf likewise.
        whole: the same, evaluations included; nan where the files do not tell.
        setup: median of the seconds before the first ask; nan where the files do not tell.
    """

    problem: str
    peer: str
    runs: int
    there: int
    trials: float
    seconds: float
    whole: float = math.nan
    setup: float = math.nan

    def to_json(self) -> dict[str, Json]:
        """The row, with null for what is infinite or not told."""
        trials, seconds, whole, setup = (
            number if math.isfinite(number) else None for number in (self.trials, self.seconds, self.whole, self.setup)
        )
        return {
            "problem": self.problem,
            "peer": self.peer,
            "runs": self.runs,
            "there": self.there,
            "trials": trials,
            "seconds": seconds,
            "whole": whole,
            "setup": setup,
        }


def reached(records: Sequence[RunRecord], share: float) -> list[Reached]:
    """Every peer on every problem, in order of their names.

    Arguments:
        records: sequential runs, without results told beforehand; others are left out.
        share: how near is near enough, > 0, such as 0.01.

    Raises:
        InvalidArgument: the share is not above zero.
    """
    if not 0.0 < share < math.inf:
        raise InvalidArgument(message("the share of the best known value is out of range", got=share, allowed="> 0"))
    kept = [record for record in records if record.run.workers == 1 and not record.run.preload]
    least: defaultdict[str, float] = defaultdict(lambda: math.inf)
    for record in kept:
        values = [line.best for line in record.trials if line.best is not None]
        least[record.run.problem] = min([least[record.run.problem], *values])
    found: defaultdict[tuple[str, str], list[tuple[float, float, float]]] = defaultdict(list)
    setups: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for record in kept:
        best, who = least[record.run.problem], (without_instance(record.run.problem), record.run.peer)
        found[who].append(_until(record, best + share * abs(best)))
        setups[who].append(float(record.end.get("setup", math.nan)))
    return [_row(*who, runs, setups[who]) for who, runs in sorted(found.items())]


def _row(problem: str, peer: str, runs: Sequence[tuple[float, float, float]], setups: Sequence[float]) -> Reached:
    """Medians over what `_until` says of the runs."""
    trials, seconds, whole = (median(column) for column in zip(*runs, strict=True))
    there = sum(math.isfinite(count) for count, _, _ in runs)
    return Reached(problem, peer, len(runs), there, trials, seconds, whole, median(setups))


def targets_table(rows: Sequence[Reached]) -> str:
    """The rows as a table of Markdown: a line for each problem, a column for each peer, and a last line of setups."""
    peers = sorted({row.peer for row in rows})
    cells = {(row.problem, row.peer): _cell(row) for row in rows}
    problems = dict.fromkeys(row.problem for row in rows)
    lines = [[name, *(cells.get((name, peer), "") for peer in peers)] for name in problems]
    told = {peer: [row.setup for row in rows if row.peer == peer and not math.isnan(row.setup)] for peer in peers}
    setups = [f"{median(told[peer]):.2g} s" if told[peer] else "" for peer in peers]
    return table(["problem", *peers], [*lines, ["before the first ask", *setups]] if any(setups) else lines)


def _cell(row: Reached) -> str:
    """Trials, seconds of waiting and whole ones, and how many runs got there."""
    count = f"({row.there} of {row.runs})"
    if math.isinf(row.trials):
        return f"never {count}"
    whole = "" if math.isnan(row.whole) else f", {row.whole:.2g} s"
    return f"{row.trials:g}, {row.seconds:.2g} s{whole} {count}"


def _until(record: RunRecord, target: float) -> tuple[float, float, float]:
    """Trials, seconds of waiting and whole seconds until a value is at most the target."""
    seconds, evaluations = 0.0, 0.0
    for count, line in enumerate(record.trials, start=1):
        seconds, evaluations = seconds + line.ask, evaluations + line.evaluation
        if line.best is not None and line.best <= target:
            return float(count), seconds, seconds + evaluations
        seconds += line.tell
    return math.inf, math.inf, math.inf
