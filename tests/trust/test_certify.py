"""Certified optima of a study: in its own units, next to what was selected, and only when asked for."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from trimtab.base.errors import InvalidArgument, UnknownName
from trimtab.base.history import History
from trimtab.base.records import Direction, Objective, Observation
from trimtab.space import Categorical, Constant, Float, Linear, Space
from trimtab.testing.histories import Told, make_history
from trimtab.trust import certify, select
from trimtab.trust.certify import certificate_note

SPACE = Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0), kind=Categorical(["a", "b"]))


def loss(params: dict) -> float:
    return (params["x"] - 0.3) ** 2 + (params["y"] - 0.6) ** 2 + 0.1 * (params["kind"] == "b") - 2.0


def study(n: int = 25, direction: Direction = "minimize", told: Callable[[dict], Told] | None = None) -> History[Space]:
    sign = 1.0 if direction == "minimize" else -1.0
    rows = SPACE.sample(np.random.default_rng(0), n)
    return make_history(SPACE, [(row, sign * loss(row) if told is None else told(row)) for row in rows], [], direction)


def test_the_optimum_of_a_smooth_study_is_found_and_certified() -> None:
    found = certify(study())
    assert found.certified
    assert found.params is not None
    assert found.params["kind"] == "a"
    assert found.params["x"] == pytest.approx(0.3, abs=0.05)
    assert found.params["y"] == pytest.approx(0.6, abs=0.05)
    assert found.value == pytest.approx(-2.0, abs=0.02)
    assert 0.0 <= found.value - found.bound == found.epsilon < 0.02


def test_a_maximised_objective_is_the_same_study_turned_over() -> None:
    down, up = certify(study()), certify(study(direction="maximize"))
    assert (up.params, up.value, up.bound) == (down.params, -down.value, -down.bound)
    assert up.epsilon == down.epsilon


def test_the_last_caveat_compares_the_selected_trial_with_the_optimum() -> None:
    history = study()
    plain, found = select(history), select(history, certify=True)
    assert found.caveats[:-1] == plain.caveats
    assert found.trial == plain.trial
    note, certificate = found.caveats[-1], certify(history)
    assert "By a Gaussian process fitted to 25 trials, the optimum is certified: x=" in note
    assert f"is predicted {certificate.value:.6g}, and no configuration is predicted better than" in note
    assert f"better than {certificate.bound:.6g} (gap {certificate.epsilon:.2g})" in note
    predicted = float(note.rpartition("the selected trial is predicted ")[2].partition(". That")[0])
    assert certificate.bound <= predicted == pytest.approx(found.estimate, abs=0.02)
    assert note.endswith("That is certain of the model, not of the objective.")


def test_a_search_that_was_cut_short_says_so() -> None:
    cut = certify(study(), nodes=3, epsilon=1e-9)
    assert not cut.certified
    assert cut.stopped == "the budget of 3 boxes is spent"
    assert cut.bound <= certify(study()).value
    note = certificate_note(study(), None, 0, seconds=1e-9)
    assert "the optimum could not be certified (the budget of 1e-09 seconds is spent): x=" in note
    assert "the selected trial is predicted" in note


def test_failures_and_pruned_trials_count_as_in_the_tuner() -> None:
    def told(params: dict) -> Told:
        return None if params["x"] < 0.5 else loss(params)

    found = certify(study(40, told=told))
    assert found.params is not None
    assert float(found.params["x"]) > 0.4  # type: ignore[arg-type]


def test_gradients_change_no_certificate() -> None:
    def told(gradient: bool) -> History[Space]:
        places = np.linspace(0.05, 0.95, 9).tolist()
        slopes = [{"x": 2.0 * (x - 0.3)} if gradient else None for x in places]
        rows = [
            ({"x": x}, Observation({"value": (x - 0.3) ** 2}, gradient=slope))
            for x, slope in zip(places, slopes, strict=True)
        ]
        return make_history(Space(x=Float(0.0, 1.0)), rows)

    with_them, without = certify(told(True)), certify(told(False))
    assert with_them.params == without.params
    assert with_them.bound == without.bound


def test_one_of_several_objectives_is_certified() -> None:
    objectives = (Objective("cost"), Objective("gain", "maximize"))
    rows = SPACE.sample(np.random.default_rng(0), 25)
    told = [(row, Observation({"cost": row["y"], "gain": -loss(row)})) for row in rows]
    history = make_history(SPACE, told, objectives=objectives)
    single = certify(study(direction="maximize"))
    assert certify(history, objective="gain").value == single.value
    assert certify(history, objective=0).value == pytest.approx(0.0, abs=0.1)
    assert "is certified" in select(history, objective="gain", certify=True).caveats[-1]
    with pytest.raises(InvalidArgument, match="has several objectives"):
        certify(history)


def test_the_surrogate_is_fitted_to_so_many_observations() -> None:
    assert certify(study(60), most=20).certified
    with pytest.raises(InvalidArgument, match="most must be a whole number; got 0"):
        certify(study(), most=0)


@pytest.mark.parametrize("value", [1e-300, 1e300, -1e300, 0.0])
def test_magnitudes_and_constants_do_not_matter(value: float) -> None:
    found = certify(study(8, told=lambda params: value))
    assert found.certified
    assert found.value == pytest.approx(value, rel=1e-9)


def test_nothing_to_fit_is_an_error_here_and_a_sentence_there() -> None:
    with pytest.raises(UnknownName, match="study 'made' has no trial that is complete and feasible"):
        certify(study(3, told=lambda params: None))
    fixed = make_history(Space(c=Constant(1)), [({"c": 1}, 2.0)])
    with pytest.raises(InvalidArgument, match="study 'made' has a space without parameters"):
        certify(fixed)
    note = select(fixed, certify=True).caveats[-1]
    assert note.startswith("The surrogate's optimum could not be certified: study 'made' has a space without")


def test_a_selected_trial_outside_the_space_has_no_prediction() -> None:
    rows = SPACE.sample(np.random.default_rng(0), 10)
    history = make_history(SPACE, [*((row, loss(row)) for row in rows), ({"x": 7.0, "y": 0.1, "kind": "a"}, -9.0)])
    found = select(history, certify=True)
    assert found.trial == 10
    assert "the selected trial lies outside the space" in found.caveats[-1]


def test_constraints_that_nothing_keeps_are_said_to_be_so() -> None:
    closed = SPACE.require(Linear({"x": 1.0, "y": 1.0}, lower=1.9999999))
    rows = SPACE.sample(np.random.default_rng(0), 10)
    history = make_history(SPACE, [(row, loss(row)) for row in rows]).with_space(closed)
    found = certify(history, nodes=50)
    assert (found.params, found.certified, found.value) == (None, False, math.inf)
    assert math.isnan(found.epsilon)


def test_many_parameters_are_not_all_named() -> None:
    wide = Space({f"p{index}": Categorical(["a", "b"]) for index in range(12)})
    rows = wide.sample(np.random.default_rng(0), 10)
    history = make_history(wide, [(row, float(row["p0"] == "b")) for row in rows])
    assert "p7=" in (note := select(history, certify=True).caveats[-1])
    assert "p8=" not in note
    assert "and 4 more" in note


def test_who_does_not_ask_loads_no_surrogate() -> None:
    code = (
        "import sys, trimtab as tt\n"
        "study = tt.create_study(space=tt.Space(x=tt.Float(0, 1)), tuner='random', seed=0)\n"
        "study.optimize(lambda trial: trial.params['x'], n_trials=3)\n"
        "study.select()\n"
        "print('trimtab.surrogates.gp' in sys.modules, 'scipy.optimize' in sys.modules)\n"
        "print(study.select(certify=True).caveats[-1])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == "False False"
    assert second.startswith("By a Gaussian process fitted to 3 trials")
