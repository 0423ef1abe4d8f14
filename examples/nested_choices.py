"""A pipeline whose steps bring settings of their own: nested spaces, of any depth.

    trimtab run examples/nested_choices.py --n-trials 15 --n-jobs 2
    python examples/nested_choices.py

Real data: the wine chemistry that scikit-learn bundles (178 wines, 3 growers), by 5-fold
cross-validation. Needs the extra `sklearn`. Settings of a branch that is not chosen are absent.
"""

from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import trimtab as tt

space = tt.Space(
    reduce=tt.Choice({"none": None, "pca": tt.Space(parts=tt.Int(2, 12), whiten=tt.Bool())}),
    model=tt.Choice(
        {
            "logistic": tt.Space(strength=tt.Float(1e-3, 1e2, log=True)),
            "forest": tt.Space(
                trees=tt.Int(10, 60, log=True),
                depth=tt.Choice({"free": None, "limited": tt.Space(levels=tt.Int(1, 8))}),
            ),
        }
    ),
)


def pipeline(p: dict):
    steps = [StandardScaler()]
    if p["reduce"] == "pca":
        steps.append(PCA(p["reduce.pca.parts"], whiten=p["reduce.pca.whiten"]))
    if p["model"] == "logistic":
        steps.append(LogisticRegression(C=p["model.logistic.strength"], max_iter=1000))
    else:
        levels = p.get("model.forest.depth.limited.levels")  # absent where depth is "free"
        steps.append(RandomForestClassifier(p["model.forest.trees"], max_depth=levels, random_state=0))
    return make_pipeline(*steps)


def objective(trial: tt.Trial) -> tt.Observation:
    wines, growers = load_wine(return_X_y=True)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    wrong = cross_val_predict(pipeline(trial.params), wines, growers, cv=folds) != growers
    return tt.Observation(wrong.mean(), losses=wrong)


if __name__ == "__main__":
    study = tt.create_study(space=space, seed=0)
    study.optimize(objective, n_trials=15)
    print(study.select())
    print(study.best_params)
