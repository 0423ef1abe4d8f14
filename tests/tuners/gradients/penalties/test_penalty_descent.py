"""Whole descents as trials: the chain rule, bottoms, what params mean, and nothing lost when a worker is killed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trimtab as tt
from trimtab.base.errors import InvalidArgument, InvalidParams, TrialPruned
from trimtab.base.outcomes import TrialState
from trimtab.space import Space
from trimtab.testing.contexts import RecordingContext
from trimtab.testing.task_kit import TaskKit
from trimtab.tuners.gradients.penalties import (
    LogisticPenalties,
    NotConverged,
    PenaltyDescent,
    RidgePenalties,
    SvmPenalties,
)
from trimtab.tuners.gradients.penalties.penalty_steps import EARLY, PenaltySteps

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
Y = X @ [2.0, -1.0, 0.1, 0.0] + 0.5 * RNG.normal(size=60)
RIDGE = RidgePenalties.from_data(X, Y, folds=3, groups="each")
MIDDLE = dict.fromkeys(RIDGE.space, 1.0)


class TestPenaltyDescent(TaskKit):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "made" / "when needed"

    def make_task(self) -> PenaltyDescent:
        return PenaltyDescent(RIDGE, evaluations=12, checkpoints=self.folder, every=2)


@pytest.mark.parametrize("seed", range(3))
def test_a_loss_whose_logarithm_is_quadratic_in_those_of_the_penalties_is_met_exactly(seed: int) -> None:
    rng = np.random.default_rng(seed)
    low, high = np.array([1e-4, 1e-2, 1.0]), np.array([1e4, 1e2, 1e3])
    half = rng.normal(size=(3, 3))
    bend, bottom = half @ half.T + 0.5 * np.eye(3), np.sqrt(low * high) * np.exp(0.5 * rng.normal(size=3))
    steps = PenaltySteps(low, high, np.sqrt(low * high), tolerance=1e-9)
    losses = []
    while steps.why is None:
        penalties = steps.ask()
        away = np.log(penalties / bottom)
        losses.append(math.exp(0.5 * away @ bend @ away - 20.0))
        steps.tell(losses[-1], losses[-1] * (bend @ away) / penalties)
    assert steps.why == "bottom"
    assert min(losses) == pytest.approx(math.exp(-20.0), rel=1e-9)
    assert len(losses) < 30


def test_penalties_that_reach_their_bounds_are_the_bounds() -> None:
    low, high = np.array([1e-4, 3e-3]), np.array([1e4, 7e5])
    steps = PenaltySteps(low, high, np.ones(2))
    while steps.why is None:
        penalties = steps.ask()
        steps.tell(
            float(penalties[0] / penalties[1]), np.array([1.0 / penalties[1], -penalties[0] / penalties[1] ** 2])
        )
    assert steps.why == "bottom"
    assert penalties.tolist() == [1e-4, 7e5]


@pytest.mark.parametrize(("rival", "why"), [(0.9, "bottom"), (0.5, "hopeless")])
def test_a_descent_that_will_not_come_below_another_is_given_up_but_not_at_once(rival: float, why: str) -> None:
    low, high = np.full(2, 1e-4), np.full(2, 1e4)
    steps, told = PenaltySteps(low, high, np.array([1e-3, 1e2]), rival=rival), 0
    while steps.why is None:
        penalties = steps.ask()
        away = np.log(penalties)
        loss = 0.8 + math.log1p(away @ (away * [1.0, 3.0]))
        steps.tell(loss, 2.0 * away * [1.0, 3.0] / penalties / math.exp(loss - 0.8))
        told += 1
    assert steps.why == why
    assert told > EARLY


@pytest.mark.parametrize("model", [RidgePenalties, LogisticPenalties, SvmPenalties])
def test_a_trial_is_a_descent_to_a_place_without_slope(model: type[RidgePenalties]) -> None:
    task = model.from_data(X, Y if model is RidgePenalties else Y > 0.0, folds=3, groups="each")
    context = RecordingContext()
    told = PenaltyDescent(task, tolerance=1e-9).run(MIDDLE, context)
    end = task.value_and_gradient(context.notes["penalties"])
    assert told.values["value"] == end.value
    # The descent fitted penalties to the examples, so their losses are no evidence for `select`.
    assert told.losses is None
    values = [metrics["value"] for _, metrics in context.reports]
    assert values[0] == task.value(list(MIDDLE.values()))
    assert values == sorted(values, reverse=True)
    assert values[-1] == end.value < values[0]
    last = context.reports[-1][1]
    assert {name: last[name] for name in task.space} == context.notes["penalties"]
    assert (context.notes["descent"]["evaluations"], context.notes["descent"]["failed"]) == (len(values), 0)
    if model is not SvmPenalties:  # whose derivative jumps, so that it may stop at a kink
        assert context.notes["descent"]["why"] == "bottom"
        penalties = np.array(list(context.notes["penalties"].values()))
        slope = end.gradient * penalties / end.value
        inside = ~(((penalties <= 1e-4) & (slope > 0.0)) | ((penalties >= 1e4) & (slope < 0.0)))
        assert np.abs(slope[inside]).max(initial=0.0) < 1e-3


@pytest.mark.parametrize(
    ("starts", "params", "begin"),
    [
        (None, {"penalty_0": 2.0, "penalty_1": 3.0, "penalty_2": 4.0, "penalty_3": 5.0}, [2.0, 3.0, 4.0, 5.0]),
        (Space(start=tt.Float(1e-3, 1e3, log=True)), {"start": 7.0}, [7.0] * 4),
        (Space(start=tt.Float(1e-9, 1e3, log=True)), {"start": 1e-9}, [1e-4] * 4),
        (
            Space(start=tt.Float(1.0, 9.0), penalty_2=tt.Float(0.1, 1.0)),
            {"start": 7.0, "penalty_2": 0.5},
            [7.0, 7.0, 0.5, 7.0],
        ),
        (Space(penalty_1=tt.Float(1.0, 9.0)), {"penalty_1": 5.0}, [1.0, 5.0, 1.0, 1.0]),
    ],
)
def test_what_params_of_the_start_mean(starts: Any, params: Any, begin: list[float]) -> None:
    descent, context = PenaltyDescent(RIDGE, starts, evaluations=1), RecordingContext()
    assert descent.start(params) == pytest.approx(begin)
    descent.run(params, context)
    assert list(context.notes["penalties"].values()) == pytest.approx(begin)
    assert context.notes["descent"]["why"] == "budget"
    with pytest.raises(InvalidParams):
        descent.run({}, context)


@pytest.mark.parametrize(
    ("make", "texts"),
    [
        (lambda: PenaltyDescent(RIDGE, Space(other=tt.Float(1.0, 2.0))), ["'other' of the starts sets no penalty"]),
        (lambda: PenaltyDescent(RIDGE, Space(start=tt.Int(1, 2))), ["'start' of the starts", "Float under one of"]),
        (lambda: PenaltyDescent(RIDGE, evaluations=0), ["the number of evaluations"]),
        (lambda: PenaltyDescent(RIDGE, every=0), ["between checkpoints"]),
        (lambda: PenaltyDescent(RIDGE, tolerance=math.nan), ["the tolerance is a share of the loss"]),
    ],
)
def test_what_cannot_be_is_refused(make: Callable[[], Any], texts: list[str]) -> None:
    with pytest.raises(InvalidArgument) as caught:
        make()
    assert all(text in str(caught.value) for text in texts)


def test_a_trial_that_is_given_up_ends_at_once() -> None:
    context = RecordingContext(patience=3)
    with pytest.raises(TrialPruned, match="after 3 of 200 evaluations"):
        PenaltyDescent(RIDGE).run(MIDDLE, context)
    assert len(context.reports) == 3


@pytest.mark.parametrize("every", [1, 3])
def test_a_run_cut_off_anywhere_ends_the_same_bit_for_bit(tmp_path: Path, every: int) -> None:
    whole_task, context = PenaltyDescent(RIDGE, checkpoints=tmp_path / "whole"), RecordingContext()
    whole = whole_task.run(MIDDLE, context)
    length = len(context.reports)
    for stop in sorted({1, length // 2, length - 1}):
        cut, first = replace(whole_task, checkpoints=tmp_path / f"cut {stop}", every=every), RecordingContext()

        def interrupt(told: RecordingContext = first, stop: int = stop) -> None:
            if len(told.reports) == stop:
                raise KeyboardInterrupt

        first.each = interrupt
        with pytest.raises(KeyboardInterrupt):
            cut.run(MIDDLE, first)
        # A lost trial is run again under another number.
        second = RecordingContext(number=7)
        resumed = cut.run(MIDDLE, second)
        assert resumed.values == whole.values
        assert second.reports == context.reports
        assert second.notes["penalties"] == context.notes["penalties"]
        assert second.notes.get("resumed", {"evaluations": 0})["evaluations"] == stop // every * every


def test_a_descent_at_its_end_is_told_again_without_a_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, fits = PenaltyDescent(RIDGE, checkpoints=tmp_path, evaluations=8), []
    first = made.run(MIDDLE, RecordingContext())
    evaluated = RidgePenalties.value_and_gradient

    def counted(task: RidgePenalties, penalties: Any) -> Any:
        fits.append(penalties)
        return evaluated(task, penalties)

    monkeypatch.setattr(RidgePenalties, "value_and_gradient", counted)
    assert made.run(MIDDLE, RecordingContext()).values == first.values
    assert not fits
    # A shorter task reads a longer one's path, and leaves it as it is; a longer one goes on.
    replace(made, evaluations=3).run(MIDDLE, RecordingContext())
    context = RecordingContext()
    replace(made, evaluations=12).run(MIDDLE, context)
    assert context.notes["resumed"] == {"evaluations": 8, "trial": 0}
    assert context.notes["descent"]["evaluations"] == 12


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b"not a checkpoint"),
        lambda path: path.write_bytes(path.read_bytes()[:-300]),
        lambda path: np.savez(path, run=np.zeros(3, dtype=np.uint8)),
    ],
    ids=["text", "cut", "other arrays"],
)
def test_a_corrupt_checkpoint_is_told_and_set_aside(tmp_path: Path, spoil: Callable[[Path], Any]) -> None:
    made = PenaltyDescent(RIDGE, checkpoints=tmp_path, evaluations=5)
    first, path = made.run(MIDDLE, RecordingContext()), made.checkpoint(MIDDLE)
    assert path is not None
    spoil(path)
    context = RecordingContext()
    assert made.run(MIDDLE, context).values == first.values
    assert "is corrupt" in context.notes["checkpoint set aside"]
    assert len(list(tmp_path.glob("*.bad"))) == 1


def test_a_checkpoint_belongs_to_its_examples_start_and_settings(tmp_path: Path) -> None:
    made = PenaltyDescent(RIDGE, checkpoints=tmp_path, evaluations=5)
    moved = Y.copy()
    moved[7] += 1e-12
    others = [
        made.checkpoint(MIDDLE | {"penalty_0": 2.0}),
        replace(made, tolerance=1e-2).checkpoint(MIDDLE),
        replace(made, task=RidgePenalties.from_data(X, moved, folds=3, groups="each")).checkpoint(MIDDLE),
        replace(made, task=RidgePenalties.from_data(X, Y, folds=3, groups="each", intercept=False)).checkpoint(MIDDLE),
        replace(made, task=RidgePenalties.from_data(X, Y, folds=3, groups="each", high=1e5)).checkpoint(MIDDLE),
    ]
    assert len({made.checkpoint(MIDDLE), *others}) == 6
    made.run(MIDDLE, RecordingContext())
    path, other = made.checkpoint(MIDDLE), others[0]
    assert path is not None
    assert other is not None
    other.write_bytes(path.read_bytes())
    context = RecordingContext()
    made.run(MIDDLE | {"penalty_0": 2.0}, context)
    assert "is foreign" in context.notes["checkpoint set aside"]


def test_penalties_that_cannot_be_fitted_are_failed_steps_and_such_a_start_is_divergence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    evaluated = RidgePenalties.value_and_gradient

    def only_near(task: RidgePenalties, penalties: Any) -> Any:
        if np.max(penalties) > 2.0:
            raise NotConverged("too far")
        return evaluated(task, penalties)

    monkeypatch.setattr(RidgePenalties, "value_and_gradient", only_near)
    context = RecordingContext()
    told = PenaltyDescent(RIDGE).run(MIDDLE, context)
    assert context.notes["descent"]["failed"] > 0
    assert context.notes["not converged"] == "too far"
    assert told.values["value"] < context.reports[0][1]["value"]
    study = tt.create_study(space=RIDGE.space, seed=0)
    study.enqueue_trial(MIDDLE | {"penalty_3": 3.0})
    study.enqueue_trial(MIDDLE)
    study.optimize(PenaltyDescent(RIDGE), n_trials=2)
    assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.COMPLETE]
    assert study.trials[0].attributes["descent"]["why"] == "no start"


def test_a_loss_of_zero_ends_a_descent() -> None:
    far = np.array([[-9.0], [-8.0], [8.0], [9.0]])
    task, context = SvmPenalties((far, [0, 0, 1, 1]), (100.0 * far, [0, 0, 1, 1])), RecordingContext()
    assert PenaltyDescent(task).run({"penalty": 1.0}, context).values["value"] == 0.0
    assert context.notes["descent"]["why"] == "zero"


def test_a_study_over_starts_keeps_the_best_of_them_and_its_penalties() -> None:
    descent = PenaltyDescent(RIDGE, Space(start=tt.Float(1e-3, 1e3, log=True)))
    study = tt.create_study(space=descent.space, seed=0)
    study.optimize(descent, n_trials=3)
    best = study.best_trial.attributes["penalties"]
    assert RIDGE.value(best) == study.best_value
    assert RIDGE.fit(best).coefficients.shape == (4,)
