"""Where the surrogate's optimum lies, with a certificate, and whether the selected trial is it.

The surrogate is the Gaussian process of `trimtab.surrogates.gp`, fitted to the history as the tuner of that
name does, but for gradients, which it leaves out; the certificate is that of `trimtab.surrogates.certificates`.
What is certain is a statement about the model: no configuration is predicted to be better. How far the model can be
trusted is another question, which intervals of observed trials answer.

The surrogate needs SciPy, so it is imported where it is used, and a selection without a
certificate costs nothing more.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from trimtab.base.errors import TrimtabError
from trimtab.base.history import History
from trimtab.base.records import Objective, Params
from trimtab.space import Space
from trimtab.trust.observed import one_objective

if TYPE_CHECKING:
    from trimtab.surrogates.certificates import Certificate
    from trimtab.surrogates.gp import Model

__all__ = ["certificate_note", "certify"]

MOST = 300
"""Observations that the surrogate is fitted to. The cost of a box is proportional to them, that of a fit cubic."""

EPSILON = 0.01
"""Gap asked for, in the surrogate's warped units, in which the losses have a standard deviation of 1."""

SECONDS = 10.0
"""Wall time that a certificate may take."""

NAMED = 8
"""Parameters that a sentence names."""


def certify(
    history: History[Space],
    *,
    objective: str | int | None = None,
    most: int = MOST,
    epsilon: float = EPSILON,
    nodes: int = 200_000,
    seconds: float = SECONDS,
) -> Certificate:
    """The best configuration by a surrogate's prediction, and how much better any other can be predicted to be.

    Arguments:
        history: the study.
        objective: name or index; may be left out where there is only one.
        most: observations that the surrogate is fitted to, chosen as in `trimtab.surrogates.evidence`.
        epsilon: gap at which to stop, >= 0, in standard deviations of the warped losses.
        nodes: boxes to be bounded at most.
        seconds: wall time at most, the fit aside.

    Returns:
        A certificate in the objective's own units and sign. One that was cut short says so and gives its gap.

    Raises:
        UnknownName: no trial is complete and feasible.
        InvalidArgument: an unknown objective, a space without parameters, an impossible budget, or
            trials that no surrogate can be fitted to.
    """
    from trimtab.surrogates.certificates import certified_minimum
    from trimtab.trust.fitted import evidence_of, fitted

    seen = one_objective(history, objective)
    model = fitted(evidence_of(seen, most), seen.space, seen.study.name)
    found = certified_minimum(model, seen.space, epsilon=epsilon, nodes=nodes, seconds=seconds)
    return _signed(found, seen.objectives[0])


def certificate_note(history: History[Space], objective: str | int | None, trial: int, seconds: float = SECONDS) -> str:
    """One plain sentence or two: the certified optimum, and how the selected trial compares with it.

    A surrogate that cannot be fitted or certified makes a sentence that says so, never an error.
    """
    from trimtab.surrogates.certificates import certified_minimum
    from trimtab.trust.fitted import evidence_of, fitted

    seen = one_objective(history, objective)
    try:
        model = fitted(evidence_of(seen, MOST), seen.space, seen.study.name)
        found = certified_minimum(model, seen.space, epsilon=EPSILON, seconds=seconds)
    except TrimtabError as error:
        return f"The surrogate's optimum could not be certified: {error}"
    signed = _signed(found, seen.objectives[0])
    return _sentence(signed, model.trials, _predicted(model, seen, trial))


def _signed(found: Certificate, objective: Objective) -> Certificate:
    """A certificate in units of losses, in the objective's own sign."""
    return replace(found, value=objective.sign * found.value, bound=objective.sign * found.bound)


def _predicted(model: Model, history: History[Space], trial: int) -> float | None:
    """The surrogate's prediction for a trial, in the objective's own units; None where it lies outside the space."""
    from trimtab.surrogates.evidence import encode_valid

    params = history.trial(trial).params
    raw, _ = encode_valid(history.space, [] if params is None else [params])
    if not len(raw):
        return None
    mean, _ = model.predict(history.space.to_unit(raw))
    return history.objectives[0].sign * float(model.warp.inverse(mean)[0])


def _sentence(found: Certificate, trials: int, predicted: float | None) -> str:
    """What a certificate says, in plain words."""
    by = f"By a Gaussian process fitted to {trials} trial{'s' * (trials != 1)}"
    if found.params is None:
        return f"{by}, no optimum could be certified ({found.stopped}): nothing within the constraints was found."
    best = f"{_named(found.params)} is predicted {found.value:.6g}"
    selected = "lies outside the space" if predicted is None else f"is predicted {predicted:.6g}"
    limit = f"no configuration is predicted better than {found.bound:.6g} (gap {found.epsilon:.2g})"
    facts = f"{best}, and {limit}; the selected trial {selected}."
    if not found.certified:
        return f"{by}, the optimum could not be certified ({found.stopped}): {facts}"
    return f"{by}, the optimum is certified: {facts} That is certain of the model, not of the objective."


def _named(params: Params) -> str:
    """A configuration as text, shortened."""
    parts = [f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}" for name, value in params.items()]
    rest = [f"and {len(parts) - NAMED} more"] if len(parts) > NAMED else []
    return ", ".join(parts[:NAMED] + rest)
