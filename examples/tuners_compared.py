"""The tuners side by side on one small real training, and where the surrogate's optimum lies.

    python examples/tuners_compared.py

Ridge regression on powers of the diabetes data: how strong the penalty, how much of the squares. Each trial
takes milliseconds, so a few dozen of each tuner do. Then the Gaussian process says where its optimum is, and by how
much any other configuration can be predicted to be better. Needs the extra `sklearn`.
"""

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_predict

import trimtab as tt

space = tt.Space(
    penalty=tt.Float(1e-4, 1e2, log=True),
    squares=tt.Float(1e-2, 1e2, log=True),
    products=tt.Float(1e-2, 1e2, log=True),
)
features, target = load_diabetes(return_X_y=True)
features = (features - features.mean(axis=0)) / features.std(axis=0)
pairs = np.triu_indices(features.shape[1], k=1)


def objective(trial: tt.Trial) -> float:
    p = trial.params
    squares = p["squares"] * features**2
    products = p["products"] * features[:, pairs[0]] * features[:, pairs[1]]
    inputs = np.hstack([features, squares, products])
    predicted = cross_val_predict(Ridge(alpha=p["penalty"] * len(target)), inputs, target, cv=5)
    return float(np.sqrt(np.mean((predicted - target) ** 2)))


if __name__ == "__main__":
    for tuner in ("random", "tpe", "cma-es", "evolution", "gp"):
        study = tt.create_study(space=space, tuner=tuner, seed=0)
        study.optimize(objective, n_trials=25)
        print(f"{tuner:10} root mean squared error {study.best_value:.4f}")
    print(study.select(certify=True))
