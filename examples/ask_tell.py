"""Your own loop: ask for a trial, run it wherever you like, tell its result.

    python examples/ask_tell.py
    trimtab run examples/ask_tell.py --n-trials 15

For trainings that live in a program of their own, on another machine, or in a laboratory.
"""

import trimtab as tt

space = tt.Space(temperature=tt.Float(20.0, 90.0), minutes=tt.Int(5, 60), stirred=tt.Bool())


def measure(params: dict) -> float:
    """What a laboratory would do: the yield of a reaction, in per cent."""
    lost = 0.02 * (params["temperature"] - 62.0) ** 2 + 0.01 * (params["minutes"] - 35) ** 2
    return 91.0 - lost - (0.0 if params["stirred"] else 8.0)


direction = "maximize"  # read by `trimtab run`


def objective(trial: tt.Trial) -> float:
    return measure(trial.params)


if __name__ == "__main__":
    study = tt.create_study(space=space, direction=direction, seed=0)
    study.enqueue_trial({"temperature": 50.0, "minutes": 30, "stirred": True})  # what was done so far
    study.add_trial({"temperature": 25.0, "minutes": 10, "stirred": False}, 47.3)  # a result from elsewhere
    for _ in range(15):
        trial = study.ask()
        if trial.params["minutes"] > 55:
            study.tell(trial, state="fail")  # the apparatus was needed elsewhere
            continue
        study.tell(trial, measure(trial.params))
    print(f"{len(study.trials)} trials, best yield {study.best_value:.1f} % with {study.best_params}")
