"""A study on disk, with two worker processes, that goes on where it was.

    python examples/resume_and_workers.py     # run it, stop it with Ctrl-C, run it again
    trimtab run examples/resume_and_workers.py --n-trials 16 --n-jobs 2

The study is the file resume.db in the present folder. Any number of programs may work on it at once, and
what was told is never lost. Some trials fail here, as trainings do; they are kept, with the reason.
"""

import math
import time

import trimtab as tt

space = tt.Space(lr=tt.Float(1e-5, 1.0, log=True), momentum=tt.Float(0.0, 0.99))


def objective(trial: tt.Trial) -> float:
    lr, momentum = trial.params["lr"], trial.params["momentum"]
    effective = lr / (1.0 - momentum)
    if effective > 10.0:
        return math.inf  # the training diverged, and the study should know
    for epoch in range(1, 6):
        time.sleep(0.02)  # here a real training would run
        trial.report(math.log10(effective / 0.1) ** 2 + 1.0 / epoch, step=epoch)
    return math.log10(effective / 0.1) ** 2 + 0.2


if __name__ == "__main__":
    study = tt.create_study(
        study_name="resume", storage="sqlite:///resume.db", space=space, seed=0, load_if_exists=True
    )
    print(f"{len(study.trials)} trials are there already")
    study.optimize(objective, n_total=16, n_jobs=2)
    print(f"{study.ended}; best value {study.best_value:.4f} with {study.best_params}")
