"""A wrapper changes one thing, and that by as much as it says."""

from __future__ import annotations

import numpy as np
import pytest

from trimtab.base.errors import InvalidArgument
from trimtab.base.seeds import Key
from trimtab.benchmarks import CategoricalCopies, Delayed, Noisy, Problem, Shifted
from trimtab.benchmarks.problems.bbob import Bbob
from trimtab.benchmarks.registry import quiet_name

SPHERE = Bbob(1, 3)
POINT = {"x0": 0.5, "x1": -1.0, "x2": 2.0}


def value_of(problem: Problem, params: dict[str, object], key: Key = Key(0)) -> float:  # noqa: B008  # frozen
    (value,) = problem.evaluate(params, key).values.values()  # type: ignore[arg-type]  # params of that problem
    return value


def test_noise_is_drawn_by_the_key_with_the_stated_spread() -> None:
    noisy = Noisy(SPHERE, 0.5, scale=4.0)
    draws = np.array([value_of(noisy, POINT, Key(0, trial)) for trial in range(2000)])
    assert value_of(noisy, POINT, Key(0, 5)) == draws[5]
    # Mean and standard deviation of 2,000 draws lie within 5 standard errors with probability above 0.99999.
    assert abs(draws.mean() - value_of(SPHERE, POINT)) < 5 * 2.0 / np.sqrt(2000)
    assert abs(draws.std(ddof=1) - 2.0) < 5 * 2.0 / np.sqrt(2 * 2000)


def test_the_scale_of_the_noise_is_the_interquartile_range() -> None:
    scale = Noisy(SPHERE, 1.0).scale
    drawn = SPHERE.space().sample(np.random.default_rng(0), 4000)
    low, high = np.quantile([value_of(SPHERE, params) for params in drawn], [0.25, 0.75])
    assert scale == pytest.approx(high - low, rel=0.35)
    assert scale == Noisy(Bbob(1, 3), 2.0).scale


def test_a_shift_moves_the_optimum_and_keeps_the_values() -> None:
    shifted = Shifted(SPHERE, 4)
    assert value_of(Shifted(SPHERE, 4), POINT) == value_of(shifted, POINT)
    assert value_of(Shifted(SPHERE, 5), POINT) != value_of(shifted, POINT)
    space = SPHERE.space()
    unit = space.to_unit(space.encode(SPHERE.optimum)[None, :]) - shifted._shift
    there = space.decode(space.from_unit(unit % 1.0)[0])
    assert value_of(shifted, there) == pytest.approx(0.0, abs=1e-12)


def test_categorical_copies_hold_the_levels_and_nothing_else() -> None:
    copies = CategoricalCopies(SPHERE, 5)
    assert copies.space().size == 125
    assert {column.kind for column in copies.space().columns} == {"categorical"}
    levels = np.linspace(-5.0, 5.0, 5)
    for params in copies.space().sample(np.random.default_rng(0), 10):
        point = {name: float(levels[int(str(label).removeprefix("level "))]) for name, label in params.items()}
        assert value_of(copies, params) == pytest.approx(value_of(SPHERE, point))
    with pytest.raises(InvalidArgument, match="2 or more"):
        CategoricalCopies(SPHERE, 1)
    with pytest.raises(InvalidArgument, match="real numbers only"):
        CategoricalCopies(copies, 3)


def test_delays_are_log_normal_and_leave_the_value_alone() -> None:
    delayed = Delayed(SPHERE, 0.5)
    told = [delayed.evaluate(POINT, Key(0, trial)) for trial in range(2000)]
    assert {observation.values["value"] for observation in told} == {value_of(SPHERE, POINT)}
    logs = np.log([observation.cost or 0.0 for observation in told])
    assert abs(logs.mean()) < 5 * 0.5 / np.sqrt(2000)
    assert abs(logs.std(ddof=1) - 0.5) < 5 * 0.5 / np.sqrt(2 * 2000)


def test_wrappers_stack_and_only_noise_is_taken_off() -> None:
    stacked = Delayed(Noisy(Shifted(SPHERE, 1), 0.1), 0.5)
    assert stacked.name == "bbob-f1-d3+shifted:1+noisy:0.1+delayed:0.5"
    assert quiet_name(stacked.name) == "bbob-f1-d3+shifted:1+delayed:0.5"
    assert value_of(stacked, POINT, Key(0, 1)) == value_of(Noisy(Shifted(SPHERE, 1), 0.1), POINT, Key(0, 1))
