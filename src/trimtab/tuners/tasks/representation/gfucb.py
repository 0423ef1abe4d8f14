"""Concurrent bandits that learn one representation together (GFUCB), and stop sharing where sharing predicts worse.

M tasks run side by side. In each round every task is shown some arms as features and pulls one; its reward is
f_i(x) = phi(x)' w_i plus noise, with phi common to all tasks. GFUCB keeps one confidence set for all tasks together,

    F_t = { f : sum_i sum_s (f_i(x_is) - fhat_i(x_is))^2 <= beta_t },

and pulls the arms that are best under the most favourable f in it, so that tasks share one budget of optimism.

What is done here, for a linear phi (`trimtab.tuners.tasks.representation.shared_linear`), is an approximation:

- `bonus="joint"`: F_t is replaced by an ellipsoid around the fit. With g the derivative of f_i(x) by all d k + M k
  parameters and J = r I + sum g g', an arm scores fhat + b sqrt(g' J^-1 g).
- `bonus="head"`: phi counts as known: an arm scores fhat + b sqrt(p' (F'F + I)^-1 p), with p = phi(x) and F the rows of
  phi that this task has seen. It explores less, and costs less.
- The fall-back, which is not of the paper: each task has a ridge regression of its own beside the shared fit. Both
  predict every reward before it is told, and the sums of their squared errors, discounted by `discount` for every
  reward and averaged over tasks, are compared. The shared fit is acted on only while its sum is the smaller one.

Assumes that few directions explain all tasks. Where they do not, acting on them costs about twice the regret of
learning alone. The fall-back kept that small in what was measured; no theorem does. The paper's regret bound holds for
exact confidence sets and none of this. With fewer than about five tasks little is gained.

Source: R. Lu, A. Zhao, S. S. Du and G. Huang, "Provable General Function Class Representation Learning in Multitask
Bandits and MDPs", NeurIPS 2022, arXiv 2205.15701. The algorithm is stated here from memory of it; the paper's constants
and its experiments with networks are not reproduced.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.base.errors import InvalidArgument, check_count, message
from trimtab.base.refs import Reference
from trimtab.base.seeds import Key
from trimtab.tuners.tasks.representation.shared_linear import Moments, Shared, fit_shared, orthonormal

__all__ = ["GFUCB", "LU_2022"]

Array = NDArray[np.float64]

LU_2022 = Reference(
    authors="Lu, Rui and Zhao, Andrew and Du, Simon S. and Huang, Gao",
    title="Provable General Function Class Representation Learning in Multitask Bandits and MDPs",
    year=2022,
    venue="Advances in Neural Information Processing Systems 35",
    arxiv="2205.15701",
)

FALL_BACKS = ("errors", "never", "always")


@final
class GFUCB:
    """M concurrent bandits with a shared linear representation. Rewards are maximised.

    Everything it answers is a function of its arguments and of what it was told, in order: an object made anew and told
    the same pulls and the same arms the same.

    Arguments:
        tasks: how many there are.
        features: d, of an arm.
        rank: k, directions that the tasks share; at most d.
        bonus: "head" or "joint"; see the module.
        width: b, of the bonus; in units of the noise of the rewards.
        fall_back: "errors" to act on the fit that predicts better; "never" to act on the shared one, and "always" on
            each task's own, whatever they predict.
        ridge: r, of both fits; best about the variance of the noise over that of a task's weights.
        discount: of a squared error, for every later reward of the same task.
        sweeps: of alternation for one fit.
        key: of the basis to begin with.

    Raises:
        InvalidArgument: an argument out of its range.
    """

    def __init__(
        self,
        tasks: int,
        features: int,
        rank: int = 2,
        *,
        bonus: Literal["head", "joint"] = "head",
        width: float = 0.5,
        fall_back: Literal["errors", "never", "always"] = "errors",
        ridge: float = 1.5,
        discount: float = 0.98,
        sweeps: int = 2,
        key: Key = Key(0, purpose="gfucb"),  # noqa: B008  a key is immutable
    ) -> None:
        self.tasks, self.features = check_count(tasks, "tasks"), check_count(features, "features")
        self.rank, self.sweeps = check_count(rank, "rank"), check_count(sweeps, "sweeps")
        if rank > features:
            raise InvalidArgument(message("rank must not exceed the features", got=rank, allowed=f"1 to {features}"))
        if bonus not in ("head", "joint"):
            raise InvalidArgument(message("there is no such bonus", got=bonus, allowed="'head' or 'joint'"))
        if fall_back not in FALL_BACKS:
            raise InvalidArgument(message("there is no such fall-back", got=fall_back, allowed=" or ".join(FALL_BACKS)))
        if not (width >= 0.0 and ridge > 0.0 and 0.0 < discount <= 1.0):
            raise InvalidArgument(
                message(
                    "GFUCB: width, ridge or discount is out of range",
                    got=(width, ridge, discount),
                    allowed="width >= 0, ridge > 0, 0 < discount <= 1",
                )
            )
        self.bonus, self.width, self.fall_back = bonus, width, fall_back
        self.ridge, self.discount = ridge, discount
        self._moments = Moments.empty(tasks, features)
        start = orthonormal(key.child("basis").generator().normal(size=(features, rank)))
        self._shared = Shared(start, np.zeros((tasks, rank)))
        self._alone: Array = np.zeros((tasks, features))
        self._errors = np.zeros((tasks, 2))
        self._fresh = True

    @property
    def errors(self) -> tuple[float, float]:
        """Discounted sums of squared one-step-ahead errors, averaged over tasks: the shared fit's, the tasks' own."""
        shared, alone = self._errors.mean(axis=0).tolist()
        return shared, alone

    @property
    def sharing(self) -> bool:
        """Whether it acts on the shared fit."""
        if self.fall_back != "errors":
            return self.fall_back == "never"
        shared, alone = self.errors
        return shared < alone

    def fit(self) -> None:
        """Fit both models to all that was told; `ask` does it by itself."""
        if self._fresh:
            return
        self._shared = fit_shared(self._moments, self._shared.basis, self.ridge, self.sweeps)
        own = self._moments.gram + self.ridge * np.eye(self.features)
        self._alone = np.asarray(np.linalg.solve(own, self._moments.cross[:, :, None])[:, :, 0], dtype=np.float64)
        self._fresh = True

    def predict(self, task: int, x: Array) -> Array:
        """The expected reward of arms (..., d) by the fit that is acted on, as it last was fitted."""
        answer: Array = self._shared.predict(task, x) if self.sharing else x @ self._alone[task]
        return answer

    def scores(self, task: int, x: Array) -> Array:
        """Optimistic rewards of arms (a, d) by the fit that is acted on, shape (a,)."""
        self.fit()
        if not self.sharing:
            own = self._moments.gram[task] + self.ridge * np.eye(self.features)
            spread = _quadratic(own, x)
        elif self.bonus == "head":
            basis = self._shared.basis
            seen = basis.T @ self._moments.gram[task] @ basis + np.eye(self.rank)
            spread = _quadratic(seen, x @ basis)
        else:
            spread = _quadratic(self._information(), self._derivatives(task, x))
        scored: Array = self.predict(task, x) + self.width * np.sqrt(spread)
        return scored

    def ask(self, arms: Sequence[ArrayLike]) -> list[int]:
        """Which arm each task pulls.

        Arguments:
            arms: features of each task's arms, shapes (a_i, d).

        Raises:
            InvalidArgument: not one list of arms for each task, or arms of other shapes.
        """
        if len(arms) != self.tasks:
            raise InvalidArgument(
                message("one list of arms is needed for each task", got=len(arms), allowed=f"{self.tasks}")
            )
        return [int(np.argmax(self.scores(task, self._rows(x)))) for task, x in enumerate(arms)]

    def tell(self, task: int, x: ArrayLike, reward: float) -> None:
        """The reward of an arm (d,) that a task pulled.

        Raises:
            InvalidArgument: no such task, an arm of another shape, or a reward that is not finite.
        """
        row = self._rows(np.asarray(x, dtype=float)[None])[0]
        if not 0 <= task < self.tasks or not np.isfinite(reward):
            raise InvalidArgument(
                message(
                    "a reward needs a task and a finite value",
                    got=(task, reward),
                    allowed=f"tasks 0 to {self.tasks - 1}",
                )
            )
        predicted = np.array([self._shared.predict(task, row), row @ self._alone[task]])
        self._errors[task] = self.discount * self._errors[task] + (reward - predicted) ** 2
        self._moments.add(task, row, reward)
        self._fresh = False

    def expect(self, task: int, x: Array) -> None:
        """Count an arm (d,) that was pulled and has not told its reward yet, as if the reward were the expected one."""
        self.fit()
        self._moments.add(task, x, float(self.predict(task, x)))
        self._fresh = False

    def _rows(self, x: ArrayLike) -> Array:
        """Arms as an array (a, d)."""
        rows = np.asarray(x, dtype=float)
        if rows.ndim != 2 or rows.shape[1] != self.features or not len(rows) or not np.isfinite(rows).all():
            raise InvalidArgument(
                message("arms must be rows of finite features", got=rows.shape, allowed=f"(arms, {self.features})")
            )
        return rows

    def _information(self) -> Array:
        """J of the module for the parameters (B by columns, then the heads), shape (d k + M k,) squared."""
        d, k, gram, heads = self.features, self.rank, self._moments.gram, self._shared.heads
        seen = gram @ self._shared.basis
        out = self.ridge * np.eye(d * k + self.tasks * k)
        for task, head in enumerate(heads):
            place = slice(d * k + task * k, d * k + (task + 1) * k)
            out[: d * k, : d * k] += np.kron(np.outer(head, head), gram[task])
            cross = np.kron(head[:, None], seen[task])
            out[: d * k, place], out[place, : d * k] = cross, cross.T
            out[place, place] += self._shared.basis.T @ seen[task]
        return out

    def _derivatives(self, task: int, x: Array) -> Array:
        """Derivatives of f_task at arms (a, d) by all parameters, shape (a, d k + M k)."""
        d, k = self.features, self.rank
        out = np.zeros((len(x), d * k + self.tasks * k))
        out[:, : d * k] = (self._shared.heads[task][:, None] * x[:, None, :]).reshape(len(x), k * d)
        out[:, d * k + task * k : d * k + (task + 1) * k] = x @ self._shared.basis
        return out


def _quadratic(matrix: Array, rows: Array) -> Array:
    """The products r' matrix^-1 r of each row r, shape (n,)."""
    products: Array = np.einsum("nf,nf->n", rows, np.linalg.solve(matrix, rows.T).T)
    return np.maximum(products, 0.0)
