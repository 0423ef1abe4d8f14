"""How long an ask takes: latency of tuners against the number of observations, and the memory it needs.

OMP_NUM_THREADS=1 python speed/ask.py --tuners gp gp-global random --observations 50 200 1000 --columns 10

`gp-global` is the Gaussian process without its local steps, which are quicker, so it is what an ask costs at most.
`quasi-newton` and `gp-gradients` are told gradients, the latter without descents; trials are signed by their tuner.
The cold ask has nothing remembered and fits the surrogate; the next ones, with one more observation
each, reuse that fit until the next is due. `mean` is over these, fits included. On a busy machine the
processor's time tells more than the clock's.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from trimtab.base.history import History
from trimtab.base.records import Observation, Params
from trimtab.base.seeds import Key
from trimtab.space import Float, Space
from trimtab.testing.histories import make_history
from trimtab.tuners import make_tuner
from trimtab.tuners.values.gp import GaussianProcess


def loss(params: Params) -> float:
    """A smooth loss in which a few parameters matter most."""
    x = np.array(list(params.values()), dtype=np.float64)
    return float(np.sum((x - 0.3) ** 2 / np.arange(1, len(x) + 1)) + 0.1 * np.sin(7.0 * x[0]))


def with_gradient(params: Params) -> Observation:
    """The same, with its gradient."""
    x = np.array(list(params.values()), dtype=np.float64)
    slopes = 2.0 * (x - 0.3) / np.arange(1, len(x) + 1)
    slopes[0] += 0.7 * np.cos(7.0 * x[0])
    return Observation(loss(params), gradient=dict(zip(params, slopes.tolist(), strict=True)))


def measure(name: str, space: Space, observations: int, asks: int) -> tuple[list[float], list[float]]:
    """Seconds of a cold ask and of `asks` more with one more observation each: by the clock, and of the processor."""
    rows = space.sample(np.random.default_rng(0), observations + asks)
    sloped = name in ("quasi-newton", "gp-gradients")
    told = [(row, with_gradient(row) if sloped else loss(row)) for row in rows]
    tuner = GaussianProcess(finish=False) if name in ("gp-global", "gp-gradients") else make_tuner(name)
    clock, processor = [], []
    for number in range(observations, observations + asks + 1):
        made = make_history(space, told[:number])
        history = History(made.study, space, [trial.with_(tuner=tuner.name) for trial in made], made.seq)
        start, busy = time.perf_counter(), time.process_time()
        tuner.ask(history, 1, Key(0, number, "ask"))
        clock.append(time.perf_counter() - start)
        processor.append(time.process_time() - busy)
    return clock, processor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tuners", nargs="+", default=["gp", "gp-global", "random"])
    parser.add_argument("--observations", nargs="+", type=int, default=[50, 200, 1000])
    parser.add_argument("--columns", type=int, default=10)
    parser.add_argument("--asks", type=int, default=20, help="consecutive asks after the cold one")
    given = parser.parse_args()
    space = Space({f"x{place}": Float(0.0, 1.0) for place in range(given.columns)})
    for name in given.tuners:  # the first ask of a process also imports and warms up the libraries
        measure(name, space, 30, 1)
    print(f"{'tuner':13}{'trials':>8} {'':11}{'cold':>12}{'median':>12}{'mean':>12}{'worst':>12}{'memory':>12}")
    for name in given.tuners:
        for observations in given.observations:
            clock, processor = measure(name, space, observations, given.asks)
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            for what, (cold, *more) in (("clock", clock), ("processor", processor)):
                shown = [cold, float(np.median(more)), float(np.mean(more)), max(more)]
                times = "".join(f"{1e3 * seconds:9.1f} ms" for seconds in shown)
                print(f"{name:13}{observations:8} {what:11}{times}{memory:9.0f} MB")


if __name__ == "__main__":
    main()
