"""The problems by name, the named sets of them, and the wrappers that a name may carry.

A name is a problem, followed by any number of wrappers: `bbob-f5-d3+noisy:0.1+delayed:0.5`. A run is
described by names alone, so that it can be done in any process and done again later.

A BBOB function has instances, each with an optimum and a rotation of its own. A repetition plays one of them, as in
the COCO platform (N. Hansen, A. Auger, R. Ros, O. Mersmann, T. Tusar and D. Brockhoff, "COCO: a platform for
comparing continuous optimizers in a black-box setting", Optimization Methods and Software 36, 2021,
arXiv:1603.08785): seeds alone repeat nothing for a peer that draws no random numbers. So a name without an instance
means instance s + 1 for seed s.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from trimtab.base.errors import InvalidArgument, UnknownName, message
from trimtab.benchmarks.problem import Problem
from trimtab.benchmarks.problems.bbob import Bbob
from trimtab.benchmarks.problems.lcbench import METRICS, Lcbench, lcbench_tasks
from trimtab.benchmarks.problems.olympus import Olympus, olympus_tables
from trimtab.benchmarks.problems.penalties import PENALTIES, Penalties
from trimtab.benchmarks.problems.tables import Table
from trimtab.benchmarks.problems.training import TRAININGS, Training
from trimtab.benchmarks.wrappers import CategoricalCopies, Delayed, Noisy, Shifted

__all__ = ["SETS", "make_problem", "played", "problem_names", "quiet_name", "set_of", "without_instance"]

SETS = ("bbob", "tables", "training", "penalties", "lcbench")
"""The sets that are reported, one apart from the other. The last one is empty without the folder of its surrogate."""

FUNCTIONS = (2, 5, 7, 9, 11, 13, 14, 16, 18, 19, 22, 23)
DIMENSIONS = (3, 6, 12)
TABLES = (
    "australian",
    "blood_transfusion",
    "credit_g",
    "segment",
    "parkinsons_telemonitoring",
    "slice_localization",
    "cifar100",
)

_BBOB = re.compile(r"bbob-f(\d+)-d(\d+)(?:-i(\d+))?")
_WRAPPERS: dict[str, Callable[[Problem, float], Problem]] = {
    "noisy": Noisy,
    "shifted": lambda problem, seed: Shifted(problem, int(seed)),
    "categorical": lambda problem, levels: CategoricalCopies(problem, int(levels)),
    "delayed": Delayed,
}


def problem_names(chosen: str, olympus: Path | None = None, lcbench: Path | None = None) -> list[str]:
    """The names of the problems in a set.

    Arguments:
        chosen: one of `SETS`.
        olympus: a folder of Olympus tables, which then join the set "tables".
        lcbench: the folder of LCBench's surrogate; the set "lcbench" is then its tasks for developing on.

    Raises:
        UnknownName: there is no such set, or the folder does not hold the surrogate.
    """
    if chosen == "bbob":
        return [f"bbob-f{function}-d{dimension}" for dimension in DIMENSIONS for function in FUNCTIONS]
    if chosen == "tables":
        more = [] if olympus is None else [f"olympus-{table}" for table in olympus_tables(olympus)]
        return [f"table-{table}" for table in TABLES] + more
    if chosen == "training":
        return [f"training-{training}" for training in TRAININGS]
    if chosen == "penalties":
        return [f"penalties-{which}" for which in PENALTIES]
    if chosen == "lcbench":
        return [] if lcbench is None else [f"lcbench-{task}" for task in lcbench_tasks(lcbench)]
    raise UnknownName(message("there is no set of problems of this name", got=chosen, allowed=", ".join(SETS)))


def set_of(name: str) -> str:
    """The set that a problem's name belongs to, whatever its wrappers.

    >>> set_of("bbob-f5-d3"), set_of("olympus-snar+noisy:0.1"), set_of("training-svm")
    ('bbob', 'tables', 'training')
    """
    family = name.partition("-")[0]
    return {"bbob": "bbob", "table": "tables", "olympus": "tables", "training": "training"}.get(family, family)


def quiet_name(name: str) -> str:
    """The name of the same problem without its noise.

    >>> quiet_name("bbob-f5-d3+noisy:0.1+delayed:0.5")
    'bbob-f5-d3+delayed:0.5'
    """
    return "+".join(part for part in name.split("+") if not part.startswith("noisy:"))


def played(problem: str, seed: int) -> str:
    """The name of what a run plays: of a BBOB function without an instance, instance `seed` + 1.

    >>> played("bbob-f2-d3+noisy:0.1", 0), played("bbob-f2-d3+noisy:0.1", 2)
    ('bbob-f2-d3+noisy:0.1', 'bbob-f2-d3-i3+noisy:0.1')
    >>> played("bbob-f2-d3-i7", 2), played("table-segment", 2)
    ('bbob-f2-d3-i7', 'table-segment')
    """
    plain, plus, wrappers = problem.partition("+")
    found = _BBOB.fullmatch(plain)
    if found is None or found[3] or seed == 0:
        return problem
    return f"{plain}-i{seed + 1}{plus}{wrappers}"


def without_instance(name: str) -> str:
    """The name of the problem that an instance is one of, wrappers included.

    >>> without_instance("bbob-f2-d3-i3+noisy:0.1"), without_instance("table-segment")
    ('bbob-f2-d3+noisy:0.1', 'table-segment')
    """
    plain, plus, wrappers = name.partition("+")
    found = _BBOB.fullmatch(plain)
    return name if found is None else f"bbob-f{found[1]}-d{found[2]}{plus}{wrappers}"


def make_problem(name: str, olympus: Path | None = None, lcbench: Path | None = None) -> Problem:
    """A problem by its name, wrappers included.

    Arguments:
        name: such as "bbob-f5-d3", "bbob-f5-d3-i2", "table-segment", "training-svm+delayed:0.5".
        olympus: the folder in which the tables called "olympus-..." are.
        lcbench: the folder of the surrogate that answers "lcbench-...".

    Raises:
        UnknownName: there is no such problem or wrapper.
        InvalidArgument: an Olympus table or LCBench task without its folder, or a wrapper that cannot be put on this
            problem.
    """
    plain, *wrappers = name.split("+")
    problem = _plain(plain, olympus, lcbench)
    for text in wrappers:
        kind, _, amount = text.partition(":")
        if kind not in _WRAPPERS or not re.fullmatch(r"\d+(\.\d+)?", amount):
            allowed = ", ".join(f"{wrapper}:NUMBER" for wrapper in _WRAPPERS)
            raise UnknownName(message("there is no wrapper of this name", got=text, allowed=allowed))
        problem = _WRAPPERS[kind](problem, float(amount))
    return problem


def _plain(name: str, olympus: Path | None, lcbench: Path | None) -> Problem:
    """A problem without wrappers."""
    family, _, rest = name.partition("-")
    found = _BBOB.fullmatch(name)
    if found is not None:
        return Bbob(int(found[1]), int(found[2]), int(found[3] or 1))
    if family == "table":
        return Table(rest)
    if family == "training":
        return Training(rest)
    if family == "penalties":
        return Penalties(rest)
    if family == "olympus":
        if olympus is None:
            raise InvalidArgument(
                message("an Olympus table needs the folder of the tables", got=name, do="give it with --olympus PATH")
            )
        return Olympus(olympus, rest)
    if family == "lcbench":
        if lcbench is None:
            raise InvalidArgument(
                message("an LCBench task needs the folder of its surrogate", got=name, do="give it with --lcbench PATH")
            )
        task, _, metric = rest.partition("-")
        return Lcbench(lcbench, task, metric or METRICS[0])
    raise UnknownName(
        message(
            "there is no problem of this name",
            got=name,
            allowed="bbob-fF-dD, bbob-fF-dD-iI, table-NAME, olympus-NAME, training-NAME, penalties-NAME, lcbench-TASK",
            do="list them with: trimtab bench list",
        )
    )
