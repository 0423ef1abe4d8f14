"""What releases cost together, and the budget that stops them."""

from __future__ import annotations

import json
import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from trimtab.base.errors import Conflict, InvalidArgument
from trimtab.tuners.tasks.private import Accountant, Cost, private_quantile
from trimtab.tuners.tasks.private.accounting import advanced, basic, concentrated, rho_for, total

EPSILONS = st.lists(st.floats(1e-3, 2.0), min_size=1, max_size=30)


@given(EPSILONS)
def test_without_a_delta_epsilons_add_up(epsilons: list[float]) -> None:
    costs = [Cost(epsilon) for epsilon in epsilons]
    assert total(costs, 0.0) == pytest.approx(math.fsum(epsilons))
    assert basic(costs) == (pytest.approx(math.fsum(epsilons)), 0.0)


@given(EPSILONS, st.floats(1e-12, 1e-3))
def test_the_total_is_the_least_of_what_is_proven_and_never_below_one_release(
    epsilons: list[float], delta: float
) -> None:
    costs = [Cost(epsilon) for epsilon in epsilons]
    together = total(costs, delta)
    assert together <= math.fsum(epsilons) + 1e-12
    assert total(costs, delta / 10.0) >= together - 1e-12
    assert total([*costs, Cost(0.5)], delta) >= together - 1e-12


def worst_epsilon(epsilon: float, releases: int, delta: float) -> float:
    """The exact epsilon of randomised responses composed: by the distribution of their privacy loss, at a delta."""
    chance = math.exp(epsilon) / (1.0 + math.exp(epsilon))
    outcomes = [
        (math.comb(releases, k) * chance**k * (1.0 - chance) ** (releases - k), (2 * k - releases) * epsilon)
        for k in range(releases + 1)
    ]

    def spent(at: float) -> float:
        return sum(p * -math.expm1(at - loss) for p, loss in outcomes if loss > at)

    low, high = 0.0, releases * epsilon
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (low, middle) if spent(middle) <= delta else (middle, high)
    return high


@pytest.mark.parametrize(("epsilon", "releases"), [(0.1, 100), (0.5, 20), (1.0, 5)])
def test_no_composition_claims_less_than_randomised_responses_lose(epsilon: float, releases: int) -> None:
    """Randomised response is the worst pure mechanism, and its composition is known exactly."""
    costs = [Cost(epsilon)] * releases
    for delta in (1e-4, 1e-6):
        exact = worst_epsilon(epsilon, releases, delta)
        assert advanced(costs, delta)[0] >= exact
        together = concentrated(costs, delta)
        assert together is not None
        assert together[0] >= exact
        assert total(costs, delta) >= exact
    assert total([Cost(0.1)] * 100, 1e-4) < 0.6 * 10.0


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 4.0])
def test_the_rho_of_gaussian_noise_gives_no_more_than_its_delta(epsilon: float) -> None:
    """The exact delta of the Gaussian mechanism at an epsilon, by its two normal tails."""
    delta = 1e-5
    rho = rho_for(epsilon, delta)
    assert rho + 2.0 * math.sqrt(rho * math.log(1.0 / delta)) == pytest.approx(epsilon)
    ratio = math.sqrt(2.0 * rho)
    exact = norm.cdf(ratio / 2 - epsilon / ratio) - math.exp(epsilon) * norm.cdf(-ratio / 2 - epsilon / ratio)
    assert exact <= delta


def test_gaussian_releases_are_added_by_their_rho() -> None:
    one = Cost(0.5, 1e-6, rho_for(0.5, 1e-6))
    assert total([one] * 16, 1e-6) < 0.5 * 16 * 0.5
    assert total([one], 1e-9) > 0.5
    assert total([Cost(0.5, 1e-6)], 1e-9) == math.inf


def test_an_accountant_refuses_beyond_its_budget_and_keeps_its_books() -> None:
    accountant = Accountant(1.0, delta=1e-6)
    accountant.spend(Cost(0.6), "spring")
    with pytest.raises(Conflict, match=r"'autumn' would exceed.*epsilon 1\.2.*0\.4 of 1 left"):
        accountant.spend(Cost(0.6), "autumn")
    assert accountant.releases == (("spring", Cost(0.6)),)
    again = Accountant.from_json(json.loads(json.dumps(accountant.to_json())))
    assert (again.releases, again.left, again.unit) == (accountant.releases, accountant.left, "trial")
    again.spend(Cost(0.4), "summer")
    with pytest.raises(Conflict):
        again.spend(Cost(1e-3), "more")


@pytest.mark.parametrize("wrong", [lambda: Accountant(0.0), lambda: Accountant(1.0, 1.0), lambda: Cost(-1.0)])
def test_budgets_and_costs_out_of_range_are_refused(wrong: object) -> None:
    with pytest.raises(InvalidArgument, match="out of range"):
        wrong()  # type: ignore[operator]
    with pytest.raises(InvalidArgument, match="no Accountant's JSON"):
        Accountant.from_json({"schema": 1})


def test_a_private_quantile_is_near_with_many_losses_and_pays_first() -> None:
    rng = np.random.default_rng(0)
    losses, grid = rng.random(4000), np.linspace(0.0, 1.0, 101)
    accountant = Accountant(1.0)
    found = private_quantile(losses, 0.3, grid, epsilon=0.5, accountant=accountant, source=random.Random(0).randrange)
    assert found == pytest.approx(0.3, abs=0.03)
    assert accountant.spent == 0.5
    with pytest.raises(Conflict):
        private_quantile(losses, 0.3, grid, epsilon=0.6, accountant=accountant)
    with pytest.raises(InvalidArgument, match="share and finite candidates"):
        private_quantile(losses, 1.3, grid, epsilon=0.1, accountant=accountant)


def test_a_private_quantile_has_the_chances_of_permute_and_flip() -> None:
    """Two candidates: the better one first or the other flipped tails, else the worse one."""
    source = random.Random(1).randrange
    losses, epsilon = np.arange(10.0), 0.6
    # At or below 4.5 lie five of ten, at or below 1.5 two: scores 0 and -3.
    draws = 2500
    worse = sum(
        private_quantile(losses, 0.5, [4.5, 1.5], epsilon=epsilon, accountant=Accountant(1.0), source=source) == 1.5
        for _ in range(draws)
    )
    chance = math.exp(-epsilon * 3.0 / 2.0) / 2.0
    assert worse / draws == pytest.approx(chance, abs=4.0 * math.sqrt(chance / draws))
