"""A corpus: what of past studies fits a new space, and through JSON and storages."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trimtab as tt
from trimtab.base.errors import InvalidArgument
from trimtab.base.outcomes import EndReason
from trimtab.base.records import Objective, Observation
from trimtab.space import Categorical, Choice, Constant, Float, Int, Ordered, Space
from trimtab.storage import open_storage
from trimtab.testing.histories import make_history
from trimtab.testing.tuner_kit import CONDITIONAL, CONSTRAINED, NUMBERS, loss
from trimtab.tuners.tasks.transfer import Corpus, CorpusTask

SPACE = Space(lr=Float(1e-4, 1e-1, log=True), layers=Int(1, 5), act=Categorical(["relu", "tanh"]))
ROW = {"lr": 0.01, "layers": 2, "act": "relu"}


def test_directions_failures_and_constraints_of_studies() -> None:
    """Losses are turned so that lower is better; nan is what failed or broke a constraint; lost trials tell nothing."""
    told: list[tuple[Any, Any]] = [
        (ROW, 0.9),
        ({**ROW, "layers": 3}, None),
        ({**ROW, "layers": 4}, Observation(0.99, constraints={"memory": 1.0})),
        ({**ROW, "layers": 5}, EndReason.LEASE_LOST),
        ({**ROW, "layers": 1}, 0.8),
    ]
    corpus = Corpus.of(make_history(SPACE, told, [ROW], direction="maximize", name="up"))
    assert corpus.names == ("up",)
    np.testing.assert_array_equal(corpus.tasks[0].values, [-0.9, np.nan, np.nan, -0.8])
    assert [row["layers"] for row in corpus.tasks[0].params] == [2, 3, 4, 1]


def test_studies_that_cannot_serve_are_left_out_with_a_reason() -> None:
    """No finite value, or several objectives; names that are taken are numbered."""
    good = make_history(SPACE, [(ROW, 1.0)], name="s")
    two = make_history(
        SPACE, [(ROW, Observation({"a": 1.0, "b": 2.0}))], objectives=[Objective("a"), Objective("b")], name="two"
    )
    corpus = Corpus.of(good, make_history(SPACE, [(ROW, None)], name="s"), two, good)
    assert corpus.names == ("s", "s (3)")
    assert len(corpus) == 2
    assert "finite value" in corpus.reasons["s (2)"]
    assert "2 objectives" in corpus.reasons["two"]


def test_parameters_are_matched_by_name_and_range() -> None:
    """Values outside are dropped with their trial, what is missing takes the default, another kind of number fits."""
    other = Space(
        lr=Float(1e-6, 1.0), layers=Float(1.0, 9.0, step=0.5), extra=Int(0, 3), act=Categorical(["relu", "gelu"])
    )
    rows: list[dict[str, Any]] = [
        {"lr": 0.05, "layers": 3.0, "extra": 1, "act": "relu"},
        {"lr": 0.5, "layers": 3.0, "extra": 1, "act": "relu"},
        {"lr": 0.05, "layers": 3.5, "extra": 1, "act": "relu"},
        {"lr": 0.05, "layers": 3.0, "extra": 1, "act": "gelu"},
        {"lr": 0.002, "layers": 5.0, "extra": 1, "act": "relu"},
    ]
    space = Space({**SPACE.parameters, "width": Int(8, 64, default=16)})
    matched = Corpus([CorpusTask("other", other, rows, [0.0, 1.0, 2.0, 3.0, 4.0])]).on(space)
    assert matched.tasks[0].losses.tolist() == [0.0, 4.0]
    assert space.decode_many(matched.tasks[0].raw) == [
        {"lr": 0.05, "layers": 3, "act": "relu", "width": 16},
        {"lr": 0.002, "layers": 5, "act": "relu", "width": 16},
    ]


def test_tasks_that_say_nothing_are_left_out_with_a_reason() -> None:
    """No shared parameter, none within the ranges, or only failures within."""
    corpus = Corpus(
        [
            CorpusTask("strange", Space(z=Float(0, 1)), [{"z": 0.5}], [1.0]),
            CorpusTask("far", Space(lr=Float(1.0, 10.0)), [{"lr": 2.0}], [1.0]),
            CorpusTask("failed", SPACE, [ROW], [math.nan]),
            CorpusTask("good", SPACE, [ROW], [1.0]),
        ]
    )
    matched = corpus.on(SPACE)
    assert [task.name for task in matched.tasks] == ["good"]
    assert "shares no parameter" in matched.reasons["strange"]
    assert "within the ranges" in matched.reasons["far"]
    assert "finite loss" in matched.reasons["failed"]
    assert corpus.on(SPACE) is matched


@pytest.mark.parametrize("space", [NUMBERS, CONDITIONAL, CONSTRAINED], ids=["numbers", "conditional", "constrained"])
def test_a_task_of_the_same_space_is_taken_as_it_is(space: Space) -> None:
    """And through a renamed, that is, a slightly other space, it comes to the same configurations."""
    rows = space.sample(np.random.default_rng(0), 20)
    task = CorpusTask("t", space, rows, [loss(row) for row in rows])
    assert space.decode_many(Corpus([task]).on(space).tasks[0].raw) == rows
    wider = space.with_parameter("new", Int(0, 2, default=1), 0)
    assert wider.decode_many(Corpus([task]).on(wider).tasks[0].raw) == [{**row, "new": 1} for row in rows]


def test_branches_and_constraints_of_the_new_space_are_kept() -> None:
    """A nested name chooses its branch; the parameters that were not told move until the constraints hold."""
    nested = Space(opt=Choice({"adam": Space(beta=Float(0.0, 1.0)), "sgd": Space(momentum=Float(0.0, 1.0))}))
    task = CorpusTask("t", nested, [{"opt": "sgd", "opt.sgd.momentum": 0.9}], [1.0])
    target = Space({**nested.parameters, "seed": Constant(1), "low": Float(0, 1), "high": Float(0, 1)})
    bounded = target.require(Ordered("low", "high", strict=True))
    (row,) = bounded.decode_many(Corpus([task]).on(bounded).tasks[0].raw)
    bounded.validate(row)
    assert row["opt.sgd.momentum"] == 0.9


def test_define_by_run_studies_serve_and_are_served() -> None:
    """A traced trial may lack parameters."""
    traced = Space.traced({"lr": Float(1e-4, 1e-1, log=True), "layers": Int(1, 5)})
    corpus = Corpus.of(make_history(traced, [({"lr": 0.01, "layers": 2}, 1.0), ({"lr": 0.02}, 2.0)], name="t"))
    assert corpus.tasks[0].params == ({"lr": 0.01, "layers": 2}, {"lr": 0.02})
    assert corpus.on(SPACE).tasks[0].raw[:, 0].tolist() == [0.01, 0.02]
    assert corpus.on(traced).tasks[0].raw[0].tolist() == [0.01, 2.0]
    assert Corpus.from_json(corpus.to_json()) == corpus


def test_json_and_back(tmp_path: Path) -> None:
    """Exactly, nan and features too; and nothing else is read."""
    rows = CONDITIONAL.sample(np.random.default_rng(0), 5)
    corpus = Corpus(
        [CorpusTask("t", CONDITIONAL, rows, [1.0, math.nan, 3.0, 0.1 + 0.2, -1.0], {"rows": 7})], {"u": "x"}
    )
    text = json.dumps(corpus.to_json(), allow_nan=False)
    again = Corpus.from_json(json.loads(text))
    assert again == corpus
    assert hash(again) == hash(corpus)
    assert again.tasks[0].features == {"rows": 7.0}
    assert Corpus.from_json(json.loads(text.replace("0.30000000000000004", "0.3"))) != corpus
    for wrong in ([], {"schema": 9, "kind": "corpus"}, {"schema": 1, "kind": "corpus", "tasks": [{"name": 1}]}):
        with pytest.raises(InvalidArgument, match="corpus"):
            Corpus.from_json(wrong)


def test_from_a_storage(tmp_path: Path) -> None:
    """All studies, or some by name; a name of none is refused."""
    storage = open_storage(f"sqlite:///{tmp_path}/past.db")
    for name in ("one", "two"):
        study = tt.create_study(name, storage, space=SPACE, tuner="random", seed=0)
        study.optimize(lambda trial: trial.params["lr"], n_trials=3)
    by_run = tt.create_study("three", storage, tuner="random", seed=0)
    by_run.optimize(lambda trial: trial.suggest_float("lr", 1e-4, 1e-1, log=True), n_trials=3)
    corpus = Corpus.from_storage(storage)
    assert corpus.names == ("one", "two", "three")
    assert [len(task.losses) for task in corpus.on(SPACE).tasks] == [3, 3, 3]
    assert corpus.tasks[0] == Corpus.of(tt.load_study("one", storage)).tasks[0]
    assert Corpus.from_storage(storage, ["two"]).names == ("two",)
    with pytest.raises(InvalidArgument, match="no such study"):
        Corpus.from_storage(storage, ["four"])


def test_leaving_one_out() -> None:
    """By name."""
    tasks = [CorpusTask(name, SPACE, [ROW], [1.0]) for name in "abc"]
    assert Corpus(tasks).without("b").names == ("a", "c")


def test_wrong_tasks_are_refused() -> None:
    """Each with what is allowed."""
    task = CorpusTask("a", SPACE, [ROW], [1.0])
    with pytest.raises(InvalidArgument, match="one number for each configuration"):
        CorpusTask("a", SPACE, [ROW], [1.0, 2.0])
    with pytest.raises(InvalidArgument, match="one name"):
        Corpus([task, task])
    with pytest.raises(InvalidArgument, match=r"Corpus\.of"):
        Corpus([make_history(SPACE)])
    with pytest.raises(InvalidArgument, match="made of studies"):
        Corpus.of("study")
