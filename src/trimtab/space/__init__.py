"""Floor 1: the search space. Parameters, nesting, constraints, priors, encoding, JSON, migrations."""

from trimtab.space.axes import Axis
from trimtab.space.choice import Choice
from trimtab.space.columns import Column, Parameter
from trimtab.space.constraints import Constraint, Forbidden, Linear, Ordered, Predicate
from trimtab.space.discrete import Bool, Categorical, Constant, Ordinal
from trimtab.space.migration import check_migration, check_same
from trimtab.space.numeric import Float, Int
from trimtab.space.priors import Normal
from trimtab.space.space import Space, parameter_from_json, parameter_to_json

__all__ = [
    "Axis",
    "Bool",
    "Categorical",
    "Choice",
    "Column",
    "Constant",
    "Constraint",
    "Float",
    "Forbidden",
    "Int",
    "Linear",
    "Normal",
    "Ordered",
    "Ordinal",
    "Parameter",
    "Predicate",
    "Space",
    "check_migration",
    "check_same",
    "parameter_from_json",
    "parameter_to_json",
]
