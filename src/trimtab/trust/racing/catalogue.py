"""The racing tests by name, and as JSON, so that a log can say which test a race was run with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, TypeAlias

from trimtab.base.errors import InvalidArgument, message
from trimtab.base.records import Json
from trimtab.trust.racing.bernstein import EmpiricalBernstein, Hoeffding
from trimtab.trust.racing.betting import Betting
from trimtab.trust.racing.friedman import Friedman
from trimtab.trust.racing.normal_mixture import NormalMixture
from trimtab.trust.racing.predictive import Predictive

__all__ = ["RACING_TESTS", "NamedTest", "racing_test", "racing_test_from_json", "racing_test_to_json"]

NamedTest: TypeAlias = Predictive | NormalMixture | Betting | EmpiricalBernstein | Hoeffding | Friedman

_KINDS: Mapping[str, Any] = {
    "predictive": Predictive,
    "t-test": NormalMixture,
    "betting": Betting,
    "bernstein": EmpiricalBernstein,
    "hoeffding": Hoeffding,
    "f-race": Friedman,
}

RACING_TESTS = tuple(_KINDS)
"""What a racing test may be called."""


def racing_test(test: str | NamedTest) -> NamedTest:
    """A test by its name with its usual settings, or the test itself.

    Raises:
        InvalidArgument: no such name, or a test that no name stands for.
    """
    if isinstance(test, str) and test in _KINDS:
        made: NamedTest = _KINDS[test]()
        return made
    if isinstance(test, str) or type(test) not in _KINDS.values():
        raise InvalidArgument(
            message(
                "unknown racing test",
                got=test,
                allowed=", ".join(RACING_TESTS),
                do="name one of these, or give one with settings, such as trimtab.trust.racing.Predictive(least=5)",
            )
        )
    return test


def racing_test_to_json(test: NamedTest) -> dict[str, Json]:
    """Its name and its settings."""
    name = next(name for name, kind in _KINDS.items() if type(test) is kind)
    return {"name": name, **asdict(test)}


def racing_test_from_json(data: Mapping[str, Json]) -> NamedTest:
    """Inverse of `racing_test_to_json`."""
    settings = dict(data)
    made: NamedTest = _KINDS[settings.pop("name")](**settings)
    return made
