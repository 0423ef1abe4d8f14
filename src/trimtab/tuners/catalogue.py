"""The tuners by name. A tuner's module, and what it imports, is loaded when the name is first used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from trimtab.base.errors import InvalidArgument, UnknownName, message
from trimtab.base.lazy import load
from trimtab.base.ports import Tuner
from trimtab.base.refs import Reference
from trimtab.space import Space

__all__ = ["CATALOGUE", "make_tuner", "references_of"]

CATALOGUE = {
    "auto": "trimtab.tuners.auto:Auto",
    "cma-es": "trimtab.tuners.values.cma_es:CMAES",
    "evolution": "trimtab.tuners.values.evolution:Evolution",
    "gp": "trimtab.tuners.values.gp:GaussianProcess",
    "grid": "trimtab.tuners.values.grid:Grid",
    "portfolio": "trimtab.tuners.values.portfolio:Portfolio",
    "quasi-newton": "trimtab.tuners.values.quasi_newton:QuasiNewton",
    "random": "trimtab.tuners.values.random_search:RandomSearch",
    "sobol": "trimtab.tuners.values.quasi_random:QuasiRandom",
    "tpe": "trimtab.tuners.values.tpe:TPE",
    "trust-region": "trimtab.tuners.values.trust_region:TrustRegion",
}
"""Name -> "module:class" of a tuner that needs no arguments."""

TRANSFER = {
    "default-portfolio": "trimtab.tuners.tasks.transfer.default_portfolio:PORTFOLIO_REFS",
    "pruned-space": "trimtab.tuners.tasks.transfer.pruned_space:PERRONE_2019",
    "quantile-prior": "trimtab.tuners.tasks.transfer.quantile_prior:SALINAS_2020",
    "ranking-weighted": "trimtab.tuners.tasks.transfer.ranking_weighted:FEURER_2018",
}
"""Name of a method that needs a corpus -> where its source, or sources, are."""

WARM = "warm-start/"
"""What a warm start writes before the name of the method that it asked."""


def make_tuner(tuner: str | Tuner[Space]) -> Tuner[Space]:
    """A fresh tuner by its name, or the tuner itself.

    Raises:
        UnknownName: no tuner has this name.
        InvalidArgument: neither a name nor a tuner.

    >>> make_tuner("random").name
    'random'
    """
    if isinstance(tuner, str):
        return cast("Callable[[], Tuner[Space]]", load(_target(tuner)))()
    if isinstance(tuner, type) or not all(hasattr(tuner, part) for part in ("name", "needs", "refs", "ask")):
        raise InvalidArgument(
            message(
                "tuner must be a name or a tuner",
                got=tuner,
                allowed=f"one of {sorted(CATALOGUE)}, or an object with name, needs, refs and ask",
                do="call the class to make a tuner of it" if isinstance(tuner, type) else "",
            )
        )
    return tuner


def references_of(name: str) -> Sequence[Reference]:
    """The sources of a tuner by the name that its suggestions carry; none for a name that is not known here.

    >>> [reference.year for reference in references_of("random")]
    [2012]
    >>> [reference.arxiv for reference in references_of("warm-start/ranking-weighted")]
    ['1802.02219']
    """
    if name in CATALOGUE:
        return make_tuner(name).refs
    method = name.removeprefix(WARM)
    if method not in TRANSFER:
        return ()
    found = cast("Reference | Sequence[Reference]", load(TRANSFER[method]))
    return (found,) if isinstance(found, Reference) else found


def _target(name: str) -> str:
    """Where a tuner is."""
    if name not in CATALOGUE:
        import difflib

        near = difflib.get_close_matches(name, CATALOGUE, n=1)
        raise UnknownName(
            message(
                "there is no tuner of this name",
                got=name,
                allowed=", ".join(sorted(CATALOGUE)),
                do=f"write {near[0]!r}" if near else "",
            )
        )
    return CATALOGUE[name]
