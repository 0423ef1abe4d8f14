"""The live trial: what an objective is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from trimtab.base.errors import InvalidParams, InvalidSpace, message
from trimtab.base.ports import Context
from trimtab.base.records import Json, Params, ParamValue
from trimtab.space import Categorical, Float, Int, Parameter, Space, parameter_to_json

__all__ = ["Trial"]

T = TypeVar("T", float, int, str, bool, None)


class Trial:
    """One configuration being tried. An objective reads `params` or asks with `suggest_*`, and reports.

    With a declared space, `params` is ready, and `suggest_*` gives the same values. Without one, each
    `suggest_*` declares a parameter where it is called, and the study traces them into a space.

    Made by the study; not to be made by hand.
    """

    def __init__(
        self, context: Context, params: Params, space: Space | None, metric: str, block: int | None = None
    ) -> None:
        self._context, self._space, self._metric = context, space, metric
        self._block, self._looked = block, False
        self._proposed = params
        self._params: dict[str, ParamValue] = dict(params) if space is not None else {}
        self._asked: dict[str, Parameter] = {}

    @property
    def number(self) -> int:
        """The trial's number, dense from 0."""
        return self._context.number

    @property
    def params(self) -> dict[str, ParamValue]:
        """The configuration: every active parameter; for define-by-run, what was asked for so far."""
        return dict(self._params)

    @property
    def block(self) -> int | None:
        """In a race (`Study.race`), the block to score the configuration on: a fold, a seed; from 0. Otherwise None."""
        self._looked = True
        return self._block

    @property
    def seed(self) -> int:
        """A seed for the training's own randomness, below 2**32: a function of the study's seed and the number.

        In a race also of the block, so that every evaluation has its own.
        """
        self._looked = True
        return self._context.key.child("seed").integer() % 2**32

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """A number in [low, high].

        Arguments:
            name: the parameter's name.
            low, high: its bounds, both included.
            step: distance between two allowed values; None for a continuous parameter.
            log: search in logarithms; needs low > 0.

        Raises:
            InvalidSpace: impossible bounds, or the name stands for another parameter already.
        """
        return float(self._suggest(name, Float(low, high, step=step, log=log)))  # type: ignore[arg-type]

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """A whole number in [low, high]; arguments and errors as for `suggest_float`."""
        return int(self._suggest(name, Int(low, high, step=step, log=log)))  # type: ignore[arg-type]

    def suggest_categorical(self, name: str, choices: Sequence[T]) -> T:
        """One of the choices, which have no order; errors as for `suggest_float`."""
        return self._suggest(name, Categorical(choices))  # type: ignore[return-value]

    def _suggest(self, name: str, parameter: Parameter) -> ParamValue:
        """The value of a parameter: declared, proposed by the tuner, or drawn here where it is new."""
        if self._space is not None:
            if name not in self._params:
                raise InvalidParams(
                    message(
                        f"trial {self.number} has no parameter {name!r}",
                        got=name,
                        allowed=f"active parameters: {sorted(self._params)}",
                        do="declare it in the study's space, or leave the space out to define parameters as you go",
                    )
                )
            return self._params[name]
        known = self._asked.get(name)
        if known is not None:
            if known != parameter:
                raise InvalidSpace(
                    message(
                        f"trial {self.number} asked for {name!r} twice, as {known} and as {parameter}",
                        do="give each parameter a name of its own",
                    )
                )
            return self._params[name]
        value = self._propose(name, parameter)
        self._asked[name] = parameter
        self._params[name] = value
        self._context.suggested(name, value, parameter_to_json(parameter))
        return value

    def _propose(self, name: str, parameter: Parameter) -> ParamValue:
        """The tuner's value where it has one that fits, else a draw of this trial's own."""
        alone = Space({name: parameter})
        if name in self._proposed and alone.contains({name: self._proposed[name]}):
            return self._proposed[name]
        rng = self._context.key.child(f"suggest/{name}").generator()
        return alone.sample(rng, 1)[0][name]

    def report(self, value: float | Mapping[str, float], step: float) -> None:
        """Tell one point of the trial's curve.

        Arguments:
            value: the objective's present value, or a dict metric name -> value.
            step: where on the curve: epoch, batch, boosting round ...
        """
        metrics = value if isinstance(value, Mapping) else {self._metric: float(value)}
        self._context.report(float(step), metrics)

    def should_prune(self) -> bool:
        """Whether the study's pruner gave this trial up. If so, `raise trimtab.TrialPruned()`."""
        return self._context.should_prune()

    def set_user_attr(self, key: str, value: Json) -> None:
        """Keep something with the trial: any JSON value under a name."""
        self._context.attribute(key, value)

    @property
    def looked_at_block(self) -> bool:
        """Whether `block` or `seed` was asked for: otherwise nothing that is evaluated can depend on the block."""
        return self._looked

    def __repr__(self) -> str:
        """Number and params."""
        return f"Trial(number={self.number}, params={self._params})"
