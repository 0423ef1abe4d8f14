"""Parameters and constraints in strict JSON, under one schema version.

A space is {"schema": 1, "parameters": [{"name", "kind", ...}, ...], "constraints": [...]}, and a nested
one the same without the version. Parameters are a list, not an object, because their order matters
and databases sort an object's keys. Parts that say nothing (no step, no prior) are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from trimtab.base.errors import InvalidSpace, message, shorten
from trimtab.base.records import Json, ParamValue
from trimtab.space.choice import Choice, Nested
from trimtab.space.columns import Parameter
from trimtab.space.constraints import Constraint, Forbidden, Linear, Ordered, Predicate
from trimtab.space.discrete import Bool, Categorical, Constant, Ordinal
from trimtab.space.numeric import Float, Int
from trimtab.space.priors import Normal

__all__ = [
    "SCHEMA",
    "check_schema",
    "constraint_from_json",
    "constraint_to_json",
    "parameter_body",
    "parameter_from_body",
    "reading",
    "space_body",
    "space_from_body",
]

Make: TypeAlias = Callable[[Mapping[str, Parameter], Sequence[Constraint], Mapping[str, ParamValue], bool], Any]
"""Builds a space of its parameters, constraints, fills, and whether it is traced."""

SCHEMA = 1
"""Version of the JSON written here. What an older one lacks is added on reading; a newer one is refused."""


def check_schema(data: Json) -> None:
    """Refuse JSON that another kind of program, or a newer trimtab, has written."""
    schema = data.get("schema") if isinstance(data, Mapping) else None
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise InvalidSpace(message("this is no space's JSON: it has no schema version", got=data))
    if schema > SCHEMA:
        raise InvalidSpace(
            message(
                "this space was written by a newer version of trimtab",
                got=f"schema {schema}",
                allowed=f"schema 1 to {SCHEMA}",
                do="upgrade trimtab",
            )
        )


def parameter_body(parameter: Parameter) -> dict[str, Json]:
    """A parameter without name and schema version."""
    body: dict[str, Json]
    if isinstance(parameter, Constant):
        return {"kind": "constant", "value": parameter.value}
    if isinstance(parameter, Float | Int):
        body = _number_body(parameter)
    elif isinstance(parameter, Choice):
        branches = [[name, None if space is None else space_body(space)] for name, space in parameter.branches.items()]
        body = {"kind": "choice", "branches": branches}
    elif isinstance(parameter, Bool):
        body = {"kind": "bool"}
    else:
        body = {"kind": parameter.kind, "choices": list(parameter.choices)}
    if parameter.default is not None:
        body["default"] = parameter.default
    if isinstance(parameter.prior, Normal):
        body["prior"] = [parameter.prior.location, parameter.prior.width]
    elif parameter.prior is not None:
        body["prior"] = list(parameter.prior)
    return body


def _number_body(parameter: Float | Int) -> dict[str, Json]:
    """The part of a number's JSON that only numbers have."""
    body: dict[str, Json] = {"kind": parameter.kind, "low": parameter.low, "high": parameter.high}
    if parameter.log:
        body["log"] = True
    if parameter.step is not None and not (isinstance(parameter, Int) and parameter.step == 1):
        body["step"] = parameter.step
    if isinstance(parameter, Int) and parameter.powers_of is not None:
        body["powers_of"] = parameter.powers_of
    return body


def parameter_from_body(body: Json, make: Make) -> Parameter:
    """Inverse of `parameter_body`; `make` builds the spaces of a `Choice`.

    Raises:
        InvalidSpace: an unknown kind, or numbers that make no parameter.
    """
    kind, default, prior = body["kind"], body.get("default"), body.get("prior")
    if kind in ("float", "int"):
        options = {name: body[name] for name in ("log", "step", "powers_of") if name in body}
        belief = None if prior is None else Normal(*prior)
        number = Float if kind == "float" else Int
        return number(body["low"], body["high"], default=default, prior=belief, **options)
    if kind == "constant":
        return Constant(body["value"])
    if kind == "bool":
        return Bool(default=default, prior=None if prior is None else prior[1])
    if kind in ("categorical", "ordinal"):
        listed = Categorical if kind == "categorical" else Ordinal
        return listed(body["choices"], default=default, prior=prior)
    if kind == "choice":
        branches = {name: None if space is None else space_from_body(space, make) for name, space in body["branches"]}
        return Choice(branches, default=default, prior=prior)
    raise InvalidSpace(message("unknown kind of parameter", got=kind, do="upgrade trimtab"))


def space_body(space: Nested) -> dict[str, Json]:
    """A space without schema version."""
    body: dict[str, Json] = {"parameters": [{"name": n, **parameter_body(p)} for n, p in space.parameters.items()]}
    if space.constraints:
        body["constraints"] = [constraint_to_json(constraint) for constraint in space.constraints]
    if space.fills:
        body["fills"] = [[name, value] for name, value in space.fills.items()]
    if space.is_traced:
        body["traced"] = True
    return body


def space_from_body(data: Json, make: Make) -> Any:
    """Inverse of `space_body`.

    Raises:
        InvalidSpace: a name twice, or parts that make no space.
    """
    found: dict[str, Parameter] = {}
    for item in data["parameters"]:
        name = item["name"]
        if name in found:
            raise InvalidSpace(message(f"two parameters have the name {shorten(name)}", do="rename one of them"))
        found[name] = parameter_from_body(item, make)
    constraints = [constraint_from_json(item) for item in data.get("constraints", ())]
    return make(found, constraints, dict(data.get("fills", ())), bool(data.get("traced", False)))


def constraint_to_json(constraint: Constraint) -> dict[str, Json]:
    """One constraint; of a `Predicate` only its text."""
    if isinstance(constraint, Linear):
        pairs = [[name, number] for name, number in constraint.coefficients.items()]
        return {"kind": "linear", "coefficients": pairs, "upper": constraint.upper, "lower": constraint.lower}
    if isinstance(constraint, Ordered):
        return {"kind": "ordered", "names": list(constraint.order), "strict": constraint.strict}
    if isinstance(constraint, Forbidden):
        return {"kind": "forbidden", "combination": [[name, v] for name, v in constraint.combination.items()]}
    return {"kind": "predicate", "text": constraint.text}


def constraint_from_json(data: Json) -> Constraint:
    """Inverse of `constraint_to_json`; a `Predicate` comes without its function.

    Raises:
        InvalidSpace: an unknown kind.
    """
    kind = data["kind"]
    if kind == "linear":
        return Linear(dict(data["coefficients"]), upper=data["upper"], lower=data["lower"])
    if kind == "ordered":
        return Ordered(*data["names"], strict=data["strict"])
    if kind == "forbidden":
        return Forbidden(dict(data["combination"]))
    if kind == "predicate":
        return Predicate(None, data["text"])
    raise InvalidSpace(message("unknown kind of constraint", got=kind, do="upgrade trimtab"))


T = TypeVar("T")


def reading(what: str, read: Callable[[], T]) -> T:
    """The result of `read`, whose complaints about missing or misshapen parts become one clear error.

    Raises:
        InvalidSpace: the JSON is damaged, or describes what cannot be.
    """
    try:
        return read()
    except InvalidSpace:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidSpace(
            message(
                f"the JSON of {what} cannot be read ({type(error).__name__}: {error})",
                do="restore it as it was written",
            )
        ) from error
