"""Problems made of problems: with noise, moved, in categories, or of a length on the simulated clock.

A wrapper changes one thing and is a problem again, so that they can be put on one another; its part of
the name is how the registry makes it again.
"""

from __future__ import annotations

from typing import final

import numpy as np

from trimtab.base.errors import InvalidArgument, message
from trimtab.base.records import Observation, Params, ParamValue
from trimtab.base.seeds import Key
from trimtab.benchmarks.problem import Problem
from trimtab.space import Categorical, Space

__all__ = ["CategoricalCopies", "Delayed", "Noisy", "Shifted"]


def _value(observation: Observation) -> float:
    """The one value of an observation."""
    (value,) = observation.values.values()
    return value


def _checked(amount: float, what: str) -> float:
    """A wrapper's amount.

    Raises:
        InvalidArgument: it is not above zero.
    """
    if not amount > 0.0:
        raise InvalidArgument(message(f"{what} must be above zero", got=amount))
    return amount


@final
class Noisy:
    """Each value with Gaussian noise of its own.

    Arguments:
        problem: the problem underneath.
        level: standard deviation of the noise, in units of `scale`.
        scale: by default the interquartile range of the problem's values over 200 uniform configurations
            drawn with a fixed seed: the spread of a typical value, which no few extreme ones decide.
    """

    def __init__(self, problem: Problem, level: float, scale: float | None = None) -> None:
        self._problem, self._level, self._scale = problem, _checked(level, "the level of the noise"), scale
        self.name = f"{problem.name}+noisy:{level:g}"

    def space(self) -> Space:
        """That of the problem underneath."""
        return self._problem.space()

    def evaluate(self, params: Params, key: Key) -> Observation:
        """The value and the noise that the key draws."""
        told = self._problem.evaluate(params, key)
        noise = key.child("noise").generator().standard_normal()
        return told.replace(values=_value(told) + self._level * self.scale * noise)

    def noiseless(self, params: Params) -> float:
        """The value underneath."""
        return _value(self._problem.evaluate(params, Key(0)))

    @property
    def scale(self) -> float:
        """What a level of one means, in the units of the value."""
        if self._scale is None:
            key = Key(0, purpose="scale of the noise")
            drawn = self.space().sample(key.generator(), 200)
            values = np.array([_value(self._problem.evaluate(params, key)) for params in drawn])
            low, high = np.quantile(values[np.isfinite(values)], [0.25, 0.75])
            self._scale = float(high - low)
        return self._scale


@final
class Shifted:
    """A problem of real numbers moved within its box, ends joined, by a random vector.

    A coordinate that leaves the box at one end comes in at the other: the values are those of the
    problem underneath, none is lost, and the optimum is anywhere. The price is a step where the ends meet.

    Arguments:
        problem: the problem underneath; every parameter is a `Float`.
        seed: of the vector.

    Raises:
        InvalidArgument: a parameter is no `Float`.
    """

    def __init__(self, problem: Problem, seed: int) -> None:
        self._problem, self._space = problem, problem.space()
        _check_floats(self._space, "Shifted")
        self._shift = Key(seed, purpose="shift").generator().random(len(self._space))
        self.name = f"{problem.name}+shifted:{seed}"

    def space(self) -> Space:
        """That of the problem underneath."""
        return self._space

    def evaluate(self, params: Params, key: Key) -> Observation:
        """The value of the configuration that lies one shift further."""
        unit = self._space.to_unit(self._space.encode(params)[None, :])
        moved = self._space.from_unit((unit + self._shift) % 1.0)
        return self._problem.evaluate(self._space.decode(moved[0]), key)


@final
class CategoricalCopies:
    """Each real number replaced by a categorical over evenly spaced levels of its scale, their order not told.

    Arguments:
        problem: the problem underneath; every parameter is a `Float`.
        levels: how many, 2 or more; both ends of the scale are among them.

    Raises:
        InvalidArgument: fewer than 2 levels, or a parameter is no `Float`.
    """

    def __init__(self, problem: Problem, levels: int) -> None:
        if levels < 2:
            raise InvalidArgument(message("CategoricalCopies needs levels", got=levels, allowed="2 or more"))
        self._problem = problem
        space = problem.space()
        _check_floats(space, "CategoricalCopies")
        self._levels = {name: _evenly(space, name, levels) for name in space.names}
        self.name = f"{problem.name}+categorical:{levels}"

    def space(self) -> Space:
        """Categoricals over "level 0", "level 1" ..."""
        return Space(
            {
                name: Categorical([_label(place) for place in range(len(values))])
                for name, values in self._levels.items()
            }
        )

    def evaluate(self, params: Params, key: Key) -> Observation:
        """The value at the levels that were chosen."""
        chosen = {name: values[_place(params[name])] for name, values in self._levels.items()}
        return self._problem.evaluate(chosen, key)


@final
class Delayed:
    """An evaluation takes a random time on the simulated clock, so that parallel ones end out of order.

    The time is log-normal with median one second (or what the problem underneath tells as its cost).

    Arguments:
        problem: the problem underneath.
        spread: standard deviation of the logarithm of the time.
    """

    def __init__(self, problem: Problem, spread: float) -> None:
        self._problem, self._spread = problem, _checked(spread, "the spread of the delays")
        self.name = f"{problem.name}+delayed:{spread:g}"

    def space(self) -> Space:
        """That of the problem underneath."""
        return self._problem.space()

    def evaluate(self, params: Params, key: Key) -> Observation:
        """The value, with its time as `cost`, seconds."""
        told = self._problem.evaluate(params, key)
        factor = float(np.exp(self._spread * key.child("delay").generator().standard_normal()))
        return told.replace(cost=(1.0 if told.cost is None else told.cost) * factor)


def _check_floats(space: Space, what: str) -> None:
    """Refuse a space with anything but real numbers."""
    others = [column.name for column in space.columns if column.kind != "float"]
    if others:
        raise InvalidArgument(message(f"{what} is for problems of real numbers only", got=others[0], allowed="Float"))


def _evenly(space: Space, name: str, levels: int) -> list[float]:
    """Evenly spaced values of a real number's scale, ends included."""
    return [level for level in space.levels(name, levels) if isinstance(level, float)]


def _label(place: int) -> str:
    return f"level {place}"


def _place(label: ParamValue) -> int:
    return int(str(label).removeprefix("level "))
