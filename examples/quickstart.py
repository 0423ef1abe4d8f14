"""The shortest way in: a function, a space, a study.

    trimtab run examples/quickstart.py --n-trials 25
    python examples/quickstart.py

The function stands for a training: cheap, deterministic, with settings of every kind. Its lowest
value, 0.1, is at a learning rate of 0.003 with 4 layers, a batch of 64 and gelu.
"""

import math

import trimtab as tt

space = tt.Space(
    lr=tt.Float(1e-5, 1e-1, log=True),
    layers=tt.Int(1, 8),
    batch=tt.Int(8, 512, powers_of=2),
    activation=tt.Categorical(["relu", "gelu", "tanh"]),
)


def objective(trial: tt.Trial) -> float:
    p = trial.params
    loss = 0.1 + 0.3 * math.log10(p["lr"] / 0.003) ** 2
    loss += 0.02 * (p["layers"] - 4) ** 2
    loss += 0.01 * math.log2(p["batch"] / 64) ** 2
    return loss + {"relu": 0.05, "gelu": 0.0, "tanh": 0.2}[p["activation"]]


if __name__ == "__main__":
    study = tt.create_study(space=space, seed=0)
    study.optimize(objective, n_trials=25)
    print(f"best value {study.best_value:.4f} with {study.best_params}")
