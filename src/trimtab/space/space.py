"""The search space: an immutable description of what may be tuned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NoReturn, final

import numpy as np
from numpy.typing import NDArray

from trimtab.base.arrays import dumps
from trimtab.base.errors import InvalidArgument, InvalidParams, InvalidSpace, message, shorten
from trimtab.base.records import Json, Params, ParamValue
from trimtab.space import sampling
from trimtab.space.checks import unknown_name
from trimtab.space.choice import Choice
from trimtab.space.codec import (
    SCHEMA,
    check_schema,
    parameter_body,
    parameter_from_body,
    reading,
    space_body,
    space_from_body,
)
from trimtab.space.columns import Column, Entry, Parameter, count, flatten, hoisted
from trimtab.space.completion import completed, default_raw
from trimtab.space.constraints import Constraint
from trimtab.space.discrete import Bool, Categorical, Constant, Ordinal
from trimtab.space.edits import edited, fills_of, grown, widened_parameter, with_branch
from trimtab.space.encoding import Encoding
from trimtab.space.numeric import Float, Int
from trimtab.space.rows import check_constraint
from trimtab.space.text import shown

__all__ = ["Space", "parameter_from_json", "parameter_to_json"]

Floats = NDArray[np.float64]
LONGEST_NAME = 100_000


@final
class Space:
    """What may be tuned: parameters by name, some of them nested in choices, and rules between them.

    Immutable, hashable, equal where the JSON is equal (order, defaults and priors included).
    In array shapes, n is a number of configurations and d = `len(space)`.

    Arguments:
        parameters: name -> parameter; for names that are no Python identifiers.
        named: the same as keywords.

    Raises:
        InvalidSpace: a name twice, an empty name, or something that is no parameter.

    >>> space = Space(
    ...     lr=Float(1e-5, 1e-1, log=True),
    ...     opt=Choice({"adam": Space(beta2=Float(0.9, 0.9999)), "sgd": None}),
    ... )
    >>> space.names
    ('lr', 'opt', 'opt.adam.beta2')
    >>> space.encode({"lr": 0.01, "opt": "sgd"})
    array([0.01, 1.  ,  nan])
    """

    __slots__ = ("_constraints", "_defaults", "_encoding", "_own", "_own_constraints", "_own_fills", "_text")

    _own: dict[str, Parameter]
    _own_constraints: tuple[Constraint, ...]
    _own_fills: dict[str, ParamValue]
    _encoding: Encoding
    _constraints: tuple[Constraint, ...]
    _defaults: Floats | None
    _text: str | None

    def __init__(self, parameters: Mapping[str, Parameter] | None = None, /, **named: Parameter) -> None:
        given = {} if parameters is None else parameters
        if not isinstance(given, Mapping):
            raise InvalidSpace(message("Space: parameters must be a dict of names to parameters", got=given))
        twice = given.keys() & named.keys()
        if twice:
            raise InvalidSpace(message(f"two parameters have the name {shorten(min(twice))}", do="rename one of them"))
        self._fill({**given, **named}, (), {}, False)

    def _fill(
        self,
        parameters: Mapping[str, Parameter],
        constraints: Sequence[Constraint],
        fills: Mapping[str, ParamValue],
        traced: bool,
    ) -> None:
        """Check and compile everything."""
        for name, parameter in parameters.items():
            _check_parameter(name, parameter)

        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        put("_own", dict(parameters))
        put("_own_constraints", tuple(constraints))
        put("_own_fills", dict(fills))
        put("_text", None)
        put("_defaults", None)
        put("_encoding", Encoding(flatten(self._own), fills_of(self), traced))
        for constraint in constraints:
            check_constraint(constraint, self._encoding.find)
        put("_constraints", tuple(hoisted(self)))

    @classmethod
    def _made(
        cls,
        parameters: Mapping[str, Parameter],
        constraints: Sequence[Constraint] = (),
        fills: Mapping[str, ParamValue] = MappingProxyType({}),
        traced: bool = False,
    ) -> Space:
        """A space from all its parts."""
        space = cls.__new__(cls)
        space._fill(parameters, constraints, fills, traced)
        return space

    @classmethod
    def traced(cls, parameters: Mapping[str, Parameter]) -> Space:
        """The space that a define-by-run objective has shown so far.

        It is flat and may be empty; any of its parameters may be absent from a configuration (nan in
        `encode`). Because such an objective may declare a name differently from one trial to the next,
        encoding lets numbers outside their range through, and takes anything else it does not know as absent.

        Raises:
            InvalidSpace: a `Choice` or a `Constant`, which no objective asks for.
        """
        for name, parameter in parameters.items():
            if isinstance(parameter, Choice | Constant):
                kind = type(parameter).__name__
                raise InvalidSpace(
                    message(f"parameter {shorten(name)}: a {kind} cannot be traced", do="declare a Space instead")
                )
        return cls._made(parameters, traced=True)

    def replaced(
        self,
        parameters: Mapping[str, Parameter] | None = None,
        constraints: Sequence[Constraint] | None = None,
        fills: Mapping[str, ParamValue] | None = None,
    ) -> Space:
        """A copy with some of its own parts (not those of nested spaces) replaced."""
        return Space._made(
            self._own if parameters is None else parameters,
            self._own_constraints if constraints is None else constraints,
            self._own_fills if fills is None else fills,
            self.is_traced,
        )

    # What it is made of.

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Its own parameters by name, those of nested spaces within their `Choice`."""
        return MappingProxyType(self._own)

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        """Its own constraints; `all_constraints` has those of nested spaces too."""
        return self._own_constraints

    @property
    def all_constraints(self) -> tuple[Constraint, ...]:
        """Every constraint, those of nested spaces in full names."""
        return self._constraints

    @property
    def fills(self) -> Mapping[str, ParamValue]:
        """Its own parameters that were added later -> the value that older configurations had in effect."""
        return MappingProxyType(self._own_fills)

    @property
    def is_traced(self) -> bool:
        """Whether it was collected from a define-by-run objective."""
        return self._encoding.traced

    @property
    def columns(self) -> tuple[Column, ...]:
        """The tunable parameters, parents before children: what the d coordinates are."""
        return self._encoding.columns

    @property
    def entries(self) -> dict[str, Entry]:
        """Every full name, constants included, in order -> its `Column` or `Fixed`."""
        return {entry.name: entry for entry in self._encoding.entries}

    @property
    def all_fills(self) -> Mapping[str, ParamValue]:
        """`fills`, those of nested spaces included, by full name."""
        return MappingProxyType(self._encoding.fills)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(column.name for column in self._encoding.columns)

    @property
    def constants(self) -> dict[str, ParamValue]:
        """Full names of the constants -> their values; they stand in params but are no columns."""
        return {entry.name: entry.value for entry in self._encoding.fixed}

    @property
    def size(self) -> int | None:
        """Number of configurations, before constraints; None where one is continuous, or the space traced."""
        return None if self.is_traced else count(self._own)

    def __getitem__(self, name: str) -> Parameter:
        """The parameter, or constant, of a full name."""
        found = self._encoding.find.get(name)
        if found is None:
            raise KeyError(unknown_name(name, self._encoding.names))
        return found[0].parameter

    def __contains__(self, name: object) -> bool:
        """Whether a column or constant has this full name."""
        return name in self._encoding.names

    def __iter__(self) -> Iterator[str]:
        """The names of the columns."""
        return iter(self.names)

    def __len__(self) -> int:
        """Number of columns."""
        return len(self._encoding.columns)

    def __bool__(self) -> bool:
        """Always true: a space without parameters is still a space."""
        return True

    # Params and coordinates.

    def encode(self, params: Params) -> Floats:
        """Raw coordinates (d,): the number itself or the index of the category, nan where inactive.

        Raises:
            InvalidParams: the params do not lie in the space (constraints aside).
        """
        return self._encoding.encode(params)

    def encode_many(self, params: Sequence[Params]) -> Floats:
        """Raw coordinates (n, d) of several configurations.

        Raises:
            InvalidParams: one of them does not lie in the space (constraints aside).
        """
        return self._encoding.encode_many(params)

    def decode(self, raw: Floats) -> dict[str, ParamValue]:
        """The configuration of raw coordinates (d,); the exact inverse of `encode`.

        Raises:
            InvalidParams: an active coordinate is nan or outside its bounds.
        """
        return self._encoding.decode(np.asarray(raw, dtype=np.float64).tolist())

    def decode_many(self, raw: Floats) -> list[dict[str, ParamValue]]:
        """The configurations of raw coordinates (n, d)."""
        return [self._encoding.decode(row) for row in np.asarray(raw, dtype=np.float64).tolist()]

    def to_unit(self, raw: Floats) -> Floats:
        """Raw (n, d) to unit coordinates (n, d) in [0, 1]; nan stays nan. See `trimtab.space.axes`."""
        return self._encoding.units.to_unit(np.asarray(raw, dtype=np.float64))

    def from_unit(self, unit: Floats) -> Floats:
        """Unit coordinates (n, d) to raw ones (n, d): snapped to each grid, within bounds, nan where inactive.

        What inactive entries hold does not matter; entries outside [0, 1] count as the nearer end.
        """
        return self._encoding.from_unit(np.asarray(unit, dtype=np.float64))

    def active(self, raw: Floats) -> NDArray[np.bool_]:
        """Which entries of raw rows (n, d) are active, given the branches chosen in them."""
        return self._encoding.active(np.asarray(raw, dtype=np.float64))

    # Whether params lie in it.

    def validate(self, params: Params) -> None:
        """Check one configuration, constraints included.

        Raises:
            InvalidParams: it does not lie in the space; the text names the parameter or the constraint.
        """
        raw = self.encode(params)
        broken = [c.text for c in self._constraints if not sampling.kept(self._encoding, [c], raw[None, :])[0]]
        if broken:
            raise InvalidParams(
                message("params break a constraint", got=dict(params), allowed=" and ".join(map(repr, broken)))
            )

    def contains(self, params: Params) -> bool:
        """Whether a configuration lies in the space, constraints included."""
        try:
            self.validate(params)
        except InvalidParams:
            return False
        return True

    def feasible(self, params: Params) -> bool:
        """Whether a configuration that is otherwise in order keeps every constraint."""
        return not self._constraints or bool(self.feasible_many(self.encode(params)[None, :])[0])

    def feasible_many(self, raw: Floats) -> NDArray[np.bool_]:
        """Which raw rows (n, d) keep every constraint, shape (n,)."""
        return sampling.kept(self._encoding, self._constraints, np.asarray(raw, dtype=np.float64))

    def require(self, *constraints: Constraint) -> Space:
        """This space with more constraints between its parameters.

        Raises:
            InvalidSpace: a constraint names an unknown parameter, or one that it cannot apply to.
        """
        return self.replaced(constraints=(*self._own_constraints, *constraints))

    # Drawing and filling in.

    def sample(self, rng: np.random.Generator, count: int = 1, *, prior: bool = False) -> list[dict[str, ParamValue]]:
        """Configurations drawn uniformly in unit coordinates, or from the users' priors.

        Raises:
            InvalidSpace: the constraints leave nothing that 10,000 draws in a row would find.
        """
        return self.decode_many(self.sample_raw(rng, count, prior=prior))

    def sample_raw(self, rng: np.random.Generator, count: int = 1, *, prior: bool = False) -> Floats:
        """`sample` as raw coordinates (count, d)."""
        return sampling.draw(self._encoding, self._constraints, rng, count, prior)

    def log_prior(self, raw: Floats) -> Floats:
        """Log density of raw rows (n, d) under the users' priors, shape (n,).

        Relative to uniform draws: 0 without priors, -inf where a category has weight 0.
        Constraints are not accounted for.
        """
        return sampling.log_prior(self._encoding, np.asarray(raw, dtype=np.float64))

    def default_params(self) -> dict[str, ParamValue]:
        """The configuration to begin with: every parameter's default.

        Where that breaks a constraint, a near one that keeps them all.

        Raises:
            InvalidSpace: none was found.
        """
        if self.is_traced:
            return self.decode(self._default_raw())
        return completed(self._encoding, self._constraints, self._default_raw(), {}, {})

    def _default_raw(self) -> Floats:
        """Each column's default coordinate (d,), active or not."""
        if self._defaults is None:
            object.__setattr__(self, "_defaults", default_raw(self._encoding))
        assert self._defaults is not None
        return self._defaults

    def complete(self, partial: Params, base: Params) -> dict[str, ParamValue]:
        """A full configuration with the given values in it.

        The rest comes from `base`, and from the defaults where `base` has nothing that fits. A nested
        name chooses its branch. Where the mixture breaks a constraint, parameters that were not given
        move to the nearest values found that keep all of them.

        Raises:
            InvalidParams: an unknown name, a value outside its range, two names of different branches,
                or values that leave no way to keep the constraints.
        """
        if self.is_traced:
            return {**base, **partial}
        return completed(self._encoding, self._constraints, self._default_raw(), partial, base)

    def levels(self, name: str, most: int) -> list[ParamValue]:
        """Values of one parameter for a grid: evenly spaced on its scale, ends included.

        At most `most` for numbers and ordinals; all of a categorical, which has no order to thin out.

        Raises:
            InvalidArgument: `most` is below 1.
            KeyError: no parameter has this name.
        """
        parameter = self[name]
        if isinstance(parameter, Constant):
            return [parameter.value]
        if most < 1:
            raise InvalidArgument(message(f"levels of {shorten(name)}: most must be at least 1", got=most))
        if parameter.kind == "categorical":
            return list(parameter.choices)
        raw = self._encoding.units.levels(self._encoding.find[name][1], most).tolist()
        if isinstance(parameter, Ordinal):
            return [parameter.choices[int(index)] for index in raw]
        return list(map(int, raw)) if parameter.kind == "int" else raw

    # Migrations.

    def with_choice(self, name: str, value: ParamValue, subspace: Space | None = None) -> Space:
        """A space in which a `Categorical`, `Ordinal` (at its end) or `Choice` has one more value.

        Raises:
            InvalidSpace: no such parameter, a parameter without choices, or a value that is there already.
        """
        return edited(self, name, lambda parameter: with_branch(parameter, name, value, subspace))

    def widened(self, name: str, low: float | None = None, high: float | None = None) -> Space:
        """A space in which a number may go lower or higher.

        Raises:
            InvalidSpace: no such parameter, not a number, or bounds that leave out values of now.
        """
        return edited(self, name, lambda parameter: widened_parameter(parameter, name, low, high))

    def with_parameter(self, name: str, parameter: Parameter, older: ParamValue) -> Space:
        """A space with one more parameter; a dotted name puts it into that branch.

        Arguments:
            older: the value that configurations of before had in effect. It is filled in when they are
                encoded, so that their trials go on counting.

        Raises:
            InvalidSpace: the name is taken, `older` is no value of the parameter, or it is a `Choice`.
        """
        return grown(self, name, parameter, older, name)

    # JSON and text.

    def to_json(self) -> dict[str, Json]:
        """Strict JSON, with the version of its schema."""
        return {"schema": SCHEMA, **space_body(self)}

    @classmethod
    def from_json(cls, data: Json) -> Space:
        """Inverse of `to_json`; a `Predicate` comes back without its function.

        Raises:
            InvalidSpace: JSON of something else, of a newer version, or damaged.
        """
        check_schema(data)
        space: Space = reading("a space", lambda: space_from_body(data, cls._made))
        return space

    def __setattr__(self, name: str, value: object) -> NoReturn:
        """Refuse: a space never changes."""
        raise AttributeError(f"a Space is immutable; cannot set {name!r}; use require, widened, with_choice ...")

    def __eq__(self, other: object) -> bool:
        """Equal JSON, order included."""
        return isinstance(other, Space) and self._json() == other._json()

    def __hash__(self) -> int:
        """Hash of the JSON."""
        return hash(self._json())

    def _json(self) -> str:
        """The JSON as text, made once."""
        if self._text is None:
            object.__setattr__(self, "_text", dumps(self.to_json()))
        assert self._text is not None
        return self._text

    def __reduce__(self) -> tuple[Any, ...]:
        """How it is copied to another process, functions of constraints included."""
        return Space._made, (self._own, self._own_constraints, self._own_fills, self.is_traced)

    def __repr__(self) -> str:
        """The calls that make it, with the texts of predicates in place of their functions."""
        return shown(self)


def parameter_to_json(parameter: Parameter) -> dict[str, Json]:
    """One parameter in strict JSON, without a name: how define-by-run declarations are stored."""
    return {"schema": SCHEMA, **parameter_body(parameter)}


def parameter_from_json(data: Json) -> Parameter:
    """Inverse of `parameter_to_json`.

    Raises:
        InvalidSpace: JSON of something else, of a newer version, or damaged.
    """
    check_schema(data)
    return reading("a parameter", lambda: parameter_from_body(data, Space._made))


def _check_parameter(name: object, parameter: object) -> None:
    """Refuse a name or a parameter that is none."""
    if not isinstance(name, str) or not name or len(name) > LONGEST_NAME:
        raise InvalidSpace(
            message(
                "a parameter's name must be a text", got=name, allowed=f"1 to {LONGEST_NAME} characters of any kind"
            )
        )
    if not isinstance(parameter, Float | Int | Categorical | Ordinal | Bool | Constant | Choice):
        do = f"wrap it as Choice({{{name!r}: Space(...), ...}})" if isinstance(parameter, Space) else ""
        raise InvalidSpace(
            message(
                f"parameter {shorten(name)} is no parameter",
                got=parameter,
                allowed="Float, Int, Categorical, Ordinal, Bool, Constant or Choice",
                do=do,
            )
        )
