"""A family of tasks for the command line: one ridge penalty for hospitals of thirty patients, from diabetes data.

    python examples/hospitals.py
    trimtab tasks fit examples/hospitals.py -o fit.json --within 0 4
    trimtab tasks apply fit.json examples/hospitals.py:new --within 0 4
    trimtab tasks plot examples/hospitals.py -o duals.svg

Losses are mean squared errors in units of the target's variance. That they stay within 0 and 4 is stated, not known: an
interval with a guarantee needs a range. Needs the extra `sklearn`.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import scale

import trimtab as tt
from trimtab.base.seeds import Key
from trimtab.tuners.tasks import FamilyMember, TaskFamily, certify_setting, fit_exact, losses_at
from trimtab.tuners.tasks.duals import ridge_dual

LOW, HIGH, FITTED, JUDGED = 1e-2, 1e3, 30, 60

data = load_diabetes()
x, y = scale(data.data), scale(data.target)
space = tt.Space(alpha=tt.Float(LOW, HIGH, log=True))
rng = np.random.default_rng(0)


def hospital(number: int) -> FamilyMember:
    """Thirty patients to fit to, and sixty to judge by."""
    rows = rng.permutation(len(y))
    train, judge = rows[:FITTED], rows[FITTED : FITTED + JUDGED]
    make = partial(ridge_dual, (x[train], y[train]), (x[judge], y[judge]), low=LOW, high=HIGH)
    features = {"mean": float(y[train].mean()), "spread": float(y[train].std())}
    return FamilyMember.exact(f"hospital {number}", make, space, features)


family = TaskFamily([hospital(number) for number in range(120)])
new = TaskFamily([hospital(number) for number in range(120, 160)])


if __name__ == "__main__":
    tuning, judging = family.split(60, Key(0))
    fit = fit_exact(tuning.duals(), "alpha", log=True)
    gap = fit.gap(judging.duals())
    print(f"alpha = {fit.at:.3g}: mean loss {fit.value:.4f} on 60 hospitals, {gap.held_out:.4f} on 60 others")
    print(certify_setting(losses_at(judging.duals(), fit.at), 0.0, 4.0).sentence)
