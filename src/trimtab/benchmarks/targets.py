"""How many trials, and how many seconds of waiting for the tuner, until a value is nearly the best known.

The best known value of a problem is the least that any run of any length has reached. A run is there when its best
value lies within a share of it: value <= best + share |best|. Peers are compared by the median over seeds; a run that
is never there counts as infinitely long, so a median may be told even where some runs did not get there.
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
    """

    problem: str
    peer: str
    runs: int
    there: int
    trials: float
    seconds: float

    def to_json(self) -> dict[str, Json]:
        """The row, with null for what is infinite."""
        trials, seconds = (None if math.isinf(number) else number for number in (self.trials, self.seconds))
        return {
            "problem": self.problem,
            "peer": self.peer,
            "runs": self.runs,
            "there": self.there,
            "trials": trials,
            "seconds": seconds,
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
    found: defaultdict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for record in kept:
        best = least[record.run.problem]
        found[record.run.problem, record.run.peer].append(_until(record, best + share * abs(best)))
    return [
        Reached(
            problem,
            peer,
            len(runs),
            sum(math.isfinite(trials) for trials, _ in runs),
            median(trials for trials, _ in runs),
            median(seconds for _, seconds in runs),
        )
        for (problem, peer), runs in sorted(found.items())
    ]


def targets_table(rows: Sequence[Reached]) -> str:
    """The rows as a table of Markdown: a line for each problem, a column for each peer."""
    peers = sorted({row.peer for row in rows})
    cells = {(row.problem, row.peer): _cell(row) for row in rows}
    problems = dict.fromkeys(row.problem for row in rows)
    return table(["problem", *peers], [[name, *(cells.get((name, peer), "") for peer in peers)] for name in problems])


def _cell(row: Reached) -> str:
    """Trials, seconds, and how many runs got there."""
    count = f"{row.there} of {row.runs}"
    return f"never ({count})" if math.isinf(row.trials) else f"{row.trials:g}, {row.seconds:.2g} s ({count})"


def _until(record: RunRecord, target: float) -> tuple[float, float]:
    """Trials and seconds until a value is at most the target."""
    seconds = 0.0
    for count, line in enumerate(record.trials, start=1):
        seconds += line.ask
        if line.best is not None and line.best <= target:
            return float(count), seconds
        seconds += line.tell
    return math.inf, math.inf
