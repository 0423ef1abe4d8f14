"""Several tasks tuned side by side in one study, by a representation of configurations that they share.

The study's space names the task, as a categorical parameter:

    space = Space(task=Categorical(["berlin", "lyon", "turin"]), lr=Float(1e-4, 1e-1, log=True), ...)

and the objective trains the task that `trial.params["task"]` names. So the trials of all tasks are one history: each
proposal is a function of it, workers share it, it is stored, resumed and replayed like any other study. The next trial
belongs to the task with the fewest. Losses are compared within a task only; a study's best trial says nothing then, and
the best of each task is to be read from its trials. A space without such a parameter is one task.

A configuration becomes d features: a constant, and cosines of random waves of several lengths over the space
(A. Rahimi and B. Recht, "Random Features for Large-Scale Kernel Machines", NeurIPS 2007), drawn anew for each study. In
these the tasks' losses, each in units of its task's own spread, are taken to have a shared linear representation, which
`trimtab.tuners.tasks.representation.gfucb` learns beside a fit for each task alone; it acts on the one that predicts
better. Candidates are random draws, and steps from the best configurations of every task.

Needs values. Failed trials count as their task's worst. It looks at the last `window` trials.

Source: R. Lu, A. Zhao, S. S. Du and G. Huang, NeurIPS 2022, arXiv 2205.15701, whose tasks see arms; that
configurations of a space are the arms, and the features, are added here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from trimtab.base.errors import InvalidArgument, InvalidSpace, check_count, message
from trimtab.base.history import History
from trimtab.base.info import Info
from trimtab.base.records import Suggestion
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.space import Space
from trimtab.surrogates.evidence import encode_valid, gather, told_numbers
from trimtab.surrogates.gp import Embedding
from trimtab.surrogates.untried import is_listable, keys, left, tried
from trimtab.tuners.tasks.representation.gfucb import GFUCB, LU_2022

__all__ = ["RAHIMI_2007", "ConcurrentTasks", "Waves"]

Array = NDArray[np.float64]
Numbers = NDArray[np.intp]

RAHIMI_2007 = Reference(
    authors="Rahimi, Ali and Recht, Benjamin",
    title="Random Features for Large-Scale Kernel Machines",
    year=2007,
    venue="Advances in Neural Information Processing Systems 20",
)

LENGTHS = (0.3, 0.6, 1.2)
"""Of the waves, in units of a column's range times the square root of how many columns there are."""

FITS = 12
"""So many earlier fits are made anew in each ask, at most."""


@dataclass(frozen=True)
class ConcurrentTasks:
    """Proposes for the tasks of one study in turn, from what all of them told.

    Arguments:
        task: name of the categorical parameter that says which task a trial is of.
        rank: k, directions that the tasks share.
        start: trials of each task that come before any model: the default configuration, then random draws.
        features: d, how many the model sees; 1 or more above `rank`.
        candidates: random draws of each proposal, and as many steps from the best.
        width: b of the bonus, in units of a task's spread.
        ridge: r of the fits.
        fall_back: whether to act on the tasks' own fits where they predict better.
        window: trials that are looked at.

    Raises:
        InvalidArgument: a number out of its range.
    """

    task: str = "task"
    rank: int = 3
    start: int = 4
    features: int = 64
    candidates: int = 200
    width: float = 0.5
    ridge: float = 0.1
    fall_back: bool = True
    window: int = 1000

    name: ClassVar[str] = "gfucb"
    needs: ClassVar[Info] = Info.VALUES
    refs: ClassVar[tuple[Reference, ...]] = (LU_2022, RAHIMI_2007)

    def __post_init__(self) -> None:
        """Refuse numbers out of their range."""
        for what in ("rank", "candidates", "window"):
            check_count(getattr(self, what), f"ConcurrentTasks: {what}")
        check_count(self.start, "ConcurrentTasks: start", 0)
        check_count(self.features, "ConcurrentTasks: features", self.rank + 1)
        if not (self.width >= 0.0 and self.ridge > 0.0):
            raise InvalidArgument(
                message(
                    "ConcurrentTasks: width or ridge is out of range",
                    got=(self.width, self.ridge),
                    allowed="width >= 0, ridge > 0",
                )
            )

    def ask(self, history: History[Space], count: int, key: Key) -> list[Suggestion]:
        """`count` configurations, each of the task with the fewest trials; fewer where nothing is left."""
        board = _Board(history, self.task)
        waves = Waves.drawn(history.space, board.column, self.features, key.for_trial(-1).child("waves"))
        bandit = self._told(board, waves, key.for_trial(-1))
        found: list[Suggestion] = []
        for place in range(count):
            rng = key.for_trial(key.trial + place).child("candidates").generator()
            proposal = self._propose(board, waves, bandit, rng)
            if proposal is None:
                break
            raw, why = proposal
            found.append(Suggestion(history.space.decode(raw), self.name, why))
            board.take(raw)
        return found

    def _told(self, board: _Board, waves: Waves, key: Key) -> GFUCB:
        """The bandit after all that was told."""
        bandit = GFUCB(
            board.tasks,
            self.features,
            self.rank,
            width=self.width,
            ridge=self.ridge,
            fall_back="errors" if self.fall_back else "never",
            key=key,
        )
        rows, tasks, rewards = board.rewards(self.window)
        # The errors that decide on sharing need predictions by earlier fits: by a few, whatever the history's length.
        often = max(board.tasks, -(-len(rows) // FITS))
        for place, (x, task, reward) in enumerate(zip(waves(rows), tasks, rewards, strict=True), start=1):
            bandit.tell(int(task), x, float(reward))
            if place % often == 0:
                bandit.fit()
        for raw in board.pending:
            task = board.task_of(raw)
            x = waves(raw[None])[0]
            bandit.expect(task, x)
        return bandit

    def _propose(
        self, board: _Board, waves: Waves, bandit: GFUCB, rng: np.random.Generator
    ) -> tuple[Array, str] | None:
        """Raw coordinates (d,) of the next configuration, and why; None where every one was tried."""
        if not len(board.space):
            return np.empty(0), "the space has one configuration"
        for task in np.argsort(board.counts, kind="stable").tolist():
            early = board.counts[task] < self.start
            if early and not board.counts[task]:
                default = board.default(task)
                if len(default):
                    return default[0], f"{board.label(task)}the default configuration"
            raw = board.candidates(task, self.candidates, 0 if early else self.candidates, rng)
            if not len(raw):
                continue
            if early:
                return raw[0], f"{board.label(task)}random draw, one of the first {self.start}"
            x = waves(raw)
            best = int(np.argmax(bandit.scores(task, x)))
            bandit.expect(task, x[best])
            source = "the representation that all tasks share" if bandit.sharing else "its own trials alone"
            return raw[best], f"{board.label(task)}best of {len(raw)} candidates by {source}"
        # Only a space that can be listed has an end.
        if is_listable(board.space):
            return None
        return np.asarray(board.space.sample_raw(rng)[0]), "random draw, as nothing new was found"


@dataclass(frozen=True, slots=True)
class Waves:
    """Features of configurations: a constant and cosines of random waves.

    Arguments:
        space: of the configurations.
        embedding: of its columns but for the one that names the task.
        columns: which columns these are.
        slopes: of the waves, shape (embedded, d - 1).
        shifts: their phases, shape (d - 1,).
    """

    space: Space
    embedding: Embedding
    columns: Numbers
    slopes: Array
    shifts: Array

    @classmethod
    def drawn(cls, space: Space, task: int | None, features: int, key: Key) -> Waves:
        """`features` features for a space, the column numbered `task` left out."""
        columns = np.array([place for place in range(len(space)) if place != task], dtype=np.intp)
        embedding = Embedding([space.columns[place] for place in columns])
        rng = key.generator()
        lengths = np.resize(LENGTHS, features - 1) * np.sqrt(max(len(columns), 1))
        slopes = rng.normal(size=(len(embedding.groups), features - 1)) / lengths
        return cls(space, embedding, columns, slopes, rng.uniform(0.0, 2.0 * np.pi, features - 1))

    def __call__(self, raw: Array) -> Array:
        """Features (n, d) of raw rows, of about unit length."""
        if not len(self.columns):
            return np.pad(np.ones((len(raw), 1)), ((0, 0), (0, len(self.shifts))))
        seen = self.embedding.features(self.space.to_unit(raw)[:, self.columns])
        waves = np.sqrt(1.0 / len(self.shifts)) * np.cos(seen @ self.slopes + self.shifts)
        return np.hstack([np.full((len(raw), 1), np.sqrt(0.5)), waves])


class _Board:
    """What a history tells of each task, and which configurations are taken."""

    def __init__(self, history: History[Space], task: str) -> None:
        self.history, self.space = history, history.space
        self.column = self._find(task)
        self.labels = self.space.columns[self.column].choices if self.column is not None else ("",)
        self.tasks = len(self.labels)
        told = [history.trial(int(number)) for number in told_numbers(history)]
        told.sort(key=lambda trial: (trial.ended or 0.0, trial.number))
        numbers = np.array([trial.number for trial in told], dtype=np.intp)
        seen = gather(history, numbers)
        known = np.array([self._names_task(row) for row in seen.raw], dtype=np.bool_)
        self.raw, self.losses = seen.raw[known], seen.losses[known]
        open_ = [params for params in history.params(history.pending) if params is not None]
        pending = encode_valid(self.space, open_)[0]
        self.pending = [row for row in pending if self._names_task(row)]
        self._taken = tried(history)
        counted = [*self.raw, *self.pending]
        self.counts = np.bincount([self.task_of(row) for row in counted], minlength=self.tasks)

    def _find(self, task: str) -> int | None:
        """The column that names the task; None where the space has none.

        Raises:
            InvalidArgument: it is no categorical, or may be inactive.
        """
        if task not in self.space.names:
            return None
        place = self.space.names.index(task)
        column = self.space.columns[place]
        if column.kind != "categorical" or column.parent is not None:
            raise InvalidArgument(
                message(
                    f"parameter {task!r} must be a categorical that is always active, to say which task a trial is of",
                    got=column.kind,
                    do="declare it as Categorical([...]), or give the tuner the name of another parameter",
                )
            )
        return place

    def _names_task(self, raw: Array) -> bool:
        """Whether a row says which task it is of, which a define-by-run trial may not."""
        return self.column is None or not np.isnan(raw[self.column])

    def task_of(self, raw: Array) -> int:
        """The task of a row (d,)."""
        return 0 if self.column is None else int(raw[self.column])

    def label(self, task: int) -> str:
        """The task's name, to begin a sentence with."""
        return f"{self.labels[task]}: " if self.column is not None else ""

    def rewards(self, window: int) -> tuple[Array, Numbers, Array]:
        """Raw rows (n, d), tasks (n,) and rewards (n,) of the last trials, in the order in which they ended."""
        raw, losses = self.raw[-window:], self.losses[-window:]
        tasks = np.array([self.task_of(row) for row in raw], dtype=np.intp)
        rewards = np.zeros(len(raw))
        for task in range(self.tasks):
            rows = tasks == task
            rewards[rows] = -_standardised(losses[rows])
        return raw, tasks, rewards

    def best(self) -> Array:
        """The rows (m, d) of each task's least loss."""
        tasks = np.array([self.task_of(row) for row in self.raw], dtype=np.intp)
        found = []
        for task in range(self.tasks):
            rows = np.flatnonzero((tasks == task) & np.isfinite(self.losses))
            if rows.size:
                found.append(self.raw[rows[np.argmin(self.losses[rows])]])
        return np.array(found).reshape(-1, len(self.space))

    def default(self, task: int) -> Array:
        """The default configuration as a task's, shape (1, d); (0, d) where it was tried or there is none."""
        try:
            return self._fitting(task, self.space.encode(self.space.default_params())[None])
        except InvalidSpace:
            return np.empty((0, len(self.space)))

    def candidates(self, task: int, draws: int, steps: int, rng: np.random.Generator) -> Array:
        """Rows (m, d) of a task that were not tried: random draws, then steps from the tasks' best."""
        rows = self._fitting(task, self.space.sample_raw(rng, draws))
        best = self.best()
        if steps and len(best):
            start = self.space.to_unit(best[rng.integers(len(best), size=steps)])
            far = rng.random(start.shape)
            listed = np.array([column.kind == "categorical" for column in self.space.columns])
            near = np.where(np.isnan(start), far, start + 0.1 * rng.normal(size=start.shape))
            jump = np.where(listed, rng.random(start.shape) < 0.1, False) | np.isnan(start)
            near = np.where(listed, np.where(jump, far, start), np.clip(near, 0.0, 1.0))
            rows = np.concatenate([rows, self._fitting(task, self.space.from_unit(near))])
        if len(rows) or not is_listable(self.space):
            return rows
        rest = left(self.space, self._taken)
        return rest if self.column is None else rest[rest[:, self.column] == task]

    def _fitting(self, task: int, raw: Array) -> Array:
        """The rows, made those of a task, that keep the constraints and were not tried, each once."""
        if self.column is not None:
            raw = raw.copy()
            raw[:, self.column] = task
            raw[~self.space.active(raw)] = np.nan
            raw = raw[~(self.space.active(raw) & np.isnan(raw)).any(axis=1)]
        raw = raw[self.space.feasible_many(raw)] if len(raw) else raw
        fresh = {key: row for key, row in zip(keys(raw), raw, strict=True) if key not in self._taken}
        return np.array(list(fresh.values())).reshape(-1, len(self.space))

    def take(self, raw: Array) -> None:
        """Count a proposal (d,)."""
        self._taken.update(keys(raw[None]))
        self.counts[self.task_of(raw)] += 1


def _standardised(losses: Array) -> Array:
    """Losses (n,) less their median, in units of their spread, within 3 of it; what failed counts as the worst."""
    good = losses[np.isfinite(losses)]
    if not good.size:
        return np.zeros(len(losses))
    # In units of the largest, so that no difference overflows.
    scale = float(np.abs(good).max()) or 1.0
    every = np.where(np.isfinite(losses), losses, good.max()) / scale
    low, middle, high = np.quantile(good / scale, [0.25, 0.5, 0.75]).tolist()
    spread = (high - low) / 1.35 or float((good / scale).std()) or 1.0
    standard: Array = np.clip((every - middle) / spread, -3.0, 3.0)
    return standard
