"""Warm starts and every method of transfer pass the conformance kit of tuners; the front desk takes a corpus."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trimtab as tt
from trimtab.base.errors import InvalidArgument, StorageError
from trimtab.base.ports import Tuner
from trimtab.base.seeds import Key
from trimtab.space import Float, Space
from trimtab.storage import open_storage
from trimtab.testing.histories import make_history
from trimtab.testing.tuner_kit import CONDITIONAL, NUMBERS, SMALL, TunerKit, loss
from trimtab.tuners import make_tuner, references_of
from trimtab.tuners.catalogue import TRANSFER
from trimtab.tuners.tasks.transfer import (
    Corpus,
    CorpusTask,
    DefaultPortfolio,
    PrunedSpace,
    QuantilePrior,
    RankingWeighted,
    WarmStart,
)
from trimtab.tuners.tasks.transfer.guard import WARM
from trimtab.tuners.tasks.transfer.warm_start import METHODS

LINE = Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0))


def made_corpus(count: int = 6) -> Corpus:
    """A task in each of the kit's spaces, fresh, with some failures."""
    tasks = []
    for number, space in enumerate((NUMBERS, CONDITIONAL, SMALL)):
        rows = space.sample(np.random.default_rng(number), count)
        losses = [np.nan if place % 5 == 4 else loss(row) for place, row in enumerate(rows)]
        tasks.append(CorpusTask(f"task {number}", space, rows, losses))
    return Corpus(tasks)


@cache
def bowls(count: int = 6, trials: int = 30) -> Corpus:
    """Tasks on the unit square with bowls around (0.8, 0.2)."""
    tasks = []
    for number in range(count):
        rng = np.random.default_rng(number)
        rows = LINE.sample(rng, trials)
        at = np.array([0.8, 0.2]) + 0.03 * rng.standard_normal(2)
        scale = 10.0 ** rng.uniform(-3, 3)
        losses = [scale * ((float(r["x"]) - at[0]) ** 2 + (float(r["y"]) - at[1]) ** 2) for r in rows]
        tasks.append(CorpusTask(f"bowl {number}", LINE, rows, losses))
    return Corpus(tasks)


class TestWarmStartKit(TunerKit):
    def make_tuner(self) -> Tuner[Space]:
        return WarmStart(make_tuner("random"), made_corpus(), portfolio=0, methods=["quantile-prior"])


class TestRankingWeightedKit(TunerKit):
    def make_tuner(self) -> Tuner[Space]:
        return RankingWeighted(made_corpus())


class TestPortfolioKit(TunerKit):
    def make_tuner(self) -> Tuner[Space]:
        return DefaultPortfolio(made_corpus(), size=1)


class TestPrunedSpaceKit(TunerKit):
    def make_tuner(self) -> Tuner[Space]:
        return PrunedSpace(made_corpus(), make_tuner("random"))


def run(tuner: Tuner[Space], trials: int, at: tuple[float, float] = (0.8, 0.2), seed: int = 0) -> list[float]:
    """Losses of a bowl, in the order of the trials."""
    told: list[tuple[Any, Any]] = []
    for number in range(trials):
        (found,) = tuner.ask(make_history(LINE, told), 1, Key(seed, number, "ask"))
        told.append((found.params, (float(found.params["x"]) - at[0]) ** 2 + (float(found.params["y"]) - at[1]) ** 2))
    return [value for _, value in told]


@pytest.mark.parametrize("method", ["ranking-weighted", "quantile-prior", "pruned-space"])
def test_past_bowls_lead_to_the_next_one(method: Any) -> None:
    """With six past tasks of a like optimum, eight trials are nearer to it than a random search's fifty."""
    warm = run(WarmStart(make_tuner("random"), bowls(), methods=[method]), 8)
    assert min(warm) < 2e-3, warm
    assert np.median([min(run(make_tuner("random"), 8, seed=seed)) for seed in range(20)]) > 0.01


def test_names_say_which_part_proposed() -> None:
    """Portfolio first, then the method; cold trials keep the names that the cold tuner gives."""
    study = tt.create_study(space=LINE, seed=0, tuner="random", corpus=bowls())
    study.optimize(lambda trial: (trial.params["x"] - 0.8) ** 2 + (trial.params["y"] - 0.2) ** 2, n_trials=9)
    names = [trial.tuner for trial in study.trials]
    assert names[:3] == ["warm-start/default-portfolio"] * 2 + ["warm-start/ranking-weighted"]
    assert set(names) == {*names[1:3], "warm-start/quantile-prior", "random"}
    assert all("warm trial" in t.why if t.tuner.startswith("warm") else "cold trial" in t.why for t in study.trials)
    assert study.replay().same


def test_a_study_cites_what_its_warm_trials_came_from() -> None:
    """Each part that proposed one, under the name that its trials carry, and nothing that was not asked."""
    study = tt.create_study(space=LINE, seed=0, tuner="random", corpus=bowls())
    study.optimize(lambda trial: (trial.params["x"] - 0.8) ** 2 + (trial.params["y"] - 0.2) ** 2, n_trials=3)
    assert [trial.tuner for trial in study.trials] == [WARM + "default-portfolio"] * 2 + [WARM + "ranking-weighted"]
    assert study.citations() == [*DefaultPortfolio.refs, *RankingWeighted.refs]
    assert references_of(WARM + "quantile-prior") == QuantilePrior.refs
    assert references_of(WARM + "pruned-space") == PrunedSpace(bowls(), make_tuner("grid")).refs[:1]
    assert {*METHODS, DefaultPortfolio.name} == set(TRANSFER)


def test_a_corpus_that_says_nothing_leaves_the_cold_tuner() -> None:
    """Of no task, of tasks in another space, and for several objectives."""
    cold, key = make_tuner("gp"), Key(3, 4, "ask")
    other = Corpus([CorpusTask("other", Space(z=Float(0, 1)), [{"z": 0.5}], [1.0])])
    told = [(row, loss(row)) for row in LINE.sample(np.random.default_rng(0), 4)]
    for corpus in (Corpus(), other):
        assert WarmStart(cold, corpus).ask(make_history(LINE, told), 2, key) == cold.ask(
            make_history(LINE, told), 2, key
        )


def test_a_part_that_fails_gives_its_turn_to_the_cold_tuner(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the suggestion says so."""

    def broken(*_: object) -> None:
        raise RuntimeError("no luck")

    monkeypatch.setattr(RankingWeighted, "ask", broken)
    (found,) = WarmStart(make_tuner("random"), bowls(), portfolio=0).ask(make_history(LINE), 1, Key(0, 0, "ask"))
    assert found.tuner == "random"
    assert "RuntimeError: no luck" in found.why


def test_the_front_desk_goes_on_with_a_corpus_and_without(tmp_path: Any) -> None:
    """A study stores the cold tuner's name; a corpus is given again, or not."""
    url = f"sqlite:///{tmp_path}/studies.db"
    corpus = bowls()
    study = tt.create_study("s", url, space=LINE, seed=0, tuner="random", corpus=corpus)
    study.optimize(lambda trial: trial.params["x"], n_trials=4)
    assert study.history.study.tuner == "random"
    again = tt.load_study("s", url, corpus=corpus)
    again.optimize(lambda trial: trial.params["x"], n_trials=2)
    assert again.replay().same
    alone = tt.load_study("s", url)
    alone.optimize(lambda trial: trial.params["x"], n_trials=1)
    assert alone.trials[-1].tuner == "random"
    assert Corpus.from_storage(open_storage(url)).names == ("s",)


def test_wrong_arguments_are_refused() -> None:
    """Each with what is allowed."""
    with pytest.raises(InvalidArgument, match="must be a tuner"):
        WarmStart("gp", Corpus())
    with pytest.raises(InvalidArgument, match=r"Corpus\.of"):
        WarmStart(make_tuner("gp"), [])
    with pytest.raises(InvalidArgument, match="unknown methods"):
        WarmStart(make_tuner("gp"), Corpus(), methods=["luck"])
    with pytest.raises(InvalidArgument, match="portfolio"):
        WarmStart(make_tuner("gp"), Corpus(), portfolio=-1)
    with pytest.raises(InvalidArgument, match="corpus must be a Corpus"):
        tt.create_study(space=LINE, corpus=[1])  # type: ignore[arg-type]


def test_a_url_stands_for_the_other_studies_of_a_storage(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'past.db'}"
    with pytest.raises(StorageError, match="there is no database"):
        tt.create_study("new", url, space=LINE, corpus=url)
    open_storage(url).close()
    with pytest.raises(InvalidArgument, match="holds no past study"):
        tt.create_study("new", url, space=LINE, corpus=url)
    past = tt.create_study("past", url, space=LINE, seed=0, tuner="random")
    past.optimize(lambda trial: trial.params["x"] ** 2, n_trials=15)
    made = tt.create_study("new", url, space=LINE, seed=0, tuner="random", corpus=url)
    again = tt.load_study("new", url, corpus=url)
    for study in (made, again):
        trial = study.ask()
        assert study.trials[trial.number].tuner.startswith("warm-start/")
