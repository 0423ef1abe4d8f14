"""No space declared: the objective asks for each setting where it needs it.

    trimtab run examples/define_by_run.py --n-trials 25
    python examples/define_by_run.py

What is asked for may depend on what came before, here how many widths on the number of layers. A name
stands for one declaration: the same bounds in every trial. The study traces what it sees into a space.
"""

import math

import trimtab as tt


def objective(trial: tt.Trial) -> float:
    lr = trial.suggest_float("lr", 1e-5, 1e-1, log=True)
    layers = trial.suggest_int("layers", 1, 3)
    widths = [trial.suggest_int(f"width{place}", 8, 512, log=True) for place in range(layers)]
    size = sum(math.log2(width) for width in widths)
    return math.log10(lr / 0.003) ** 2 + 0.01 * (size - 20.0) ** 2


if __name__ == "__main__":
    study = tt.create_study(seed=0)
    study.optimize(objective, n_trials=25)
    print(f"best value {study.best_value:.4f} with {study.best_params}")
    print("seen so far:", ", ".join(study.space.names))
