"""Hypothesis strategies: parameters, spaces, params, observations, events and whole logs.

They are made to find trouble: names of any characters, bounds at the edges of float64, values that
differ in nothing but their type, nesting, observations that are nan. Needs the package `hypothesis`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from trimtab.base import events as ev
from trimtab.base.fold import admit, advance_study, advance_trial, changes_study
from trimtab.base.holdout import HoldoutAnswer
from trimtab.base.outcomes import EndReason, TrialState
from trimtab.base.records import FrozenTrial, Objective, Observation, ParamValue, StudyRecord
from trimtab.base.seeds import Key
from trimtab.space import (
    Bool,
    Categorical,
    Choice,
    Constant,
    Constraint,
    Float,
    Forbidden,
    Int,
    Linear,
    Normal,
    Ordered,
    Ordinal,
    Parameter,
    Space,
    parameter_to_json,
)

__all__ = [
    "choices",
    "events",
    "floats",
    "holdout_answers",
    "ints",
    "json_values",
    "listed",
    "logs",
    "names",
    "objectives",
    "observations",
    "param_values",
    "parameters",
    "params",
    "spaces",
    "texts",
]

finite = st.floats(allow_nan=False, allow_infinity=False)
moments = st.floats(min_value=0.0, max_value=4e9)

# Strategies that are built inside others at every draw cost more than what they draw; these are built once.
_pair_of_floats = st.lists(finite, min_size=2, max_size=2, unique=True).map(sorted)
_pair_of_positive = st.lists(st.floats(5e-324, allow_infinity=False), min_size=2, max_size=2, unique=True).map(sorted)
_pair_of_ints = st.lists(st.integers(-(2**39), 2**39), min_size=2, max_size=2, unique=True).map(sorted)
_pair_of_counts = st.lists(st.integers(1, 2**40), min_size=2, max_size=2, unique=True).map(sorted)
_pair_of_exponents = st.lists(st.integers(0, 20), min_size=2, max_size=2, unique=True).map(sorted)
_decimal_grid = st.tuples(st.integers(0, 4), st.integers(-10_000, 10_000), st.integers(1, 500), st.integers(1, 50))
_integer_grid = st.tuples(st.integers(-(2**30), 2**30), st.integers(1, 1000), st.integers(1, 1000))
_share = st.floats(0.0, 1.0)
_default_and_prior = st.sampled_from([(False, False), (True, False), (False, True), (True, True)])
_width = st.floats(0.05, 2.0)
_texts = st.text(max_size=8)
_names = st.text(min_size=1, max_size=8) | st.text("ab.", min_size=1, max_size=5)
_values = st.none() | st.booleans() | st.integers() | finite | _texts
_choices = st.lists(_values, min_size=1, max_size=5, unique_by=lambda value: (type(value), value))


def texts(longest: int = 8) -> st.SearchStrategy[str]:
    """Any text without lone surrogates, which UTF-8 cannot hold."""
    return _texts if longest == 8 else st.text(max_size=longest)


def names() -> st.SearchStrategy[str]:
    """Names of any characters, dots, quotes and line breaks included."""
    return _names


def param_values() -> st.SearchStrategy[ParamValue]:
    """Values that a category or constant may have."""
    return _values


@cache
def json_values() -> st.SearchStrategy[Any]:
    """Strict JSON of any shape."""
    leaves = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | finite | _texts
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3), max_leaves=4
    )


# Parameters.


@st.composite
def floats(draw: st.DrawFn) -> Float:
    """A `Float` of any kind: anywhere in float64, logarithmic, stepped, with default or prior."""
    kind = draw(st.sampled_from(["linear", "log", "step"]))
    parts: dict[str, Any] = {"log": kind == "log"}
    has_default, has_prior = draw(_default_and_prior)
    if kind == "step":
        digits, first, step, count = draw(_decimal_grid)
        scale = 10**digits
        low, high, parts["step"] = first / scale, (first + step * count) / scale, step / scale
        default = (first + step * (count // 2)) / scale
    else:
        low, high = draw(_pair_of_floats if kind == "linear" else _pair_of_positive)
        # A pair such as 0.0 and -0.0 is unique to Hypothesis and equal to everyone else.
        assume(low < high)
        default = min(max(low + draw(_share) * (high / 2 - low / 2), low), high)
    if has_default:
        parts["default"] = default
    if has_prior:
        parts["prior"] = Normal(default, draw(_width))
    return Float(low, high, **parts)


@st.composite
def ints(draw: st.DrawFn) -> Int:
    """An `Int` of any kind: plain, logarithmic, stepped, powers; exact in unit coordinates too."""
    kind = draw(st.sampled_from(["plain", "log", "step", "powers"]))
    parts: dict[str, Any] = {}
    if kind == "powers":
        base = draw(st.sampled_from([2, 3, 10]))
        first, last = draw(_pair_of_exponents)
        low, high, parts["powers_of"] = base**first, base**last, base
        default = base ** ((first + last) // 2)
    elif kind == "step":
        low, parts["step"], count = draw(_integer_grid)
        high, default = low + parts["step"] * count, low + parts["step"] * (count // 3)
    else:
        parts["log"] = kind == "log"
        low, high = draw(_pair_of_counts if parts["log"] else _pair_of_ints)
        default = low + int(draw(_share) * (high - low))
    has_default, has_prior = draw(_default_and_prior)
    if has_default:
        parts["default"] = default
    if has_prior:
        parts["prior"] = Normal(default, draw(_width))
    return Int(low, high, **parts)


@st.composite
def listed(draw: st.DrawFn) -> Categorical | Ordinal | Bool:
    """A `Categorical`, `Ordinal` or `Bool`, with default or prior; choices of all types together."""
    kind = draw(st.sampled_from(["categorical", "ordinal", "bool"]))
    has_default, has_prior = draw(_default_and_prior)
    if kind == "bool":
        return Bool(default=True if has_default else None, prior=draw(_share) if has_prior else None)
    values = draw(_choices)
    weights = [draw(_share) for _ in values] if has_prior else None
    make = Categorical if kind == "categorical" else Ordinal
    return make(values, default=values[-1] if has_default else None, prior=weights if sum(weights or []) > 0 else None)


_tunable: st.SearchStrategy[Parameter] = floats() | ints() | listed()
_flat: st.SearchStrategy[Parameter] = _tunable | st.builds(Constant, _values)


@cache
def parameters(depth: int = 0) -> st.SearchStrategy[Parameter]:
    """Any parameter, with choices that are nested up to `depth` deep."""
    return _flat | choices(depth) if depth else _flat


@st.composite
def choices(draw: st.DrawFn, depth: int = 1) -> Choice:
    """A `Choice` with spaces in some of its branches, nested up to `depth` deep."""
    branches = draw(st.dictionaries(_names, st.none() | spaces(depth=depth - 1, most=2), min_size=1, max_size=3))
    return Choice(branches, default=draw(st.none() | st.sampled_from(list(branches))))


# Spaces and configurations.


@st.composite
def spaces(draw: st.DrawFn, *, depth: int = 2, most: int = 3, constraints: bool = False, traced: bool = False) -> Space:
    """A space.

    Arguments:
        depth: how deep choices may be nested; 0 for none.
        most: how many parameters its top level may have.
        constraints: whether there may be some; they leave about a tenth of the space at least.
        traced: whether it is a define-by-run space.
    """
    if traced:
        return Space.traced(draw(st.dictionaries(_names, _tunable, max_size=most)))
    space = _space(draw(st.dictionaries(_names, parameters(depth), min_size=1, max_size=most)))
    if not constraints:
        return space
    rules = draw(st.lists(st.one_of(_constraints(space)), max_size=2)) if len(space) else []
    ruled = space.require(*rules)
    return ruled if ruled.feasible_many(space.sample_raw(Key(0).generator(), 100)).mean() > 0.1 else space


def _space(found: Mapping[str, Parameter]) -> Space:
    """A space of drawn parameters; those whose dotted names collide are rejected."""
    full = [*found]
    for name, parameter in found.items():
        if isinstance(parameter, Choice):
            for branch, nested in parameter.branches.items():
                full += [f"{name}.{branch}.{inner}" for inner in ([] if nested is None else nested.entries)]
    assume(len(full) == len(set(full)))
    return Space(found)


def _constraints(space: Space) -> list[st.SearchStrategy[Constraint]]:
    """Strategies for the kinds of constraint that a space with columns can have."""
    numbers = [column.name for column in space.columns if column.kind in ("float", "int")]
    found: list[st.SearchStrategy[Constraint]] = [params(space).map(Forbidden)]
    if len(numbers) >= 2:
        pair = st.lists(st.sampled_from(numbers), min_size=2, max_size=2, unique=True)
        found.append(pair.map(lambda two: Ordered(*two)))
        found.append(st.builds(lambda two, bound: Linear(dict.fromkeys(two, 0.5), upper=bound), pair, finite))
    return found


@st.composite
def params(draw: st.DrawFn, space: Space) -> dict[str, ParamValue]:
    """A configuration of a space that keeps its constraints; for a traced space, any part of one."""
    unit = draw(st.lists(_share, min_size=len(space), max_size=len(space)))
    found = space.decode(space.from_unit(np.array(unit, dtype=np.float64)[None, :])[0])
    if space.is_traced:
        absent = draw(st.sets(st.sampled_from(sorted(found)))) if found else set()
        return {name: value for name, value in found.items() if name not in absent}
    return found if space.feasible(found) else space.complete({}, found)


# Records.


def objectives() -> st.SearchStrategy[tuple[Objective, ...]]:
    """One to three objectives of different names."""
    one = st.builds(Objective, names(), st.sampled_from(["minimize", "maximize"]))
    return st.lists(one, min_size=1, max_size=3, unique_by=lambda objective: objective.name).map(tuple)


_amount = st.floats(min_value=0.0, allow_infinity=False)
_diverged = st.sampled_from([math.nan, math.inf, -math.inf])
_maybe_numbers = st.none() | st.dictionaries(_names, st.floats(), max_size=2)
_maybe_losses = st.none() | st.lists(st.floats(), min_size=1, max_size=5)


@st.composite
def observations(draw: st.DrawFn, wanted: Sequence[Objective] | None = None, finite_only: bool = False) -> Observation:
    """An observation with any of its parts.

    Arguments:
        wanted: objectives that it must have values of; any names otherwise.
        finite_only: whether values are finite, as in a complete trial.
    """
    number = finite if finite_only else finite | _diverged
    keys = (
        [objective.name for objective in wanted]
        if wanted
        else draw(st.lists(names(), min_size=1, max_size=3, unique=True))
    )
    return Observation(
        {name: draw(number) for name in keys},
        stderr=dict.fromkeys(keys, draw(_amount)) if draw(st.booleans()) else None,
        gradient=draw(_maybe_numbers),
        losses=draw(_maybe_losses),
        constraints=draw(_maybe_numbers),
        cost=draw(st.none() | _amount),
        fidelity=draw(_maybe_numbers),
        task=draw(st.none() | _names),
    )


_ENDS: dict[TrialState, list[EndReason]] = {
    TrialState.COMPLETE: [EndReason.COMPLETED],
    TrialState.PRUNED: [EndReason.PRUNED],
    TrialState.FAIL: [r for r in EndReason if r not in (EndReason.COMPLETED, EndReason.PRUNED)],
}


@st.composite
def _ends(draw: st.DrawFn, wanted: Sequence[Objective] | None) -> dict[str, Any]:
    """State, reason, observation and text of a trial's end, which belong together."""
    state: TrialState = draw(st.sampled_from([TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]))
    seen = observations(wanted, finite_only=state is TrialState.COMPLETE)
    return {
        "state": state,
        "reason": draw(st.sampled_from(_ENDS[state])),
        "observation": draw(seen if state is TrialState.COMPLETE else st.none() | seen),
        "text": draw(texts()),
    }


def _flat_params(space: Space | None) -> st.SearchStrategy[dict[str, ParamValue]]:
    """Params of a space, or of none in particular."""
    return _any_params if space is None else params(space)


_attributes = st.dictionaries(_names, json_values(), max_size=2)
_metrics = st.dictionaries(_names, st.floats(), min_size=1, max_size=3)
_declarations = st.dictionaries(_names, _tunable.map(parameter_to_json), max_size=2)
_any_params = st.dictionaries(_names, _values, max_size=3)


_splits = st.dictionaries(_names, st.integers(0, 2**53) | _texts, max_size=3)
_openings = st.builds(ev.SplitOpened, st.integers(0, 2**31), finite, finite, finite, _share)


@cache
def holdout_answers(place: int | None = None) -> st.SearchStrategy[HoldoutAnswer]:
    """Answers of a holdout, at a place or anywhere, with and without the losses of a leader."""
    leaders = st.none() | st.lists(finite, min_size=1, max_size=3).map(np.array)
    places = st.integers(0, 2**31) if place is None else st.just(place)
    return st.builds(HoldoutAnswer, places, finite, st.booleans(), leaders)


def study_events(space: Space | None = None) -> st.SearchStrategy[ev.StudyEvent]:
    """Events of a study as a whole, its creation included."""
    spaces_json = spaces(depth=1, most=2).map(Space.to_json) if space is None else st.just(space.to_json())
    created = (objectives(), st.integers(0, 2**53), st.none() | spaces_json, names(), st.none() | _splits)
    return st.one_of(
        st.builds(ev.StudyCreated, *created),
        st.builds(ev.SpaceChanged, spaces_json, texts()),
        st.builds(ev.StudyAttribute, names(), json_values()),
        st.builds(ev.StudyStopped, texts()),
        st.builds(ev.SplitSealed, _splits),
        _openings,
    )


@st.composite
def trial_events(
    draw: st.DrawFn,
    kind: type[Any] | None = None,
    number: int | None = None,
    token: int | None = None,
    space: Space | None = None,
    wanted: Sequence[Objective] | None = None,
) -> ev.TrialEvent:
    """One event of a trial.

    Arguments:
        kind: its class; any otherwise.
        number, token: whose event; any otherwise.
        space: what its params are of; any otherwise.
        wanted: the study's objectives; any otherwise.
    """
    cls: type[Any] = draw(st.sampled_from(_TRIAL_EVENTS)) if kind is None else kind
    who = {"number": draw(st.integers(0, 2**31)) if number is None else number}
    held = {**who, "token": draw(st.integers(1, 2**31)) if token is None else token}
    found: ev.TrialEvent = cls(**_FIELDS[cls](draw, who, held, space, wanted))
    return found


def _asked(draw: st.DrawFn, space: Space | None) -> dict[str, Any]:
    """The fields of `TrialAsked` beside the trial."""
    return {
        "params": draw(_flat_params(space)),
        "seen": draw(st.integers(0, 99)),
        "tuner": draw(names()),
        "why": draw(texts()),
    }


_FIELDS: dict[type[Any], Any] = {
    ev.TrialEnqueued: lambda draw, who, held, space, wanted: {
        **who,
        "params": draw(_flat_params(space)),
        "attributes": draw(_attributes),
    },
    ev.TrialAdded: lambda draw, who, held, space, wanted: {
        **who,
        **draw(_ends(wanted)),
        "params": draw(_flat_params(space)),
        "attributes": draw(_attributes),
        "parameters": draw(_declarations),
        "answer": draw(st.none() | holdout_answers()),
    },
    ev.TrialClaimed: lambda draw, who, held, space, wanted: {**held, "worker": draw(names()), "expires": draw(moments)},
    ev.TrialAsked: lambda draw, who, held, space, wanted: {**held, **_asked(draw, space)},
    ev.LeaseRenewed: lambda draw, who, held, space, wanted: {**held, "expires": draw(moments)},
    ev.Reported: lambda draw, who, held, space, wanted: {**held, "step": draw(moments), "metrics": draw(_metrics)},
    ev.TrialTold: lambda draw, who, held, space, wanted: {
        **held,
        **draw(_ends(wanted)),
        "output": draw(texts()),
        "params": draw(st.none() | _flat_params(space)),
        "parameters": draw(_declarations),
        "attributes": draw(_attributes),
        "answer": draw(st.none() | holdout_answers()),
    },
    ev.TrialToldLate: lambda draw, who, held, space, wanted: {
        **held,
        "observation": draw(st.none() | observations(wanted)),
        "text": draw(texts()),
    },
    ev.TrialReaped: lambda draw, who, held, space, wanted: {**held, "text": draw(texts())},
    ev.TrialAttribute: lambda draw, who, held, space, wanted: {
        **who,
        "name": draw(names()),
        "value": draw(json_values()),
    },
}
_TRIAL_EVENTS: list[type[Any]] = list(_FIELDS)


def events(space: Space | None = None) -> st.SearchStrategy[ev.Event]:
    """Any event of any kind, by itself; see `logs` for events that follow from one another."""
    return st.one_of(study_events(space), *(trial_events(kind, space=space) for kind in _TRIAL_EVENTS))


# Logs.


@st.composite
def logs(draw: st.DrawFn, most: int = 25, space: Space | None = None) -> tuple[ev.Stored, ...]:
    """The log of a study: its creation, then events as a storage would admit them, late results included.

    Arguments:
        most: how many events follow the creation.
        space: the declared space; define-by-run otherwise.
    """
    wanted = draw(objectives())
    declared = None if space is None else space.to_json()
    created = ev.StudyCreated(wanted, draw(st.integers(0, 2**53)), declared, holdout=draw(st.none() | _splits))
    log = [ev.Stored(1, draw(moments), created)]
    study = advance_study("s", None, log[0])
    trials: list[FrozenTrial] = []
    for seq in range(2, 2 + draw(st.integers(0, most))):
        event = draw(_next(trials, seq, space, wanted, study))
        if not isinstance(event, ev.StudyEvent):
            known = trials[event.number] if event.number < len(trials) else None
            if isinstance(event, ev.TrialTold | ev.TrialAdded):
                fits = st.none() if study.holdout is None else holdout_answers(study.holdout_state.queries)
                event = replace(event, answer=draw(fits))
            event = admit(known, event)
            trial = advance_trial(known, ev.Stored(seq, log[-1].time, event))
            trials[event.number :] = [trial, *trials[event.number + 1 :]]
        log.append(ev.Stored(seq, log[-1].time + draw(st.floats(0.0, 100.0)), event))
        if changes_study(event):
            study = advance_study("s", study, log[-1])
    return tuple(log)


def _next(
    trials: Sequence[FrozenTrial], seq: int, space: Space | None, wanted: Sequence[Objective], study: StudyRecord
) -> st.SearchStrategy[ev.Event]:
    """An event that some trial's present state lets in, or one of the study."""
    options: list[st.SearchStrategy[ev.Event]] = [
        st.builds(ev.StudyAttribute, names(), json_values()),
        st.builds(ev.StudyStopped, texts()),
    ]
    if space is not None:
        options.append(st.builds(ev.SpaceChanged, st.just(space.to_json()), texts()))
    if study.sealed is None:
        options.append(st.builds(ev.SplitSealed, _splits))
    elif study.sealed["opening"] is None:
        options.append(_openings)
    new = len(trials)
    makers = ((ev.TrialEnqueued, None), (ev.TrialAdded, None), (ev.TrialClaimed, seq), (ev.TrialClaimed, seq))
    options += [trial_events(kind, new, token, space, wanted) for kind, token in makers]
    for trial in trials:
        number, token = trial.number, trial.token
        kinds: list[type[Any]] = [ev.TrialAttribute]
        if trial.state is TrialState.WAITING:
            kinds, token = [ev.TrialClaimed], seq
        elif trial.state is TrialState.RUNNING:
            kinds = [ev.TrialAsked, ev.LeaseRenewed, ev.Reported, ev.TrialTold, ev.TrialReaped]
        elif trial.reason is EndReason.LEASE_LOST:
            kinds.append(ev.TrialTold)
        options += [trial_events(kind, number, token, space, wanted) for kind in kinds]
    return st.one_of(options)
