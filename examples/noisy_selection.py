"""Why the best observed value is too good, and what `study.select()` does about it.

    python examples/noisy_selection.py
    trimtab run examples/noisy_selection.py --n-trials 40

Each evaluation is noisy, as trainings are. The lowest of many noisy values is low partly by luck. Here
the truth is known, so the luck can be seen.
"""

import math

import numpy as np

import trimtab as tt

space = tt.Space(lr=tt.Float(1e-4, 1e-1, log=True), dropout=tt.Float(0.0, 0.6))
NOISE = 0.05  # standard error of one evaluation


def truth(params: dict) -> float:
    return 0.3 + 0.05 * math.log10(params["lr"] / 0.003) ** 2 + 0.2 * (params["dropout"] - 0.2) ** 2


def objective(trial: tt.Trial) -> tt.Observation:
    luck = np.random.default_rng(trial.seed).normal(0.0, NOISE)
    return tt.Observation(truth(trial.params) + luck, stderr=NOISE)


if __name__ == "__main__":
    study = tt.create_study(space=space, tuner="random", seed=0)
    study.optimize(objective, n_trials=60)
    lucky, chosen = study.best_trial, study.select()
    print(f"best observed: trial {lucky.number} at {lucky.value:.3f}; its true value is {truth(lucky.params):.3f}")
    print(f"selected:      trial {chosen.trial} at {chosen.estimate:.3f}; its true value is {truth(chosen.params):.3f}")
    print(chosen)
