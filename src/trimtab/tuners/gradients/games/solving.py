"""What all solvers of games share: the loop over steps, its stopping rule, and states as arrays.

A method is three pure functions, `start`, `step` and `certified`; all that it carries is in its state, and the random
numbers of a step are keyed by its number. So a run that was cut off goes on from its last state as if nothing had
happened, bit for bit.

A run stops on the natural residual at the last point (`Inclusion.residual`), and only on an exact one: a method that
carries an estimate of F is asked to evaluate F before it is believed. The cost is counted in evaluations of components;
n of them are an epoch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.base.errors import InvalidArgument, message
from trimtab.tuners.gradients.games.extragradient import Extragradient
from trimtab.tuners.gradients.games.operators import Array, Evidence, Inclusion, positive

__all__ = ["GameMethod", "GameState", "Solution", "from_arrays", "go_on", "solve", "to_arrays"]

MARGIN = 2.0
"""A run has to take so many times the epochs that extragradient is expected to need before that is told."""


class GameState(Protocol):
    """What every state tells."""

    @property
    def point(self) -> Array:
        """The last point, shape (d,)."""
        ...

    @property
    def residual(self) -> float:
        """Natural residual there, exact where `exact` is true and estimated elsewhere."""
        ...

    @property
    def exact(self) -> bool:
        """Whether the residual is of F itself."""
        ...

    @property
    def first_residual(self) -> float:
        """Natural residual at the start."""
        ...

    @property
    def iteration(self) -> int:
        """Steps made."""
        ...

    @property
    def evaluations(self) -> int:
        """Components evaluated."""
        ...

    @property
    def evidence(self) -> Evidence:
        """What was seen of F."""
        ...


S = TypeVar("S", bound=GameState)


class GameMethod(Protocol[S]):
    """A method. Its functions are pure: the same arguments, the same state."""

    def start(self, problem: Inclusion, start: ArrayLike) -> S:
        """The state before the first step."""
        ...

    def step(self, problem: Inclusion, state: S) -> S:
        """The state after one more iteration."""
        ...

    def certified(self, problem: Inclusion, state: S) -> S:
        """The state with an exact residual."""
        ...

    def told(self, state: S) -> tuple[str, ...]:
        """What the run showed that the user should know; empty where all went as assumed."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Solution(Generic[S]):
    """The end of a run.

    Arguments:
        point: the last point, shape (d,).
        residual: exact natural residual there.
        converged: whether that is at most the tolerance.
        epochs: evaluations of components over n, with those of that residual.
        state: the last state, to go on from as if the run had not ended; its residual may be an estimate.
        told: what the run showed of the problem, in words: assumptions seen broken, and plain methods that would have
            been cheaper.
    """

    point: Array
    residual: float
    converged: bool
    epochs: float
    state: S
    told: tuple[str, ...]


def solve(
    problem: Inclusion,
    method: GameMethod[S],
    start: ArrayLike,
    tolerance: float,
    epochs: float,
    on_step: Callable[[S], None] | None = None,
) -> Solution[S]:
    """Run a method from a start until the residual is at most a tolerance, or the budget is used up.

    Arguments:
        problem: the inclusion.
        method: the solver.
        start: shape (d,).
        tolerance: the exact natural residual to reach.
        epochs: evaluations of components over n; checked after each step, so the last one may go over it.
        on_step: called with the state after each step; what it raises ends the run.

    Raises:
        InvalidArgument: a start, tolerance or budget that cannot be, or an operator of wrong shape.
        InvalidObservation: the operator gave nan or inf.
    """
    return go_on(problem, method, method.start(problem, start), tolerance, epochs, on_step)


def go_on(
    problem: Inclusion,
    method: GameMethod[S],
    state: S,
    tolerance: float,
    epochs: float,
    on_step: Callable[[S], None] | None = None,
) -> Solution[S]:
    """Run a method from a state; arguments and errors as `solve`, and the budget is for all evaluations so far."""
    positive(tolerance, "the tolerance")
    budget = positive(epochs, "the budget in epochs") * problem.operator.count
    while True:
        if state.residual <= tolerance and not state.exact:
            state = method.certified(problem, state)
        if (state.residual <= tolerance and state.exact) or state.evaluations >= budget:
            break
        state = method.step(problem, state)
        if on_step is not None:
            on_step(state)
    last = method.certified(problem, state)
    spent = last.evaluations / problem.operator.count
    return Solution(
        point=last.point,
        residual=last.residual,
        converged=last.residual <= tolerance,
        epochs=spent,
        state=state,
        told=(*method.told(last), *_plainly(method, last, spent, tolerance)),
    )


def _plainly(method: object, state: GameState, spent: float, tolerance: float) -> tuple[str, ...]:
    """Whether a method without an anchor would have been cheaper, by what was seen of F.

    On a mu-strongly monotone and L-Lipschitz operator extragradient with a step near 1/L shrinks the residual by about
    exp(-mu/L) for two evaluations of F. Pairs along a path see no direction that it did not take, so what they say of
    mu is too much and of L too little; hence the margin.
    """
    seen = state.evidence
    goal = max(tolerance, state.residual)
    if isinstance(method, Extragradient) or seen.curvature <= 0.0 or not seen.pairs or state.first_residual <= goal:
        return ()
    needed = 2.0 * seen.lipschitz / seen.curvature * math.log(state.first_residual / goal)
    if MARGIN * needed >= spent:
        return ()
    return (
        f"the operator looks strongly monotone on the way (modulus {seen.curvature:.3g}, Lipschitz constant "
        f"{seen.lipschitz:.3g}): extragradient would have got here in about {math.ceil(needed)} epochs, this run took "
        f"{spent:.3g}. Next: try Extragradient, or ForwardBackward where the game is cocoercive and well conditioned.",
    )


def to_arrays(state: object) -> dict[str, NDArray[Any]]:
    """A state as plain arrays by name, fit for `numpy.savez` and `numpy.load(..., allow_pickle=False)`. Exact."""
    if not is_dataclass(state):
        raise InvalidArgument(message("not a state of a game", got=state))
    arrays: dict[str, NDArray[Any]] = {}
    for field in fields(state):
        value = getattr(state, field.name)
        if isinstance(value, Evidence):
            arrays |= {f"{field.name}.{name}": array for name, array in to_arrays(value).items()}
        else:
            arrays[field.name] = np.array(value)
    return arrays


T = TypeVar("T")


def from_arrays(kind: type[T], arrays: Mapping[str, NDArray[Any]]) -> T:
    """Inverse of `to_arrays` for a class of states; other arrays than its own are passed over.

    Raises:
        InvalidArgument: an array is missing.
    """
    found: dict[str, Any] = {}
    try:
        for field in fields(kind):  # type: ignore[arg-type]
            if field.name == "evidence":
                inner = {name.partition(".")[2]: arrays[name] for name in arrays if name.startswith("evidence.")}
                found[field.name] = from_arrays(Evidence, inner)
            else:
                array = np.array(arrays[field.name])
                # Numbers have no axes, points have one.
                found[field.name] = array if array.ndim else array.item()
    except KeyError as error:
        raise InvalidArgument(
            message(f"these arrays are no {kind.__name__}: {error} is missing", got=sorted(arrays))
        ) from error
    return kind(**found)
