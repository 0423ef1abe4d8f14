"""Many runs: their order, that nothing is done twice, and what happens to those that fail."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from trimtab.base.errors import InvalidArgument, UnknownName
from trimtab.benchmarks import sweep as room
from trimtab.benchmarks.environments import prepare
from trimtab.benchmarks.peer import Peer
from trimtab.benchmarks.protocol import Run, is_done, run_path
from trimtab.benchmarks.registry import make_problem
from trimtab.benchmarks.sweep import Places, RunEnd, planned, sweep


def test_seeds_come_first_so_that_what_is_there_compares_all_peers() -> None:
    runs = planned(["p", "q"], ["a", "b"], [0, 1], 5)
    assert [(run.seed, run.problem, run.peer) for run in runs[:5]] == [
        *[(0, "p", "a"), (0, "p", "b"), (0, "q", "a"), (0, "q", "b")],
        (1, "p", "a"),
    ]


def test_a_seed_plays_an_instance_of_its_own() -> None:
    runs = planned(["bbob-f1-d2+noisy:0.1", "bbob-f1-d2-i7", "table-segment"], ["a"], [0, 2], 5)
    assert [(run.seed, run.problem) for run in runs] == [
        *[(0, "bbob-f1-d2+noisy:0.1"), (0, "bbob-f1-d2-i7"), (0, "table-segment")],
        *[(2, "bbob-f1-d2-i3+noisy:0.1"), (2, "bbob-f1-d2-i7"), (2, "table-segment")],
    ]
    for run in runs:
        assert make_problem(run.problem).name == run.problem


def test_what_is_there_is_not_done_again_and_a_failure_hurts_nobody_else(
    fake_peer: Callable[..., Peer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = (
        'reply["params"] = {"x0": 1.0, "x1": 0.0}\n'
        "        if sys.argv[1:] == ['bad']: reply = {'error': 'no luck'}"
    )
    good = fake_peer(ask)
    peers = {"good": good, "bad": Peer("bad", (*good.command, "bad"))}
    monkeypatch.setattr(room, "_checked_peer", lambda name, places: peers[name])
    runs = planned(["bbob-f1-d2", "bbob-f2-d2"], ["good", "bad"], [0], 3)
    places = Places(tmp_path / "runs")
    ends: list[RunEnd] = []
    assert sweep(runs, places, 2, ends.append) == 2
    assert {(end.run.problem, end.run.peer, end.failed) for end in ends} == {
        ("bbob-f1-d2", "good", ""),
        ("bbob-f2-d2", "good", ""),
        ("bbob-f1-d2", "bad", "bad: no luck."),
        ("bbob-f2-d2", "bad", "bad: no luck."),
    }
    assert [is_done(places.runs, run) for run in runs] == [True, False, True, False]
    kept = run_path(places.runs, runs[0]).read_bytes()
    again: list[RunEnd] = []
    assert sweep(runs, places, 1, again.append) == 2
    assert {end.run.peer for end in again} == {"bad"}
    assert run_path(places.runs, runs[0]).read_bytes() == kept


def test_a_worker_that_dies_or_cannot_be_started_is_a_failure_of_its_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = planned(["bbob-f1-d2"], ["trimtab:random"], [0, 1, 2], 2)
    for command in (("/no/such/program",), (sys.executable, "-c", "input()")):
        monkeypatch.setattr(room, "_WORKER", Peer("worker", command))
        ends: list[RunEnd] = []
        assert sweep(runs, Places(tmp_path / "runs"), 2, ends.append) == 3
        assert sorted(end.run.seed for end in ends) == [0, 1, 2]
        assert all(end.failed.startswith("worker") for end in ends)


@pytest.mark.parametrize(
    ("problem", "peer", "error", "text"),
    [
        ("bbob-f1-d2", "trimtab:rnadom", UnknownName, "Next: write 'random'"),
        ("bbob-f1-d2", "trimtab:gp+gradients", UnknownName, "no tuner of this name"),
        ("bbob-f1-d2", "optuna:tpe", InvalidArgument, "trimtab bench prepare optuna"),
        ("bbob-f77-d2", "trimtab:random", InvalidArgument, "function 77"),
    ],
)
def test_mistakes_are_found_before_anything_is_run(
    tmp_path: Path, problem: str, peer: str, error: type[Exception], text: str
) -> None:
    places = Places(tmp_path / "runs", environments=tmp_path / "none")
    with pytest.raises(error) as caught:
        sweep([Run("bbob-f1-d2", "trimtab:random", 0, 1), Run(problem, peer, 0, 1)], places, 1, print)
    assert text in str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_an_environment_is_made_once_and_filled_every_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def note(command: list[str], failure: str) -> None:
        commands.append(command)
        python = tmp_path / "smac" / "bin" / "python"
        python.parent.mkdir(parents=True, exist_ok=True)
        python.touch()

    monkeypatch.setattr("trimtab.benchmarks.environments._run", note)
    assert prepare("smac", tmp_path) == prepare("smac", tmp_path) == tmp_path / "smac"
    assert [command[1:3] for command in commands] == [["-m", "venv"], ["-m", "pip"], ["-m", "pip"]]
    assert commands[0][0] == sys.executable
    assert commands[1][-1].endswith("peers/smac.txt")
    with pytest.raises(UnknownName, match="allowed: optuna, botorch"):
        prepare("ax", tmp_path)
