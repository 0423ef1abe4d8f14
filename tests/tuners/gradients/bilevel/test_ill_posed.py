"""Six kinds of ill-posed input, each in a study: the diagnosis names the tensor or parameter, and the study goes on.

In each test the first trial is the ill-posed one. Findings about a configuration (numbers) do not end a study; faults
of the code do, after the trial is recorded, unless the caller asks to catch them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

import trimtab as tt
from trimtab.base.errors import InvalidArgument, InvalidObservation
from trimtab.base.outcomes import EndReason, TrialState
from trimtab.tuners.gradients.bilevel import (
    DIVERGED,
    NO_GRADIENT,
    ZERO_GRADIENT,
    BilevelProblem,
    BoRep,
    ConjugateGradients,
    DescentTask,
    GradientDescent,
    GradientObjective,
    IllPosed,
    MomentumDescent,
    check_problem,
    forward_hypergradient,
    implicit_hypergradient,
    unrolled_hypergradient,
)

D = torch.float64
METHODS = [BoRep(inner_rate=0.5, epochs=1), MomentumDescent(inner_rate=0.5)]
Objective = Callable[..., Any]


def problem(inner: Any = None, outer: Any = None, **hyper: float) -> BilevelProblem:
    """w has two tensors: "quick" (2,) is pulled to the target, "slow" () too, with a twentieth of the curvature."""

    def quadratic(w: Any, h: Any, batch: Any) -> Tensor:
        return ((w["quick"] - h["target"]) ** 2).sum() / 2 + (w["slow"] - h["target"]) ** 2 / 40

    def distance(w: Any, h: Any, batch: Any) -> Tensor:
        return ((w["quick"] - 1.0) ** 2).sum() + (w["slow"] - 2.0) ** 2

    parameters = {"quick": torch.zeros(2, dtype=D), "slow": torch.zeros((), dtype=D)}
    named = {name: torch.tensor(value, dtype=D) for name, value in {"target": 0.5, **hyper}.items()}
    return BilevelProblem(inner or quadratic, outer or distance, parameters, named)


def ran(objective: Objective, space: tt.Space, first: Mapping[str, Any], catch: Any = ()) -> tuple[Any, ...]:
    """The trials of a study whose first one has these params: four in all."""
    study = tt.create_study(space=space, storage=None, tuner="random", seed=0)
    study.enqueue_trial(dict(first))
    study.optimize(objective, n_trials=4, catch=catch)
    assert len(study.trials) == 4
    assert dict(study.trials[0].params) == dict(first)
    return study.trials


def well(trials: tuple[Any, ...]) -> bool:
    """Whether each of them ran to its end with a gradient."""
    return all(trial.state is TrialState.COMPLETE and trial.observation.gradient for trial in trials)


TARGET = tt.Float(-1.0, 1.0)


class TestInnerProblemNotConverged:
    def train(self, settings: dict[str, Any]) -> Tensor:
        """Gradient descent, and the implicit hypergradient where it stops."""
        task, vector = problem(), torch.zeros(3, dtype=D)
        hyper = {"target": settings["target"].detach()}
        for step in range(settings["steps"]):
            state = (vector, torch.zeros_like(vector))
            vector = GradientDescent(1.0).advanced(task, state, hyper, step)[0].detach()
        found = implicit_hypergradient(task, task.layout.named(vector), hyper, most_error=0.1)
        return found.as_loss({"target": settings["target"]})

    def test_a_trial_keeps_its_value_and_says_which_parameter_is_not_trained(self) -> None:
        space = tt.Space(target=TARGET, steps=tt.Int(1, 400, log=True))
        study_space = tt.Space(target=TARGET, steps=tt.Categorical([5, 400]))
        trials = ran(GradientObjective(space, self.train), study_space, {"target": 0.7, "steps": 5})
        first = trials[0]
        assert first.state is TrialState.COMPLETE
        assert first.observation.gradient is None
        assert re.search(
            r"the hypergradient in \['target'\] has an error of about \S+ at a norm of .*from its minimum, most of it "
            r"in parameter 'slow'.*allowed: an error of at most 0.1 of the norm\. Next: train the inner problem on",
            first.attributes[NO_GRADIENT]["target"],
        )
        later = [trial for trial in trials[1:] if trial.params["steps"] == 400]
        assert later
        assert well(tuple(later))

    def test_by_itself(self) -> None:
        task = problem()
        found = implicit_hypergradient(task)
        assert "most of it in parameter 'slow'" not in found.diagnosis  # both are as far from 0.5, and "quick" is two
        assert "most of it in parameter 'quick'" in found.diagnosis
        with pytest.raises(IllPosed, match=r"'quick'.*train the inner problem on") as told:
            implicit_hypergradient(task, most_error=0.01)
        assert told.value.value == found.value
        end = {name: torch.full_like(part, 0.5) for name, part in task.parameters.items()}
        exact = implicit_hypergradient(task, end, most_error=0.01)
        assert float(exact.gradient["target"]) == pytest.approx(-5.0)

    def test_a_linear_solver_that_was_cut_off_is_told_apart(self) -> None:
        end = {name: torch.full_like(part, 0.5) for name, part in problem().parameters.items()}
        with pytest.raises(IllPosed, match="Next: give the linear solver more iterations"):
            implicit_hypergradient(problem(), end, solver=ConjugateGradients(limit=1), most_error=0.01)

    def test_it_needs_an_estimate(self) -> None:
        for wrong in ({"most_error": 0.1, "estimate": 0}, {"most_error": 0.0}):
            with pytest.raises(InvalidArgument, match="most_error is out of range"):
                implicit_hypergradient(problem(), **wrong)


class TestSingularCurvature:
    """Two entries of "slow" enter the inner loss by their sum alone, unless there is an l2 term."""

    def flat(self, ridge: float) -> BilevelProblem:
        def inner(w: Any, h: Any, batch: Any) -> Tensor:
            pull = ((w["quick"] - h["target"]) ** 2).sum() / 2 + (w["slow"].sum() - h["target"]) ** 2 / 2
            return pull + ridge / 2 * (w["slow"] ** 2).sum()

        def outer(w: Any, h: Any, batch: Any) -> Tensor:
            return ((w["quick"] - 1.0) ** 2).sum() + (w["slow"][0] - 2.0) ** 2

        parameters = {"quick": torch.zeros(2, dtype=D), "slow": torch.zeros(2, dtype=D)}
        return BilevelProblem(inner, outer, parameters, {"target": torch.tensor(0.5, dtype=D)})

    def train(self, settings: dict[str, Any]) -> Tensor:
        target, ridge = settings["target"], settings["ridge"]
        at = target.detach()
        trained = {"quick": at.expand(2).clone(), "slow": (at / (2.0 + ridge)).expand(2).clone()}
        found = implicit_hypergradient(self.flat(ridge), trained, {"target": at}, most_error=0.1)
        return found.as_loss({"target": target})

    def test_a_trial_keeps_its_value_and_says_which_parameter_is_flat(self) -> None:
        space = tt.Space(target=TARGET, ridge=tt.Categorical([0.0, 0.1]))
        trials = ran(GradientObjective(space, self.train), space, {"target": 0.7, "ridge": 0.0})
        assert trials[0].state is TrialState.COMPLETE
        assert trials[0].observation.gradient is None
        assert re.search(
            r"curvature of the inner loss seen here is .*, not positive, mostly along parameter 'slow'.*"
            r"Next: add an l2 term of parameter 'slow'",
            trials[0].attributes[NO_GRADIENT]["target"],
        )
        later = [trial for trial in trials[1:] if trial.params["ridge"] > 0.0]
        assert later
        assert well(tuple(later))

    def test_curvature_that_is_all_but_zero_counts(self) -> None:
        found = implicit_hypergradient(self.flat(1e-12))
        assert "the inner loss is all but flat along parameter 'slow'" in found.diagnosis or found.error == torch.inf
        assert "'slow'" in found.diagnosis

    @pytest.mark.parametrize("kind", [BoRep, MomentumDescent])
    def test_a_descent_ends_as_diverged_and_says_which(self, kind: Any) -> None:
        space = tt.Space(target=TARGET)
        method = kind(adjoint=ConjugateGradients(), **({"epochs": 1} if kind is BoRep else {}))
        trials = ran(DescentTask(self.flat(0.0), method, space, iterations=2), space, {"target": 0.7})
        assert all(trial.reason is EndReason.DIVERGED for trial in trials)
        told = trials[0].attributes[DIVERGED]
        assert re.search(r"in outer iteration 1 of .*curvature .*parameter 'slow'.*Next: add an l2 term", told)
        trials = ran(DescentTask(self.flat(0.1), method, space, iterations=2), space, {"target": 0.7})
        assert all(trial.state is TrialState.COMPLETE for trial in trials)


class Refuses(torch.autograd.Function):
    """An operation without derivative."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        raise RuntimeError("derivative for my_op is not implemented")


class TestNonDifferentiableOperation:
    SPACE = tt.Space(a=TARGET, b=TARGET)

    @pytest.mark.parametrize(
        ("op", "note", "text"),
        [
            (torch.Tensor.detach, NO_GRADIENT, r"does not depend on it; if it should, look for \.detach\(\)"),
            (torch.Tensor.round, ZERO_GRADIENT, r"the gradient in 'b' is exactly zero: .*round, sign"),
        ],
    )
    def test_a_parameter_that_an_operation_cuts_off_is_noted(self, op: Any, note: str, text: str) -> None:
        trials = ran(
            GradientObjective(self.SPACE, lambda h: (h["a"] - op(h["b"])) ** 2), self.SPACE, {"a": 0.1, "b": 0.2}
        )
        for trial in trials:
            told = trial.attributes[note]
            assert re.search(text, told["b"] if isinstance(told, Mapping) else told)
        assert well(trials)

    def test_an_operation_that_refuses_fails_its_trials_and_no_more_where_asked_to(self) -> None:
        def train(h: dict[str, Any]) -> Tensor:
            return h["a"] ** 2 + (Refuses.apply(h["b"]) if float(h["b"].detach()) > 0.9 else h["b"])

        objective, bad = GradientObjective(self.SPACE, train), {"a": 0.0, "b": 0.95}
        trials = ran(objective, self.SPACE, bad, catch=InvalidArgument)
        assert trials[0].state is TrialState.FAIL
        assert re.search(
            r"the validation loss in \['a', 'b'\] cannot be differentiated \(.*my_op.*Next: replace the operation",
            trials[0].text,
        )
        assert well(trials[1:])
        # Not asked to, the study tells it once the trial is recorded, and can be gone on with.
        study = tt.create_study(space=self.SPACE, storage=None, tuner="random", seed=0)
        study.enqueue_trial(bad)
        with pytest.raises(InvalidArgument, match="my_op"):
            study.optimize(objective, n_trials=4)
        assert study.trials[0].state is TrialState.FAIL
        study.optimize(objective, n_trials=3)
        assert well(study.trials[1:])

    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize(
        ("op", "text"),
        [
            (torch.Tensor.detach, r"parameter 'slow' does not enter the inner loss.*Next: .*\.detach\(\)"),
            (
                Refuses.apply,
                r"the inner loss cannot be differentiated.*\(derivative for my_op.*Next: replace the operat",
            ),
            (lambda x: torch.tensor(x.numpy()), r"the inner loss cannot be computed \(RuntimeError: Can't call numpy"),
        ],
        ids=["detach", "my_op", "numpy"],
    )
    def test_in_a_descent(self, method: Any, op: Any, text: str) -> None:
        task = problem(lambda w, h, b: ((w["quick"] - h["target"]) ** 2).sum() + op(w["slow"]) ** 2)
        space = tt.Space(target=TARGET)
        trials = ran(DescentTask(task, method, space, iterations=2), space, {"target": 0.3}, catch=InvalidArgument)
        assert all(re.search(text, trial.text) for trial in trials)

    def test_the_tensors_that_lead_through_it_are_named(self) -> None:
        task = problem(lambda w, h, b: (w["quick"] ** 2).sum() + Refuses.apply(w["slow"]) * h["target"])
        with pytest.raises(
            InvalidArgument, match=r"inner loss cannot be differentiated \(.*my_op.*\) with respect to \['slow'\]"
        ):
            check_problem(task)
        task = problem(None, lambda w, h, b: w["quick"].sum() + w["slow"] + Refuses.apply(h["target"]))
        with pytest.raises(
            InvalidArgument, match=r"outer loss cannot be differentiated \(.*my_op.*\) with respect to \['target'\]"
        ):
            implicit_hypergradient(task)


class TestWrongShapes:
    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize(
        ("inner", "text"),
        [
            (
                lambda w, h, b: (torch.eye(5, dtype=D) @ w["quick"]).sum(),
                r"the inner loss cannot be computed \(RuntimeError: .*5.*\) with parameters {'quick': \(2,\), 'slow': "
                r"\(\)} and hyperparameters {'target': \(\)}\. Next: compare these names and shapes",
            ),
            (
                lambda w, h, b: w["quikc"].sum(),
                r"the inner loss cannot be computed \(KeyError: 'quikc'\) with parameters {'quick'",
            ),
            (
                lambda w, h, b: (w["quick"] - h["target"]) ** 2,
                r"the inner loss must be a floating-point scalar; got .*shape \(2,\).*allowed: shape \(\)\. Next: red",
            ),
        ],
        ids=["matrix", "name", "loss"],
    )
    def test_in_a_descent(self, method: Any, inner: Any, text: str) -> None:
        space = tt.Space(target=TARGET)
        task = DescentTask(problem(inner), method, space, iterations=2)
        trials = ran(task, space, {"target": 0.3}, catch=(InvalidArgument, InvalidObservation))
        assert all(re.search(text, trial.text) for trial in trials)

    def test_in_a_training_function(self) -> None:
        """Some trials start from tensors of another shape than the problem's."""

        def train(h: dict[str, Any]) -> Tensor:
            task = problem()
            start = {"quick": torch.zeros(h["size"], dtype=D), "slow": torch.zeros((), dtype=D)}
            hyper = {"target": h["target"].detach()}
            found = unrolled_hypergradient(task, GradientDescent(0.5), 5, parameters=start, hyperparameters=hyper)
            return found.as_loss({"target": h["target"]})

        space = tt.Space(target=TARGET, size=tt.Int(2, 3))
        trials = ran(GradientObjective(space, train), space, {"target": 0.3, "size": 3}, catch=InvalidArgument)
        assert re.search(
            r"parameter 'quick' does not have the declared shape.*got .*\(3,\).*allowed: \(2,\)", trials[0].text
        )
        later = tuple(trial for trial in trials[1:] if trial.params["size"] == 2)
        assert later
        assert well(later)

    def test_a_loss_with_an_axis_is_told(self) -> None:
        space = tt.Space(target=TARGET)
        objective = GradientObjective(
            space, lambda h: h["target"] * torch.ones(3 if float(h["target"].detach()) > 0.9 else 1)
        )
        trials = ran(objective, space, {"target": 0.95}, catch=InvalidObservation)
        assert re.search(r"train must return a scalar tensor; got .*\(3,\).*Next: .*\.mean\(\)", trials[0].text)
        assert well(trials[1:])


class TestHyperparameterThatDoesNotEnter:
    @pytest.mark.parametrize("method", METHODS)
    def test_in_a_descent(self, method: Any) -> None:
        space = tt.Space(unused=TARGET)
        task = DescentTask(problem(unused=1.0), method, space, iterations=2)
        trials = ran(task, space, {"unused": 0.5}, catch=InvalidArgument)
        for trial in trials:
            assert re.search(
                r"hyperparameter 'unused' enters neither the outer loss nor .*Next: use it or leave it out", trial.text
            )

    @pytest.mark.parametrize(
        "way",
        [
            implicit_hypergradient,
            lambda task: unrolled_hypergradient(task, GradientDescent(0.5), 3),
        ],
        ids=["implicit", "unrolled"],
    )
    def test_every_way_names_it(self, way: Any) -> None:
        with pytest.raises(InvalidArgument, match="hyperparameter 'unused' enters neither"):
            way(problem(unused=1.0))
        # Tangents cannot tell a derivative that is zero from one that is not there.
        assert "the gradient in 'unused' is exactly zero" in (
            forward_hypergradient(problem(unused=1.0), GradientDescent(0.5), 3).diagnosis
        )

    def test_in_a_training_function(self) -> None:
        space = tt.Space(target=TARGET, unused=TARGET)

        def train(h: dict[str, Any]) -> Tensor:
            hyper = {"target": h["target"].detach()}
            found = unrolled_hypergradient(problem(), GradientDescent(0.5), 5, hyperparameters=hyper)
            return found.as_loss({"target": h["target"]})

        trials = ran(GradientObjective(space, train), space, {"target": 0.5, "unused": 0.1})
        assert well(trials)
        for trial in trials:
            assert set(trial.observation.gradient) == {"target"}
            assert "the loss does not depend on it" in trial.attributes[NO_GRADIENT]["unused"]


class TestNanInTraining:
    def test_in_a_training_function(self) -> None:
        space = tt.Space(target=TARGET, rate=tt.Categorical([0.5, 1e30]))

        def train(h: dict[str, Any]) -> Tensor:
            hyper = {"target": h["target"].detach()}
            found = unrolled_hypergradient(problem(), GradientDescent(h["rate"]), 30, hyperparameters=hyper)
            return found.as_loss({"target": h["target"]})

        trials = ran(GradientObjective(space, train), space, {"target": 0.5, "rate": 1e30})
        assert trials[0].reason is EndReason.DIVERGED
        assert re.search(
            r"the inner loss is not finite at step \d+; got (inf|nan)\. Next: .* parameter 'quick'",
            trials[0].attributes[DIVERGED],
        )
        later = tuple(trial for trial in trials[1:] if trial.params["rate"] == 0.5)
        assert later
        assert well(later)

    def test_in_a_training_loop_of_ones_own(self) -> None:
        space = tt.Space(target=tt.Float(0.0, 1.0))
        trials = ran(GradientObjective(space, lambda h: h["target"].log() * h["target"]), space, {"target": 0.0})
        assert trials[0].reason is EndReason.DIVERGED
        assert re.search(r"the validation loss is nan with {'target': 0.0}\. Next", trials[0].attributes[DIVERGED])
        assert well(trials[1:])

    @pytest.mark.parametrize("method", METHODS)
    def test_in_a_descent(self, method: Any) -> None:
        """The loss takes a square root, which has no value below zero."""

        def inner(w: Any, h: Any, batch: Any) -> Tensor:
            return (w["quick"] ** 2).sum() / 2 + (w["slow"] - h["target"].sqrt()) ** 2 / 2

        space = tt.Space(target=tt.Float(-1.0, 2.0))
        task = DescentTask(problem(inner), method, space, iterations=2)
        trials = ran(task, space, {"target": -0.5})
        assert trials[0].reason is EndReason.DIVERGED
        assert re.search(r"the inner loss is not finite.*Next: .*'", trials[0].attributes[DIVERGED])
        later = tuple(trial for trial in trials[1:] if trial.params["target"] > 0.1)
        assert later
        assert all(trial.state is TrialState.COMPLETE for trial in later)
