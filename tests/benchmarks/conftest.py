"""What the tests of the benchmarks share: a peer made of a few lines, a problem of one parameter, made-up runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from trimtab.base.records import Observation, Params
from trimtab.base.seeds import Key
from trimtab.benchmarks.peer import Peer
from trimtab.benchmarks.protocol import Run, RunRecord, TrialLine
from trimtab.space import Float, Space

FAKE = """\
import json, sys
for line in sys.stdin:
    request = json.loads(line)
    with open({log!r}, "a") as log:
        log.write(line)
    reply = {{"wall": 0.5, "cpu": 0.25}}
    if "setup" in request:
        reply = {{"library": "fake 1.0"}}
    elif "ask" in request:
        {ask}
    elif "best" in request:
        reply = {{"params": {best}}}
    elif "end" in request:
        reply = {{"peak": 12.5}}
    print(json.dumps(reply), flush=True)
"""


@pytest.fixture
def fake_peer(tmp_path: Path) -> Callable[..., Peer]:
    """A peer whose k-th ask gives x = k / 10, unless a line of Python says otherwise; it logs what it hears.

    `best` is an expression for what it names its best.
    """

    def make(ask: str = 'reply["params"] = {"x": request["ask"] / 10}', best: str = "None") -> Peer:
        script = tmp_path / "fake.py"
        script.write_text(FAKE.format(log=str(tmp_path / "heard.jsonl"), ask=ask, best=best), encoding="utf-8")
        return Peer("fake:peer", (sys.executable, str(script)))

    return make


class Valley:
    """(x - 0.35)^2, which takes as long as it is told to."""

    name = "valley"

    def __init__(self, cost: Callable[[float], float] | None = None, fails_at: float | None = None) -> None:
        self._cost, self._fails_at = cost, fails_at

    def space(self) -> Space:
        return Space(x=Float(0.0, 1.0))

    def evaluate(self, params: Params, key: Key) -> Observation:
        x = params["x"]
        assert isinstance(x, float)
        value = float("nan") if x == self._fails_at else (x - 0.35) ** 2
        return Observation(value, cost=None if self._cost is None else self._cost(x))


@pytest.fixture
def valley() -> type[Valley]:
    """The class of that problem."""
    return Valley


@pytest.fixture
def made_up() -> Callable[..., RunRecord]:
    """A complete run of which only the values are given."""

    def make(
        values: Sequence[float | None],
        peer: str = "a:a",
        problem: str = "training-svm",
        seed: int = 0,
        ask: float = 0.01,
        peak: float = 100.0,
        **more: int,
    ) -> RunRecord:
        run = Run(problem, peer, seed, len(values), **more)
        lines = []
        for number, value in enumerate(values):
            told = [v for v in values[: number + 1] if v is not None]
            lines.append(
                TrialLine(number, value, min(told) if told else None, number + 1.0, ask, ask / 2, ask / 10, ask / 20)
            )
        end = {"trials": len(values), "failures": values.count(None), "peak": peak, "seconds": 1.0}
        return RunRecord(run, "library 1.0", tuple(lines), end)

    return make
