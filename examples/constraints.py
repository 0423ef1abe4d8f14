"""Two kinds of limits: those known before anything runs, and those that only a run can tell.

    trimtab run examples/constraints.py --n-trials 20
    python examples/constraints.py

A micro-batch is never larger than its batch: that is a rule between settings, so nothing else is ever
proposed. Whether a model fits into memory is measured; a constraint that was told is met at 0 or below.
"""

import math

import trimtab as tt
from trimtab.space import Ordered

space = tt.Space(
    batch=tt.Int(8, 512, powers_of=2),
    micro_batch=tt.Int(1, 128, powers_of=2),
    width=tt.Int(64, 4096, log=True),
).require(Ordered("micro_batch", "batch"))

MEMORY = 8.0  # gigabytes that there are


def objective(trial: tt.Trial) -> tt.Observation:
    p = trial.params
    used = 1e-6 * p["width"] ** 2 + 2e-5 * p["width"] * p["micro_batch"]
    loss = 2.0 * p["width"] ** -0.3 + 0.05 * math.log2(p["batch"] / 128) ** 2
    minutes = 5.0 + p["batch"] / p["micro_batch"]
    return tt.Observation(loss + 0.001 * minutes, constraints={"memory": used - MEMORY}, cost=60.0 * minutes)


if __name__ == "__main__":
    study = tt.create_study(space=space, seed=0)
    study.optimize(objective, n_trials=20)
    refused = [trial.number for trial in study.trials if trial.observation and not trial.observation.feasible]
    print(f"{len(refused)} of {len(study.trials)} trials did not fit into memory")
    print(f"best of those that did: {study.best_value:.4f} with {study.best_params}")
