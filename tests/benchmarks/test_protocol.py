"""A run: what is asked and told, what is written, and what is done again."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from trimtab.base.errors import InvalidArgument
from trimtab.base.seeds import Key
from trimtab.benchmarks import Noisy, make_problem
from trimtab.benchmarks.conversation import PeerFailed
from trimtab.benchmarks.peer import Peer, make_peer
from trimtab.benchmarks.protocol import Run, RunRecord, is_done, read_run, run_path, run_peer

MakePeer = Callable[..., Peer]


def heard(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "heard.jsonl").read_text(encoding="utf-8").splitlines()]


def done(record: RunRecord) -> list[tuple[int, float | None, float | None, float]]:
    return [(line.trial, line.value, line.best, line.at) for line in record.trials]


def test_a_sequential_run(fake_peer: MakePeer, valley: Any, tmp_path: Path) -> None:
    run = Run("valley", "fake:peer", 3, 5)
    record = run_peer(run, valley(), fake_peer(), tmp_path / "runs")
    values = [(k / 10 - 0.35) ** 2 for k in range(5)]
    bests = [min(values[: k + 1]) for k in range(5)]
    assert done(record) == [(k, values[k], bests[k], k + 1.0) for k in range(5)]
    assert (record.run, record.library) == (run, "fake 1.0")
    times = {"seconds": 0, "setup": 0}
    assert record.end | times == {"trials": 5, "failures": 0, "peak": 12.5} | times
    assert 0.0 < record.end["setup"] < record.end["seconds"]
    assert all(0.0 < line.evaluation < record.end["seconds"] for line in record.trials)
    assert {(line.ask, line.ask_cpu, line.tell, line.tell_cpu) for line in record.trials} == {(0.5, 0.25, 0.5, 0.25)}
    said = heard(tmp_path)
    assert [next(iter(message)) for message in said] == ["setup", *["ask", "tell"] * 5, "end"]
    setup = said[0]["setup"]
    assert (setup["seed"], setup["budget"], setup["workers"]) == (3, 5, 1)
    assert [column["name"] for column in setup["columns"]] == ["x"]
    assert run_path(tmp_path / "runs", run).name == "fake-peer-s3-n5-w1.jsonl"


def test_a_parallel_run_asks_before_it_is_told(fake_peer: MakePeer, valley: Any, tmp_path: Path) -> None:
    slow_first = valley(cost=lambda x: 2.5 if x == 0.0 else 1.0)
    record = run_peer(Run("valley", "fake:peer", 0, 4, workers=2), slow_first, fake_peer(), tmp_path / "runs")
    assert [(line.trial, line.at) for line in record.trials] == [(1, 1.0), (2, 2.0), (0, 2.5), (3, 3.0)]
    said = [(next(iter(message)), next(iter(message.values()))) for message in heard(tmp_path)[1:-1]]
    assert said == [
        *[("ask", 0), ("ask", 1), ("tell", 1), ("ask", 2)],
        *[("tell", 2), ("ask", 3), ("tell", 0), ("tell", 3)],
    ]


def test_a_failed_trial_is_told_as_none_and_is_no_best(fake_peer: MakePeer, valley: Any, tmp_path: Path) -> None:
    record = run_peer(Run("valley", "fake:peer", 0, 3), valley(fails_at=0.0), fake_peer(), tmp_path / "runs")
    assert [line.value is None for line in record.trials] == [True, False, False]
    assert record.trials[0].best is None
    assert record.end["failures"] == 1
    assert [message["value"] is None for message in heard(tmp_path) if "tell" in message] == [True, False, False]


def test_noise_is_told_and_the_choice_is_scored_without_it(fake_peer: MakePeer, valley: Any, tmp_path: Path) -> None:
    noisy = Noisy(valley(), 1.0, scale=0.1)
    record = run_peer(Run(noisy.name, "fake:peer", 0, 8), noisy, fake_peer(), tmp_path / "runs", quiet=valley())
    least = math.inf
    for number, line in enumerate(record.trials):
        quiet = (number / 10 - 0.35) ** 2
        (told,) = noisy.evaluate({"x": number / 10}, Key(0, number, "evaluation")).values.values()
        assert line.value == told != quiet
        if told < least:
            least, chosen = told, quiet
        assert line.best == chosen


def test_a_peer_may_name_another_best_where_there_is_noise(fake_peer: MakePeer, valley: Any, tmp_path: Path) -> None:
    """And is not asked where there is none, or before anything was told."""
    noisy, peer = Noisy(valley(fails_at=0.0), 1.0, scale=0.1), fake_peer(best='{"x": 0.3}')
    told = run_peer(Run(noisy.name, peer.name, 0, 4), noisy, peer, tmp_path / "runs", quiet=valley())
    assert [line.best for line in told.trials] == [None, *[pytest.approx(0.05**2)] * 3]
    quiet = run_peer(Run("valley", peer.name, 0, 4), valley(), peer, tmp_path / "runs")
    assert [line.best for line in quiet.trials] == [pytest.approx((k / 10 - 0.35) ** 2) for k in range(4)]
    assert sum("best" in said for said in heard(tmp_path)) == 3


def test_results_can_be_told_before_the_first_ask(fake_peer: MakePeer, valley: Any, tmp_path: Path) -> None:
    record = run_peer(Run("valley", "fake:peer", 0, 2, preload=7), valley(), fake_peer(), tmp_path / "runs")
    said = heard(tmp_path)
    assert said[0]["setup"]["budget"] == 9
    assert len(said[1]["add"]) == 7
    for coordinates, value in said[1]["add"]:
        assert value == (coordinates["x"] - 0.35) ** 2
    assert len(record.trials) == 2


def test_a_run_that_is_there_is_only_read(fake_peer: MakePeer, valley: Any, tmp_path: Path) -> None:
    run, folder = Run("valley", "fake:peer", 0, 3), tmp_path / "runs"
    first = run_peer(run, valley(), fake_peer(), folder)
    assert is_done(folder, run)
    assert not is_done(folder, Run("valley", "fake:peer", 1, 3))
    (tmp_path / "fake.py").unlink()
    assert run_peer(run, valley(), Peer("fake:peer", ("/no/such/program",)), folder) == first


def test_two_sweeps_of_one_folder_do_a_run_once(fake_peer: MakePeer, valley: Any, tmp_path: Path) -> None:
    run, folder = Run("valley", "fake:peer", 0, 3), tmp_path / "runs"
    # Slow enough for both to be at it at once.
    slow = fake_peer('import time; time.sleep(0.1); reply["params"] = {"x": 0.5}')
    with ThreadPoolExecutor(2) as pool:
        records = [end.result() for end in [pool.submit(run_peer, run, valley(), slow, folder) for _ in range(2)]]
    assert records[0] == records[1]
    assert is_done(folder, run)
    assert sum("setup" in said for said in heard(tmp_path)) == 1


@pytest.mark.parametrize("keep", [0, 1, 40, -1, -20, -150])
def test_a_file_that_was_torn_off_anywhere_is_done_again(
    fake_peer: MakePeer, valley: Any, tmp_path: Path, keep: int
) -> None:
    run, folder = Run("valley", "fake:peer", 0, 3), tmp_path / "runs"
    first = run_peer(run, valley(), fake_peer(), folder)
    path = run_path(folder, run)
    path.write_bytes(path.read_bytes()[:keep] if keep != -1 else path.read_bytes()[:-2])
    assert not is_done(folder, run)
    again = run_peer(run, valley(), fake_peer(), folder)
    assert done(again) == done(first)
    assert is_done(folder, run)


def test_what_a_torn_file_holds_can_be_read(fake_peer: MakePeer, valley: Any, tmp_path: Path) -> None:
    run, folder = Run("valley", "fake:peer", 0, 3), tmp_path / "runs"
    first = run_peer(run, valley(), fake_peer(), folder)
    path = run_path(folder, run)
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(lines[:3]) + "\n" + lines[3][:20], encoding="utf-8")
    torn = read_run(path)
    assert torn is not None
    assert (torn.trials, torn.end) == (first.trials[:2], {})
    path.write_text("", encoding="utf-8")
    assert read_run(path) is None


@pytest.mark.parametrize(
    ("ask", "text"),
    [
        ('reply = {"error": "ValueError: bad luck"}', "fake:peer: ValueError: bad luck"),
        ('sys.stderr.write("out of memory"); sys.exit(3)', "fake:peer: gave no answer; got 'out of memory'"),
        ('print("hello", flush=True)', "fake:peer: gave no answer"),
        ("import time; time.sleep(60)", "fake:peer: gave no answer"),
    ],
    ids=["raises", "dies", "babbles", "sleeps"],
)
def test_a_peer_that_fails_ends_its_run_and_says_why(
    fake_peer: MakePeer, valley: Any, tmp_path: Path, ask: str, text: str
) -> None:
    run = Run("valley", "fake:peer", 0, 3)
    with pytest.raises(PeerFailed) as caught:
        run_peer(run, valley(), fake_peer(ask), tmp_path / "runs", patience=1.5)
    assert text in str(caught.value)
    assert not is_done(tmp_path / "runs", run)


def test_a_peer_that_cannot_be_started(valley: Any, tmp_path: Path) -> None:
    with pytest.raises(PeerFailed, match="cannot be started"):
        run_peer(Run("valley", "x:y", 0, 1), valley(), Peer("x:y", ("/no/such/program",)), tmp_path)


def test_a_peer_with_nothing_left_ends_early(fake_peer: MakePeer, valley: Any, tmp_path: Path) -> None:
    ask = 'reply["params"] = {"x": 0.5} if request["ask"] < 2 else None'
    record = run_peer(Run("valley", "fake:peer", 0, 6), valley(), fake_peer(ask), tmp_path / "runs")
    assert [line.trial for line in record.trials] == [0, 1]
    assert record.end["trials"] == 2


def test_numbers_of_a_run_are_checked() -> None:
    for wrong in ({"seed": -1}, {"budget": 0}, {"workers": 0}, {"preload": -1}):
        with pytest.raises(InvalidArgument, match="must be a whole number"):
            Run(**{"problem": "p", "peer": "q", "seed": 0, "budget": 1} | wrong)


def test_a_gradient_is_told_and_a_descent_follows_it(tmp_path: Path) -> None:
    problem = make_problem("penalties-ridge-breast_cancer-6")
    ends = {}
    for name in ("scipy:l-bfgs-b", "trimtab:gp", "trimtab:gp+values", "trimtab_descent:penalties"):
        run = Run(problem.name, name, 0, 12)
        record = run_peer(run, problem, make_peer(name), tmp_path)
        ends[name] = record.trials[-1].best
        assert ends[name] is not None
        assert ends[name] < record.trials[0].best
    assert len(set(ends.values())) == 4


def test_our_own_tuners_speak_the_protocol(tmp_path: Path) -> None:
    problem, peer = make_problem("training-pipeline"), make_peer("trimtab:random")
    run = Run(problem.name, peer.name, 5, 6, preload=3)
    record = run_peer(run, problem, peer, tmp_path)
    assert record.library.startswith("trimtab ")
    assert [line.trial for line in record.trials] == list(range(6))
    assert all(line.ask > 0.0 and line.ask_cpu > 0.0 for line in record.trials)
    assert 10.0 < record.end["peak"] < 1000.0
    run_path(tmp_path, run).unlink()
    assert done(run_peer(run, problem, peer, tmp_path)) == done(record)
