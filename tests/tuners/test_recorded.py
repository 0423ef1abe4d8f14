"""A change alarm: what the tuners proposed for a fixed history when this was last looked at.

A difference is no error in itself, but it changes what every user's seed gives, so it must be meant:
look at the change, then write the file anew with `python tests/tuners/test_recorded.py`, and say so
in the changelog. Of the Gaussian process the value of the acquisition's maximum is recorded, and not
where it lies: linear algebra rounds differently from machine to machine, and maxima may be flat.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trimtab.base.seeds import Key
from trimtab.testing.histories import make_history
from trimtab.testing.tuner_kit import CONDITIONAL, CONSTRAINED, NUMBERS, loss
from trimtab.tuners import make_tuner
from trimtab.tuners.values.gp import GaussianProcess

FILE = Path(__file__).with_name("recorded_suggestions.json")
SPACES = {"numbers": NUMBERS, "conditional": CONDITIONAL, "constrained": CONSTRAINED}
NAMES = ("cma-es", "evolution", "gp", "grid", "random", "sobol", "tpe")
CASES = [f"{name} {space} {seed}" for name in NAMES for space in SPACES for seed in (0, 1)]


def propose(case: str) -> list[Any]:
    """Two proposals after 24 trials, one in eight of which failed: params, or [log EI, incumbent] of the model."""
    name, space, seed = case.split()
    rows = SPACES[space].sample(np.random.default_rng(7), 24)
    told = [(row, None if place % 8 == 3 else loss(row)) for place, row in enumerate(rows)]
    history = make_history(SPACES[space], told, seed=int(seed))
    tuner = GaussianProcess(finish=False) if name == "gp" else make_tuner(name)
    found = tuner.ask(history, 2, Key(int(seed), 24, "ask"))
    if name != "gp":
        return [suggestion.params for suggestion in found]
    lines = [
        re.fullmatch(r"log expected improvement (\S+): predicted \S+, best (\S+), from 24 trials.*", f.why)
        for f in found
    ]
    return [[float(number) for number in line.groups()] for line in lines if line]


@pytest.mark.parametrize("case", CASES)
def test_proposals_are_the_recorded_ones(case: str) -> None:
    recorded = json.loads(FILE.read_text(encoding="utf-8"))
    assert sorted(recorded) == sorted(CASES)
    found = propose(case)
    if case.startswith("gp"):
        np.testing.assert_allclose(found, recorded[case], rtol=0.01)
        return
    assert [list(params) for params in found] == [list(params) for params in recorded[case]]
    for params, known in zip(found, recorded[case], strict=True):
        # Logarithms and normal quantiles differ in their last digits from machine to machine.
        assert params == {k: pytest.approx(v, rel=1e-9) if isinstance(v, float) else v for k, v in known.items()}


if __name__ == "__main__":
    FILE.write_text(json.dumps({case: propose(case) for case in CASES}, indent=1) + "\n", encoding="utf-8")
