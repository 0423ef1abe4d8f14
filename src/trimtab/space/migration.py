"""What differs between two spaces, and whether the trials of the old one still lie in the new one.

A study's space may grow: wider ranges, more choices, finer grids, other defaults, priors or scales,
a constant that becomes tunable. A parameter may be added where `Space.with_parameter` says which
value the older trials had in effect; encoding fills it in, so that they go on counting. Nothing may
be taken away. A constraint may come or go: older trials that break a new one stay as information.
"""

from __future__ import annotations

from collections.abc import Iterator

from trimtab.base.errors import SpaceMismatch, message, shorten
from trimtab.space.choice import Choice
from trimtab.space.columns import Column, Entry, Parameter
from trimtab.space.constraints import Constraint, Predicate
from trimtab.space.containment import lost
from trimtab.space.discrete import Listed
from trimtab.space.numeric import Float, Int
from trimtab.space.space import Space
from trimtab.space.values import show, token

__all__ = ["check_migration", "check_same"]


def check_migration(old: Space, new: Space) -> tuple[str, ...]:
    """Every change from the old space to the new one, in plain words; empty where there is none.

    Raises:
        SpaceMismatch: trials of the old space would not lie in the new one; the text names every
            parameter where that is so.
    """
    if old.is_traced or new.is_traced:
        raise SpaceMismatch(
            message("only declared spaces can be migrated", do="a define-by-run study follows its objective by itself")
        )
    refusals = [*_removed(old, new), *_without_value(old, new), *_fills_lost(old, new)]
    if refusals:
        raise SpaceMismatch(
            message(
                f"trials of the old space would not lie in the new one: {'; '.join(refusals)}",
                allowed="wider ranges, more choices, parameters added by space.with_parameter",
                do="keep what is there, or create a study under another name",
            )
        )
    return (*_changed(old, new), *_added(old, new), *_rules(old, new), *_order(old, new))


def check_same(stored: Space | None, given: Space) -> Space:
    """The space to go on with: the stored one, with the functions of the given one's predicates.

    Arguments:
        stored: the study's declared space; None where it was created without one.
        given: what the program declares now.

    The order in which parameters are written does not matter; the stored one stands, so that a
    resumed study goes on as it would have.

    Raises:
        SpaceMismatch: they differ; the text names every parameter and constraint that does.
    """
    if stored is None:
        raise SpaceMismatch(
            message(
                "this study was created without a space, to define parameters as it goes",
                got=given,
                do="leave the space out, or create a study under another name",
            )
        )
    differences = list(_differences(stored, given))
    if differences:
        raise SpaceMismatch(
            message(
                f"the space given differs from the one this study was created with: {'; '.join(differences)}",
                do="use study.migrate(space) to change the study's space, or create a study under another name",
            )
        )
    return given if stored == given else _with_code(stored, given)


def _differences(stored: Space, given: Space) -> Iterator[str]:
    """What differs, name by name."""
    before, after = stored.entries, given.entries
    for name in dict.fromkeys((*before, *after)):
        one, two = before.get(name), after.get(name)
        if one is None or two is None or _place(one, stored) != _place(two, given) or _own(one) != _own(two):
            yield f"{shorten(name)}: stored {_written(one)}, given {_written(two)}"
    for text in sorted(_texts(stored) ^ _texts(given)):
        where = "stored" if text in _texts(stored) else "given"
        yield f"constraint {text!r}: only in the {where} space"
    if stored.all_fills != given.all_fills:
        yield f"values of added parameters: stored {stored.all_fills!r}, given {given.all_fills!r}"


def _own(entry: Entry) -> str:
    """A parameter as text, spaces of a choice left out, since their parameters are compared by themselves."""
    parameter = entry.parameter
    if isinstance(parameter, Choice):
        return f"Choice({parameter.choices!r}, default={parameter.default!r}, prior={parameter.prior!r})"
    return repr(parameter)


def _written(entry: Entry | None) -> str:
    """A parameter for a message."""
    return "nothing" if entry is None else _own(entry)


def _place(entry: Entry, space: Space) -> tuple[str, object] | None:
    """Under which choice and branch a parameter is active."""
    if entry.parent is None or entry.branch is None:
        return None
    owner = space.columns[entry.parent]
    return owner.name, owner.choices[entry.branch]


def _texts(space: Space) -> frozenset[str]:
    """The constraints as texts, those in code with the branch that they were written for."""
    return frozenset(
        f"{rule.text} (in {rule.prefix[:-1]})" if isinstance(rule, Predicate) and rule.prefix else rule.text
        for rule in space.all_constraints
    )


def _with_code(stored: Space, given: Space) -> Space:
    """The stored space with the predicates of the given one, which have their functions."""
    code = {rule.text: rule for rule in given.constraints if isinstance(rule, Predicate)}
    rules: list[Constraint] = [code.get(rule.text, rule) for rule in stored.constraints]
    parameters: dict[str, Parameter] = {}
    for name, parameter in stored.parameters.items():
        other = given.parameters[name]
        if isinstance(parameter, Choice) and isinstance(other, Choice):
            spaces = [
                None if one is None else _with_code(one, two)
                for one, two in zip(parameter.spaces, other.spaces, strict=True)
            ]
            parameter = parameter.with_spaces(spaces)
        parameters[name] = parameter
    return stored.replaced(parameters, rules)


def _removed(old: Space, new: Space) -> Iterator[str]:
    """Parameters that are gone, live elsewhere, or have lost values."""
    for name, one in old.entries.items():
        two = new.entries.get(name)
        if two is None:
            yield f"{shorten(name)} is gone"
        elif _place(one, old) != _place(two, new):
            yield f"{shorten(name)} belongs to another choice"
        elif (value := lost(two.parameter, one.parameter)) is not None:
            yield f"{shorten(name)} no longer allows {value}"


def _without_value(old: Space, new: Space) -> Iterator[str]:
    """New parameters for which older trials have no value."""
    for name, entry in new.entries.items():
        if name not in old.entries and name not in new.all_fills and not _in_new_branch(entry, old, new):
            yield f"{shorten(name)} is new, and older trials have no value for it"


def _in_new_branch(entry: Entry, old: Space, new: Space) -> bool:
    """Whether no older trial can have chosen the branch that a parameter lives in."""
    place = _place(entry, new)
    if place is None:
        return False
    owner = old.entries.get(place[0])
    return owner is None or (isinstance(owner, Column) and place[1] not in owner.choices)


def _fills_lost(old: Space, new: Space) -> Iterator[str]:
    """Older trials that lack a parameter and could no longer be completed as they were."""
    for name, value in old.all_fills.items():
        if name not in new.all_fills or token(new.all_fills[name]) != token(value):
            yield f"{shorten(name)}: older trials no longer count as {value!r}"


def _changed(old: Space, new: Space) -> Iterator[str]:
    """Parameters that are declared differently, and how."""
    for name, one in old.entries.items():
        two = new.entries[name]
        if _own(one) != _own(two):
            words = list(_words(one.parameter, two.parameter)) or [f"{_own(one)} became {_own(two)}"]
            yield f"{shorten(name)}: {', '.join(words)}"


def _words(one: Parameter, two: Parameter) -> Iterator[str]:
    """How one declaration became another of the same class; nothing where the class differs."""
    if type(one) is not type(two):
        return
    if isinstance(one, Float | Int) and isinstance(two, Float | Int):
        if (one.low, one.high) != (two.low, two.high):
            yield f"range {one.low!r} to {one.high!r} became {two.low!r} to {two.high!r}"
        for part in ("log", "step", "powers_of"):
            was, now = getattr(one, part, None), getattr(two, part, None)
            if was != now:
                yield f"{part} {was!r} became {now!r}"
    if isinstance(one, Listed) and isinstance(two, Listed):
        known = {token(value) for value in one.choices}
        added = tuple(value for value in two.choices if token(value) not in known)
        if added:
            yield f"{show(added)} added"
        elif one.choices != two.choices:
            yield "order of the choices changed"
    for part in ("default", "prior"):
        was, now = getattr(one, part, None), getattr(two, part, None)
        if was != now:
            yield f"{part} {was!r} became {now!r}"


def _added(old: Space, new: Space) -> Iterator[str]:
    """Parameters that were not there."""
    for name, entry in new.entries.items():
        if name in old.entries:
            continue
        fill = f"older trials count as {new.all_fills[name]!r}" if name in new.all_fills else "in a new branch"
        yield f"{shorten(name)} added as {_own(entry)}, {fill}"


def _rules(old: Space, new: Space) -> Iterator[str]:
    """Constraints that came or went."""
    for text in sorted(_texts(new) - _texts(old)):
        yield f"constraint {text!r} added; older trials that break it stay"
    for text in sorted(_texts(old) - _texts(new)):
        yield f"constraint {text!r} removed"


def _order(old: Space, new: Space) -> Iterator[str]:
    """Whether parameters that were there are in another order."""
    if list(old.entries) != [name for name in new.entries if name in old.entries]:
        yield "order of the parameters changed"
