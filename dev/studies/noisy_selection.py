"""What an honest best gains over the luckiest trial where noisy values are all that is told, and what its interval is.

    python dev/studies/noisy_selection.py bbob           # noisy BBOB functions, as the benchmarks have them; 4 minutes
    python dev/studies/noisy_selection.py splits         # models on real data, each trial on a random split; 15 minutes

Each study is 100 trials of the tuner `auto` (`--tuner`); after 20, 50 and 100 the trial that `study.select()` takes is
compared with the best observed one by what both are truly worth:

- `bbob`: the twelve functions of development in three dimensions, with normal noise of a tenth of the interquartile
  range of the values; the truth is the value without it;
- `splits`: a support vector machine, a decision tree or nearest neighbours on breast cancer, wine or digits (300
  examples), scored by the share of wrong classes among a third of the examples, drawn for each trial; the truth is the
  mean over 60 other splits.

Differences are in units of the noise's standard deviation, which for splits is estimated by the truth's. "Taken" is how
often "auto" goes by the surrogate, "interval" how often the truth lies in its 95% and 80% interval where it does.
Prints tables in Markdown.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

import trimtab as tt
from trimtab.base.seeds import Key
from trimtab.benchmarks.registry import make_problem
from trimtab.benchmarks.wrappers import Noisy

Params = dict[str, Any]
Kind = tuple[tt.Space, Callable[[Params, int], float], Callable[[Params], float], float]
"""A space, the noisy value of a configuration in a trial, what it is truly worth, and the noise's deviation."""

BUDGETS = (20, 50, 100)
FUNCTIONS = (2, 5, 7, 9, 11, 13, 14, 16, 18, 19, 22, 23)
SPLITS = 60
SPACES = {
    "svm": tt.Space(c=tt.Float(1e-3, 1e3, log=True), gamma=tt.Float(1e-5, 10.0, log=True)),
    "tree": tt.Space(impurity=tt.Float(1e-4, 0.3, log=True), share=tt.Float(0.1, 1.0), leaf=tt.Int(1, 30, log=True)),
    "neighbours": tt.Space(k=tt.Int(1, 60, log=True), power=tt.Float(1.0, 4.0), decay=tt.Float(0.0, 1.0)),
}
DATA = {"breast cancer": load_breast_cancer, "wine": load_wine, "digits": load_digits}


def bbob(function: int, seed: int) -> Kind:
    """A noisy function; the seed chooses its instance, as in the benchmarks."""
    quiet = make_problem(f"bbob-f{function}-d3" + (f"-i{seed + 1}" if seed else ""))
    noisy = Noisy(quiet, 0.1)

    def told(params: Params, number: int) -> float:
        return float(next(iter(noisy.evaluate(params, Key(seed, number, "evaluation")).values.values())))

    return quiet.space(), told, noisy.noiseless, 0.1 * noisy.scale


def splits(model: str, data: str, seed: int) -> Kind:
    """A model whose every trial is scored on a split of its own."""
    x, y = DATA[data](return_X_y=True)
    kept = np.random.default_rng(seed).permutation(len(y))[:300]
    x, y = x[kept], y[kept]

    def told(params: Params, number: int) -> float:
        parts = train_test_split(x, y, test_size=1 / 3, stratify=y, random_state=10_000 * seed + number)
        return 1.0 - float(_fitted(model, params, parts[0], parts[2]).score(parts[1], parts[3]))

    @cache
    def over_splits(key: tuple[tuple[str, Any], ...]) -> float:
        return float(np.mean([told(dict(key), 5_000 + split) for split in range(SPLITS)]))

    def truth(params: Params) -> float:
        return over_splits(tuple(params.items()))

    middle = SPACES[model].default_params()
    return SPACES[model], told, truth, float(np.std([told(dict(middle), 4_000 + split) for split in range(30)]))


def _fitted(model: str, params: Params, x: NDArray[np.float64], y: NDArray[np.float64]) -> Any:
    """A model with its settings."""
    if model == "svm":
        made: Any = SVC(C=params["c"], gamma=params["gamma"])
    elif model == "tree":
        made = DecisionTreeClassifier(
            min_impurity_decrease=params["impurity"],
            max_features=params["share"],
            min_samples_leaf=params["leaf"],
            random_state=0,
        )
    else:
        made = KNeighborsClassifier(params["k"], p=params["power"], weights=_weights(params["decay"]))
    return make_pipeline(StandardScaler(), made).fit(x, y)


def _weights(exponent: float) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Neighbours count for less the farther they are, by a power of their distance."""
    return lambda distances: (distances + 1e-9) ** -exponent


def rows(kind: Kind, tuner: str, seed: int) -> list[list[float]]:
    """One study: gain, whether the surrogate was taken, whether its intervals hold, after each budget."""
    space, told, truth, noise = kind
    study, found = tt.create_study(space=space, tuner=tuner, seed=seed), []
    for number in range(max(BUDGETS)):
        trial = study.ask()
        study.tell(trial, told(dict(trial.params), number))
        if number + 1 in BUDGETS:
            wide, narrow = study.select(), study.select(level=0.8)
            lucky, chosen = truth(dict(study.best_params)), truth(dict(wide.params))
            held = [
                np.nan if each.interval is None else float(each.interval.low <= chosen <= each.interval.high)
                for each in (wide, narrow)
            ]
            found.append([(lucky - chosen) / noise, float(wide.method.startswith("surrogate")), *held])
    return found


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["bbob", "splits"])
    parser.add_argument("--tuner", default="auto")
    parser.add_argument("--seeds", type=int, default=6, help="of each function, or of each model on each data set")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    made: list[list[list[float]]] = []
    for seed in range(options.first, options.first + options.seeds):
        if options.kind == "bbob":
            made += [rows(bbob(function, seed), options.tuner, seed) for function in FUNCTIONS]
        else:
            made += [rows(splits(model, data, seed), options.tuner, seed) for model in SPACES for data in DATA]
    print(f"\n{options.kind}, {options.tuner}, {len(made)} studies\n")
    head = ("trials", "taken", "better", "worse", "mean gain", "standard error", "in 95%", "in 80%")
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for budget, of_budget in zip(BUDGETS, np.array(made).transpose(1, 0, 2), strict=True):
        gain, taken, wide, narrow = of_budget.T
        shares = [f"{100 * share:.0f} %" for share in (taken.mean(), (gain > 1e-9).mean(), (gain < -1e-9).mean())]
        held = [f"{100 * np.nanmean(each):.0f} %" for each in (wide, narrow)] if taken.any() else ["", ""]
        error = gain.std() / np.sqrt(len(gain))
        print(f"| {budget} | {' | '.join(shares)} | {gain.mean():.3f} | {error:.3f} | {' | '.join(held)} |")


if __name__ == "__main__":
    main()
