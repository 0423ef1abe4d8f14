"""What answers cost, and what can be claimed of them: the budgets of a reusable holdout.

Two settings are told apart everywhere. The one with a theorem has constants that ask for hundreds of millions of
examples; the practical one is that of the authors' own experiments, and what is stated for it is a rule of thumb
that was measured, not proven.

**Thresholdout** with Laplace noise of rate sigma on n examples and a budget of B answers from the holdout is
(2 B / (sigma n), 0)-differentially private, and (sqrt(32 B ln(2/delta)) / (sigma n), delta)-differentially private for
any delta > 0. With T = 3 tau/4 and sigma = tau / (96 ln(4 m / beta)), with probability 1 - beta each of m adaptive
answers is within tau of the truth, as long as the number of queries whose training mean is more than tau/2 off stays
below B, if n >= min(n0, n1) with

    n0 = max(2 B / (sigma t), ln(6 / b) / t^2),    n1 = 80 sqrt(B ln(1 / (t b))) / (t sigma),
    t = tau / 8,    b = beta / (2 m).

**The Ladder.** With probability 1 - beta, for every number k of adaptive submissions at once, its best-so-far is within

    epsilon + eta,    2 n epsilon^2 = ln 2 + ln C(k - 1 + N, N) + ln(k (k + 1) / beta),    N = round(1/eta) + 1,

of the least true loss among the k submissions. This is a sharper count for the argument of the paper: the best-so-far
falls along multiples of eta, at most N of them, so that C(j + N - 1, N - 1) transcripts of j answers exist, each of
which leads to one next submission; over j < k these are C(k - 1 + N, N) functions fixed before the data were drawn.
Hoeffding's inequality holds for all of them at once, and beta / (k (k + 1)) is its share of beta for k. The rounded
best-so-far is never further than eta from the least loss on the holdout.

Sources: C. Dwork, V. Feldman, M. Hardt, T. Pitassi, O. Reingold and A. Roth, "Generalization in Adaptive Data Analysis
and Holdout Reuse", NeurIPS 2015, arXiv 1506.02629; A. Blum and M. Hardt, "The Ladder: A Reliable Leaderboard for
Machine Learning Competitions", ICML 2015, arXiv 1502.04585.
"""

from __future__ import annotations

import math

__all__ = [
    "ladder_error",
    "ladder_step",
    "least_rows",
    "practical_error",
    "practical_noise",
    "practical_threshold",
    "privacy",
    "theorem_noise",
]


def privacy(budget: int, noise: float, size: int, delta: float = 0.0) -> float:
    """The epsilon of Thresholdout's differential privacy in its holdout.

    Arguments:
        budget: B, how often the holdout speaks.
        noise: sigma, of Laplace noise, for losses in [0, 1].
        size: n, examples of the holdout.
        delta: the probability of more; with 0 the privacy is pure.
    """
    if delta == 0.0:
        return 2.0 * budget / (noise * size)
    return math.sqrt(32.0 * budget * math.log(2.0 / delta)) / (noise * size)


def theorem_noise(tolerance: float, queries: int, beta: float) -> float:
    """The noise rate sigma of the theorem."""
    return tolerance / (96.0 * math.log(4.0 * queries / beta))


def least_rows(tolerance: float, queries: int, budget: int, beta: float = 0.05) -> int:
    """How many examples the theorem asks of a holdout.

    Arguments:
        tolerance: tau, how far an answer may be off, for losses in [0, 1].
        queries: m.
        budget: B.
        beta: probability of failure.

    >>> least_rows(0.05, 1000, 50)
    346822101
    """
    sigma, t, b = theorem_noise(tolerance, queries, beta), tolerance / 8.0, beta / (2.0 * queries)
    pure = max(2.0 * budget / (sigma * t), math.log(6.0 / b) / t**2)
    approximate = 80.0 * math.sqrt(budget * math.log(1.0 / (t * b))) / (t * sigma)
    return math.ceil(min(pure, approximate))


def practical_threshold(training_size: int, holdout_size: int) -> float:
    """The threshold T = 4 / sqrt(n), for losses in [0, 1]; for parts of unequal sizes 1/n is the mean of theirs."""
    return 4.0 * math.sqrt((1.0 / training_size + 1.0 / holdout_size) / 2.0)


def practical_noise(holdout_size: int) -> float:
    """The noise sigma = 1 / sqrt(n), for losses in [0, 1]."""
    return 1.0 / math.sqrt(holdout_size)


def practical_error(training_size: int, holdout_size: int) -> float:
    """The error T + 3 sigma, for losses in [0, 1]: a rule of thumb, not a theorem.

    >>> round(practical_error(1000, 1000), 2), round(practical_error(10_000, 10_000), 2)
    (0.22, 0.07)
    """
    return practical_threshold(training_size, holdout_size) + 3.0 * practical_noise(holdout_size)


def ladder_error(size: int, queries: int, step: float, beta: float = 0.05) -> float:
    """How far, epsilon + eta, the Ladder's best-so-far may be from the truth, for losses in [0, 1].

    Arguments:
        size: n, examples of the holdout.
        queries: k, submissions so far, at least 1.
        step: eta.
        beta: probability that it is further off after any number of submissions.
    """
    levels = round(1.0 / step) + 1
    functions = math.lgamma(queries + levels) - math.lgamma(queries) - math.lgamma(levels + 1)
    deviation = math.log(2.0) + functions + math.log(queries * (queries + 1.0) / beta)
    return step + math.sqrt(deviation / (2.0 * size))


def ladder_step(size: int, queries: int) -> float:
    """The step 1/N for which `ladder_error` after so many submissions is least."""
    return min((1.0 / levels for levels in range(1, 1001)), key=lambda step: ladder_error(size, queries, step))
