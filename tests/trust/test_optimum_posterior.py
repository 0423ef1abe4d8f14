"""The posterior of the optimum: draws by the closed form, temperatures by the theorem, and regions that hold it."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from trimtab.base.errors import InvalidArgument, InvalidParams, UnknownName
from trimtab.base.history import History
from trimtab.base.records import Direction, Interval
from trimtab.space import Categorical, Choice, Float, Int, Linear, Space
from trimtab.surrogates.gp import Model
from trimtab.surrogates.gp.kernels import matern52, squared_distances
from trimtab.surrogates.gp.regression import Data, Hyperparameters, condition
from trimtab.testing.histories import make_history
from trimtab.trust import certify
from trimtab.trust.fitted import evidence_of, fitted
from trimtab.trust.optimum_posterior import OptimumRegion, optimum_note, optimum_posterior
from trimtab.trust.optimum_posterior.annealed import annealed, annealed_rho, entropies
from trimtab.trust.optimum_posterior.draws import drawn_minima, tie_scores
from trimtab.trust.optimum_posterior.inflation import ASKED, asked, drawn_inflations, surprise
from trimtab.trust.optimum_posterior.mixture import Member, drawn_mixture, mixture_scores, plausible

SPACE = Space(x=Float(0.0, 1.0), y=Float(1e-4, 1.0, log=True), kind=Categorical(["a", "b"]))
LINE = Space(x=Float(0.0, 1.0))
BEST = {"x": 0.3, "y": 0.01, "kind": "a"}


def loss(params: dict) -> float:
    return (params["x"] - 0.3) ** 2 + 0.1 * (math.log10(params["y"]) + 2.0) ** 2 + 0.1 * (params["kind"] == "b") - 2.0


def study(n: int = 25, direction: Direction = "minimize", seed: int = 0) -> History[Space]:
    sign = 1.0 if direction == "minimize" else -1.0
    rows = SPACE.sample(np.random.default_rng(seed), n)
    return make_history(SPACE, [(row, sign * loss(row)) for row in rows], [], direction)


def line(n: int = 6) -> tuple[Model, History[Space]]:
    rows = LINE.sample(np.random.default_rng(1), n)
    history = make_history(LINE, [(row, math.sin(6.0 * float(row["x"]))) for row in rows])  # type: ignore[arg-type]
    return fitted(evidence_of(history), LINE, "line"), history


def test_minimisers_are_drawn_as_by_the_whole_process_on_a_grid() -> None:
    model, _ = line()
    grid = np.linspace(0.0, 1.0, 201)[:, None]
    mean, _ = model.predict(grid)
    scaled = model.embedding.features(grid) / model.posterior.scales
    cross = model.posterior.cross(scaled)
    inverse = np.linalg.inv(model.posterior.lower @ model.posterior.lower.T)
    covariance = matern52(squared_distances(scaled)) - cross @ inverse @ cross.T
    rng = np.random.default_rng(3)
    values, vectors = np.linalg.eigh(covariance)
    draws = mean + rng.standard_normal((4000, 201)) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    optimum = grid[mean.argmin()]
    found = drawn_minima(model, LINE, optimum, 4000, 1.0, np.random.default_rng(4))
    slow, tails = grid[draws.argmin(axis=1), 0], [0.05, 0.25, 0.5, 0.75, 0.95]
    assert np.quantile(found.unit[:, 0], tails) == pytest.approx(np.quantile(slow, tails), abs=0.03)
    assert np.quantile(found.values, tails) == pytest.approx(np.quantile(draws.min(axis=1), tails), abs=0.06)


def test_scores_are_the_rise_over_the_deviation_of_the_difference() -> None:
    model, _ = line()
    optimum, there = np.array([0.8]), np.array([[0.1], [0.5], [0.8], [0.95]])
    points = np.vstack([optimum[None, :], there])
    scaled = model.embedding.features(points) / model.posterior.scales
    cross = model.posterior.cross(scaled)
    inverse = np.linalg.inv(model.posterior.lower @ model.posterior.lower.T)
    c = matern52(squared_distances(scaled)) - cross @ inverse @ cross.T
    mean, _ = model.predict(points)
    deviation = np.sqrt(np.maximum(c[0, 0] + np.diag(c)[1:] - 2.0 * c[0, 1:], 1e-18))
    expected = (mean[1:] - mean[0]) / deviation
    scores = tie_scores(model, optimum, there)
    assert scores[2] == 0.0
    assert scores[[0, 1, 3]] == pytest.approx(expected[[0, 1, 3]], rel=1e-4)


def test_entropy_along_a_ladder_is_that_of_an_exponential() -> None:
    # m(x) = x on [0, 1]: p is a truncated exponential, whose moments and entropy have closed forms.
    rhos = np.linspace(0.0, 20.0, 2001)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(rhos > 1e-3, 1.0 / rhos - 1.0 / np.expm1(rhos), 0.5 - rhos / 12.0)
        constants = np.where(rhos > 1e-3, np.log(-np.expm1(-rhos) / rhos), -0.5 * rhos)
    exact = (constants + rhos * means) / math.log(2.0) + math.log2(10.0)
    assert entropies(rhos, means, 1) == pytest.approx(exact, abs=1e-4)
    assert np.all(np.diff(exact) < 1e-12)


def test_the_temperature_never_rises_and_is_a_fixed_point_of_its_rule() -> None:
    rhos = np.array([0.0, 1.0, 4.0, 16.0, 64.0])
    bits = np.array([6.6, 6.0, 5.0, 4.0, 3.5])
    rho = annealed_rho(rhos, bits, 230, 2)
    assert rho == pytest.approx(math.exp(230 ** (1 / 3) / np.interp(rho, rhos, bits)), rel=1e-6)
    assert annealed_rho(rhos, bits, 1000, 2) > rho > annealed_rho(rhos, bits, 30, 2) > 1.0
    assert annealed_rho(rhos, np.full(5, -3.0), 230, 2) == 64.0  # the pole of the rule


def test_annealed_places_are_drawn_from_the_density_of_their_temperature() -> None:
    model, _ = line()
    found = annealed(model, LINE, 4000, 1.0, np.random.default_rng(0))
    grid = np.linspace(0.0, 1.0, 2001)[:, None]
    mean, _ = model.predict(grid)
    weights = np.exp(-found.rho * mean)
    cumulated = np.cumsum(weights) / weights.sum()
    tails = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
    exact = grid[np.searchsorted(cumulated, tails), 0]
    assert np.quantile(found.unit[:, 0], tails) == pytest.approx(exact, abs=0.05)
    assert found.entropy <= math.log2(10.0)
    warmer = annealed(model, LINE, 10, 3.0, np.random.default_rng(0))
    assert warmer.rho == pytest.approx(found.rho / 9.0, rel=1e-9)
    assert warmer.entropy > found.entropy


@pytest.mark.parametrize("method", ["draws", "annealed"])
def test_regions_hold_their_share_of_the_draws_grow_with_level_and_know_the_optimum(method: str) -> None:
    posterior = optimum_posterior(study(), method=method)  # type: ignore[arg-type]
    narrow, wide = posterior.region(0.5), posterior.region(0.95)
    drawn = SPACE.decode_many(SPACE.from_unit(posterior.unit))
    # Draws that share a minimiser share its score, so that a region may hold some more than its level.
    assert np.mean(posterior.contains(drawn, 0.5)) == pytest.approx(0.5, abs=0.05)
    assert np.all(posterior.contains(drawn, 0.5) <= posterior.contains(drawn, 0.95))
    assert narrow.share <= wide.share
    assert wide.value.low <= narrow.value.low <= narrow.value.high <= wide.value.high
    assert bool(posterior.contains([BEST])[0])
    assert wide.agrees
    for region in wide.parameters:
        value = BEST[region.name]
        assert value in region.choices or region.low <= value <= region.high  # type: ignore[operator]
    assert wide.best == certify(study()).params


def test_an_optimum_outside_of_an_interval_is_told() -> None:
    posterior = optimum_posterior(study(), draws=300)
    moved = replace(posterior, optimum=SPACE.to_unit(SPACE.encode_many([{"x": 0.99, "y": 0.01, "kind": "a"}]))[0])
    other = replace(posterior, optimum=SPACE.to_unit(SPACE.encode_many([{**BEST, "kind": "b"}]))[0])
    assert posterior.region().agrees
    assert not moved.region().agrees
    assert not other.region().agrees
    assert "it does not lie in all of these intervals" in str(moved.region())


def test_more_inflation_makes_regions_larger() -> None:
    plain, inflated = (optimum_posterior(study(), inflation=a, draws=300).region() for a in (1.0, 3.0))
    assert inflated.share > plain.share
    assert inflated.value.high - inflated.value.low > plain.value.high - plain.value.low


def imagined(model: Model, scale: float, seed: int) -> Model:
    """A model of values drawn from another one, right but for deviations too small by a factor."""
    posterior = model.posterior
    truth = scale * (posterior.lower @ np.random.default_rng(seed).standard_normal(model.trials))
    data = Data(posterior.features, truth, posterior.known, posterior.groups, 1)
    return replace(model, posterior=condition(data, posterior.hyperparameters))


def test_a_surprise_is_that_of_a_model_of_all_other_trials() -> None:
    model, _ = line(8)
    posterior = model.posterior
    noise = posterior.hyperparameters.noise
    for left in ([0], [7], [2, 5], [1, 3, 6]):
        rest = np.setdiff1d(np.arange(8), left)
        data = Data(posterior.features[rest], posterior.values[rest], posterior.known[rest], posterior.groups, 1)
        lower = condition(data, posterior.hyperparameters).lower
        # The constant's own uncertainty is added to the covariance of the prediction.
        there = posterior.features[left]
        cross = matern52(squared_distances(there, data.features) / posterior.scales**2)
        inverse = np.linalg.inv(lower @ lower.T)
        total = inverse.sum()
        mean = float(inverse.sum(axis=0) @ data.values) / total
        residual = posterior.values[left] - mean - cross @ inverse @ (data.values - mean)
        lack = 1.0 - cross @ inverse.sum(axis=1)
        prior = matern52(squared_distances(there) / posterior.scales**2) + noise * np.eye(len(left))
        covariance = prior - cross @ inverse @ cross.T + np.outer(lack, lack) / total
        expected = residual @ np.linalg.solve(covariance, residual)
        assert surprise(model, np.array(left)) == pytest.approx(expected, rel=1e-4)


def test_a_surprise_is_chi_square_under_the_model_and_inflation_finds_a_factor() -> None:
    model, asked, found, plain, narrow = line(25)[0], np.array([2, 9, 14]), [], [], []
    for seed in range(200):
        right, small = imagined(model, 1.0, seed), imagined(model, 3.0, seed)
        found.append(surprise(right, asked))
        plain.append(np.median(drawn_inflations(right, 400, np.random.default_rng(0))))
        assert surprise(small, asked) == pytest.approx(9.0 * found[-1], rel=1e-6)
        narrow.append(np.median(drawn_inflations(small, 400, np.random.default_rng(0))))
    # Chi-square with 3 degrees of freedom: mean 3 and variance 6, here of 200.
    assert np.mean(found) == pytest.approx(3.0, abs=0.6)
    assert np.mean(np.array(found) > 2.366) == pytest.approx(0.5, abs=0.12)
    assert 1.0 <= np.median(plain) < 1.6
    assert 2.5 < np.median(narrow) < 4.5


def test_inflations_are_drawn_from_the_posterior_of_a_scale_and_never_below_one() -> None:
    told, _ = line(25)
    model, sure = imagined(told, 20.0, 0), imagined(told, 1e-3, 0)
    best = np.argsort(model.posterior.values)[:ASKED]
    size = surprise(model, best)
    factors = drawn_inflations(model, 20_000, np.random.default_rng(0))
    # Quantiles of chi-square with 3 degrees of freedom, at levels of 0.8, 0.5 and 0.2.
    assert np.quantile(factors**2, [0.2, 0.5, 0.8]) == pytest.approx(size / np.array([4.6416, 2.366, 1.0052]), rel=0.05)
    assert np.all(drawn_inflations(sure, 400, np.random.default_rng(0)) < 1.1)
    assert drawn_inflations(sure, 400, np.random.default_rng(0)).min() == 1.0


def test_one_trial_tells_no_inflation() -> None:
    history = make_history(LINE, [({"x": 0.4}, 1.0)])
    assert optimum_posterior(history, draws=20).inflation == 1.0


def test_a_deep_hole_between_trials_inflates_draws_and_leaves_the_published_temperature() -> None:
    places = np.linspace(0.0, 1.0, 12).tolist()
    history = make_history(LINE, [({"x": x}, x - 3.0 * (0.5 < x < 0.6)) for x in places])
    estimated = optimum_posterior(history, method="annealed", draws=100)
    published, warmer = (optimum_posterior(history, method="annealed", draws=100, inflation=a) for a in (1.0, 3.0))
    assert estimated.inflation > 1.5
    assert estimated.rho == pytest.approx(published.rho, rel=0.02)
    assert warmer.rho == pytest.approx((published.rho or 0.0) / 9.0, rel=0.02)
    inflated = optimum_posterior(history, settings=1, inflation="auto").region().share
    assert inflated > optimum_posterior(history, settings=1, inflation=1.0).region().share


def test_a_right_process_covers_at_its_level_and_an_estimate_repairs_one_that_is_too_sure() -> None:
    model, settings = line(12)[0], Hyperparameters(np.array([0.15]), 1e-4)
    posterior, grid = model.posterior, np.linspace(0.0, 1.0, 201)[:, None]
    features = np.vstack([posterior.features, model.embedding.features(grid)])
    values, vectors = np.linalg.eigh(matern52(squared_distances(features / 0.15)))
    root, held = vectors * np.sqrt(np.maximum(values, 0.0)), np.zeros((2, 2))
    for seed in range(60):
        rng = np.random.default_rng(seed)
        drawn = root @ rng.standard_normal(len(root))
        told, place = drawn[:12] + 0.01 * rng.standard_normal(12), grid[drawn[12:].argmin()]
        for row, scale in enumerate((1.0, 3.0)):
            data = Data(posterior.features, scale * told, posterior.known, posterior.groups, 1)
            here = replace(model, posterior=condition(data, settings))
            optimum = grid[here.predict(grid)[0].argmin()]
            for column, factors in enumerate((1.0, drawn_inflations(here, 100, rng))):
                minima = drawn_minima(here, LINE, optimum, 100, factors, rng)
                score = tie_scores(here, optimum, place[None, :])[0]
                held[row, column] += score <= np.quantile(tie_scores(here, optimum, minima.unit), 0.8, method="higher")
    plain, estimated = held.T / 60.0
    # The standard error of a share of 0.8 is 0.05.
    assert plain[0] == pytest.approx(0.8, abs=0.15)
    assert estimated[0] >= 0.7
    assert plain[1] < 0.6
    assert estimated[1] >= 0.7


def test_a_mixture_scores_by_the_mean_probability_of_being_as_good_as_the_predicted_optimum() -> None:
    model, _ = line()
    there = np.array([[0.1], [0.5], [0.8]])
    twin = replace(model, posterior=condition(as_data(model), Hyperparameters(np.array([0.4]), 1e-3)))
    members = [Member(model, np.array([0.8]), np.array([1.0, 2.0])), Member(twin, np.array([0.75]), np.array([1.5]))]
    r, other = tie_scores(model, np.array([0.8]), there), tie_scores(twin, np.array([0.75]), there)
    slow = [
        -0.5 * (0.5 * (normal_cdf(-a) + normal_cdf(-a / 2.0)) + normal_cdf(-b / 1.5))
        for a, b in zip(r, other, strict=True)
    ]
    assert mixture_scores(members, there) == pytest.approx(slow, rel=1e-9)
    assert mixture_scores(members[:1], np.array([[0.8]]))[0] == -0.5


def normal_cdf(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def as_data(model: Model) -> Data:
    posterior = model.posterior
    return Data(posterior.features, posterior.values, posterior.known, posterior.groups, 1)


def test_plausible_settings_are_of_the_same_trials_and_one_is_the_fit() -> None:
    model, _ = line(10)
    assert plausible(model, 1, np.random.default_rng(0)) == [model]
    drawn = plausible(model, 8, np.random.default_rng(0))
    assert len({each.posterior.hyperparameters.noise for each in drawn}) == 8
    for each in drawn:
        assert each.posterior.values is model.posterior.values
        assert each.best == pytest.approx(each.predict(each.posterior.features)[0].min(), abs=1e-6)
    again = plausible(model, 8, np.random.default_rng(0))
    assert [each.best for each in again] == [each.best for each in drawn]


def test_the_best_trials_have_no_say_in_the_settings() -> None:
    model, _ = line(10)
    values = model.posterior.values.copy()
    best = asked(model)
    assert sorted(values[best]) == sorted(values)[:ASKED]
    values[best] -= [0.0, 3.0, 6.0]
    lower = replace(as_data(model), values=values)
    other = replace(model, posterior=condition(lower, model.posterior.hyperparameters))
    pairs = [plausible(each, 4, np.random.default_rng(0)) for each in (model, other)]
    for one, two in zip(*pairs, strict=True):
        assert np.array_equal(one.posterior.hyperparameters.logs, two.posterior.hyperparameters.logs)
        assert surprise(two, best) > surprise(one, best)
        assert np.array_equal(two.posterior.values, values)


def test_draws_are_shared_out_among_settings() -> None:
    model, _ = line()
    models = plausible(model, 3, np.random.default_rng(0))
    mixture = drawn_mixture(models, LINE, np.array([0.8]), 10, "auto", np.random.default_rng(1))
    assert mixture.unit.shape == (12, 1)
    assert [len(each.inflations) for each in mixture.members] == [4, 4, 4]
    for each in mixture.members:
        assert each.model.predict(each.optimum[None, :])[0] <= each.model.predict(mixture.unit)[0].min() + 1e-9
    fixed = drawn_mixture(models, LINE, np.array([0.8]), 10, 1.5, np.random.default_rng(1))
    assert fixed.inflation == 1.5


def test_a_maximised_objective_is_the_same_study_turned_over_and_calls_agree() -> None:
    down, up = optimum_posterior(study()).region(), optimum_posterior(study(direction="maximize")).region()
    assert up.value == Interval(-down.value.high, -down.value.low, 0.95)
    assert (up.predicted, up.parameters, up.share) == (-down.predicted, down.parameters, down.share)
    assert optimum_posterior(study()).region() == down


def test_a_region_is_json_and_plain_sentences() -> None:
    region = optimum_posterior(study()).region(0.9)
    assert OptimumRegion.from_json(json.loads(json.dumps(region.to_json()))) == region
    text = str(region)
    assert text.startswith("optimum of value by 25 trials, with probability 90% each")
    assert "no coverage is claimed" in text
    assert "  kind in a" in text
    assert "it lies in all of these intervals" in text
    assert "predicted optimum (certified): x=" in text


def test_conditions_integers_and_constraints_of_a_space_are_kept() -> None:
    space = Space(
        n=Int(1, 9),
        opt=Choice({"adam": Space(beta=Float(0.0, 1.0)), "sgd": Space(momentum=Float(0.0, 1.0))}),
        z=Float(0.0, 1.0),
    ).require(Linear({"n": 1.0, "z": 4.0}, upper=9.0))

    def told(row: dict) -> float:
        return 0.1 * (row["n"] - 6) ** 2 + row.get("opt.beta", row.get("opt.adam.beta", 0.9)) - 0.3 * row["z"]

    rows = [row for row in space.sample(np.random.default_rng(0), 20) if space.feasible(row)]
    history = make_history(space, [(row, told(row)) for row in rows])
    for method in ("draws", "annealed"):
        posterior = optimum_posterior(history, method=method, draws=200, seconds=0.1)  # type: ignore[arg-type]
        drawn = space.decode_many(space.from_unit(posterior.unit))
        assert all(space.feasible(each) for each in drawn)
        region = posterior.region()
        low, high = next((each.low, each.high) for each in region.parameters if each.name == "n")
        assert isinstance(low, int)
        assert isinstance(high, int)
        assert sum(each.active for each in region.parameters if each.name.startswith("opt.")) == pytest.approx(1.0)
        assert OptimumRegion.from_json(region.to_json()) == region


def test_the_regions_cover_the_optimum_of_shifted_bowls() -> None:
    rng, held, values = np.random.default_rng(7), 0, 0
    space = Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0))
    for seed in range(8):
        place = rng.uniform(0.15, 0.85, 2)
        rows = space.sample(rng, 15)
        told = [(row, 3.0 * (float(row["x"]) - place[0]) ** 2 + (float(row["y"]) - place[1]) ** 2) for row in rows]  # type: ignore[arg-type]
        posterior = optimum_posterior(make_history(space, told, seed=seed), draws=200, seconds=0.1)
        held += bool(posterior.contains([{"x": place[0], "y": place[1]}])[0])
        values += 0.0 in posterior.region().value
    # Fewer have a probability of 0.006 at a rate of 0.95.
    assert held >= 6
    assert values >= 6


def test_a_note_says_whether_a_trial_may_be_the_optimum() -> None:
    history = study()
    best, worst = int(np.argmin(history.values[:, 0])), int(np.argmax(history.values[:, 0]))
    posterior = optimum_posterior(history)
    for trial in (best, worst):
        params = history.trial(trial).params
        inside = bool(posterior.contains([params or {}])[0])
        note = optimum_note(history, None, trial)
        assert note.endswith(f"trial {trial} lies {'in' if inside else 'outside'} their joint region.")
        assert str(posterior.region().parameters[0]) in note
    assert "outside" in optimum_note(history, None, worst)
    assert optimum_note(make_history(SPACE), None, 0).startswith("Where the optimum lies cannot be said: study 'made'")


def test_errors_say_what_is_allowed() -> None:
    history = study(5)
    with pytest.raises(InvalidArgument, match="unknown posterior of the optimum; got 'psychic'"):
        optimum_posterior(history, method="psychic")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="inflation must be positive"):
        optimum_posterior(history, inflation=0.0)
    with pytest.raises(InvalidArgument, match="or 'auto'"):
        optimum_posterior(history, inflation="huge")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="settings must be a whole number"):
        optimum_posterior(history, settings=0)
    with pytest.raises(InvalidArgument, match="draws must be a whole number"):
        optimum_posterior(history, draws=0)
    with pytest.raises(UnknownName, match="has no trial that is complete and feasible"):
        optimum_posterior(make_history(SPACE, [(BEST, None)]))
    posterior = optimum_posterior(history, draws=50)
    with pytest.raises(InvalidArgument, match="level must lie between 0 and 1"):
        posterior.region(1.0)
    with pytest.raises(InvalidParams):
        posterior.contains([{"x": 7.0, "y": 0.1, "kind": "a"}])
