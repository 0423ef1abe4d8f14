"""`Choice`: a categorical parameter whose branches bring parameters of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from trimtab.base.errors import InvalidSpace, message
from trimtab.space.discrete import Listed, Weights

__all__ = ["Choice", "Nested"]


@runtime_checkable
class Nested(Protocol):
    """What a branch must be: a `trimtab.space.Space` (named by what is needed of it, which spares a circle)."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Its own parameters by name."""
        ...

    @property
    def constraints(self) -> tuple[Any, ...]:
        """Its own constraints."""
        ...

    @property
    def fills(self) -> Mapping[str, Any]:
        """Values of its own parameters that older configurations lack."""
        ...

    @property
    def is_traced(self) -> bool:
        """Whether it was collected from a define-by-run objective."""
        ...


@dataclass(frozen=True, slots=True, eq=False, repr=False, init=False)
class Choice(Listed):
    """One of several branches; each may hold a space, whose parameters are active only in that branch.

    The parameter itself has the branch's name as its value. A nested parameter is called
    "choice.branch.parameter" in the params, and so on for any depth.

    Arguments:
        branches: branch name -> its space, or None where it has no parameters.
        default: name of the branch to begin with; by default the likeliest, or else the first.
        prior: one weight per branch, in order or as a dict.

    Raises:
        InvalidSpace: no branches, a name that is no text, or something that is no space.
    """

    spaces: tuple[Any, ...]

    def __init__(
        self, branches: Mapping[str, Any], *, default: str | None = None, prior: Weights | None = None
    ) -> None:
        """Check everything; see the class."""
        if not isinstance(branches, Mapping):
            raise InvalidSpace(message("Choice: branches must be a dict", got=branches, allowed="name: Space or None"))
        for name, space in branches.items():
            if not isinstance(name, str) or not name:
                raise InvalidSpace(message("Choice: a branch's name must be a text", got=name))
            if space is not None and (not isinstance(space, Nested) or space.is_traced):
                raise InvalidSpace(message(f"Choice: branch {name!r} must be a Space or None", got=space))
        object.__setattr__(self, "spaces", tuple(branches.values()))
        self._set(branches, default, prior)

    @property
    def branches(self) -> dict[str, Any]:
        """Branch name -> its space, or None."""
        return {str(name): space for name, space in zip(self.choices, self.spaces, strict=True)}

    def with_spaces(self, spaces: Iterable[Any]) -> Choice:
        """The same choice with other spaces in its branches."""
        default = self.default if isinstance(self.default, str) else None
        return Choice(dict(zip(self.branches, spaces, strict=True)), default=default, prior=self.prior)

    def __repr__(self) -> str:
        """As it was written, defaults left out."""
        return self._shown(repr(self.branches))
