"""The scripts that run elsewhere: what they import, what they are pinned to, and the parts that run here too."""

from __future__ import annotations

import ast
import importlib
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.base.errors import InvalidArgument, UnknownName
from trimtab.benchmarks.peer import LIBRARIES, OWN, PEERS, make_peer, requirements
from trimtab.benchmarks.peers.peer_loop import answer, peak_memory
from trimtab.benchmarks.peers.unit_cube import from_unit, to_unit

FOLDER = requirements("optuna").parent
OURS = {"__init__", *(f"{library}_peer" for library in OWN)}
SCRIPTS = sorted(path for path in FOLDER.glob("*.py") if path.stem not in OURS)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_imports_the_standard_library_and_its_own_library_only(script: Path) -> None:
    tree = ast.parse(script.read_text(encoding="utf-8"))
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported} <= set(sys.stdlib_module_names)
    late = re.findall(r'import_module\("([\w.]+)"\)', script.read_text(encoding="utf-8"))
    library = script.stem.removesuffix("_peer")
    shared = {"unit_cube", "descents"}
    pinned = shared if library not in LIBRARIES else shared | names_in(library)
    wanted = {name.partition(".")[0].lower() for name in late}
    assert wanted <= pinned | {"hebo", "botorch"}


def names_in(library: str) -> set[str]:
    """Names of the packages that a library's environment is pinned to."""
    lines = requirements(library).read_text(encoding="utf-8").splitlines()
    return {re.split(r"==| @ ", line)[0].lower() for line in lines if not line.startswith("#")}


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_requirement_is_pinned(library: str) -> None:
    lines = [line for line in requirements(library).read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    assert library in names_in(library)
    assert all(re.fullmatch(r"[\w.-]+(==[\w.]+| @ git\+https://[\w./-]+@[0-9a-f]{40})", line) for line in lines)


def test_every_peer_has_a_script_and_a_library() -> None:
    for name in PEERS:
        library = name.partition(":")[0]
        assert library in (*LIBRARIES, *OWN)
        module = importlib.import_module(f"trimtab.benchmarks.peers.{library}_peer")
        assert callable(module.Peer)


def test_a_peer_is_a_command_in_its_environment(tmp_path: Path) -> None:
    python = tmp_path / "optuna" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    peer = make_peer("optuna:tpe", tmp_path)
    assert peer.command == (str(python), str(FOLDER / "peer_loop.py"), "optuna_peer", "tpe")
    for own in ("trimtab:gp", "scipy:l-bfgs-b"):
        assert make_peer(own).command[0] == sys.executable


@pytest.mark.parametrize(
    ("name", "folder", "error", "text"),
    [
        ("optuna:grid", None, UnknownName, "allowed: optuna:random, "),
        ("trimtab:", None, UnknownName, "trimtab:TUNER"),
        ("optuna:tpe", None, InvalidArgument, "--environments DIR"),
        ("optuna:tpe", Path("/no/where"), InvalidArgument, "trimtab bench prepare optuna --environments /no/where"),
    ],
)
def test_a_peer_that_is_not_there(name: str, folder: Path | None, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        make_peer(name, folder)
    assert text in str(caught.value)


def column(kind: str, low: float, high: float, log: bool = False) -> dict[str, Any]:
    return {"name": "x", "kind": kind, "low": low, "high": high, "log": log, "size": None}


@given(st.floats(0.0, 1.0), st.booleans())
def test_real_numbers_go_to_the_unit_interval_and_back(share: float, log: bool) -> None:
    given_ = column("float", 1e-3, 1e2, log)
    value = from_unit(given_, share)
    assert 1e-3 <= value <= 1e2
    assert to_unit(given_, value) == pytest.approx(share, abs=1e-9)


@given(st.integers(1, 60), st.integers(1, 60), st.booleans())
def test_integers_go_to_the_unit_interval_and_back(low: int, more: int, log: bool) -> None:
    given_ = column("int", low, low + more, log)
    for value in (low, low + more // 2, low + more):
        assert from_unit(given_, to_unit(given_, value)) == value
    assert from_unit(column("categorical", 0, 3), 2.2) == 2.0


class Counting:
    """A peer that remembers what it was told."""

    library = "counting 1"

    def __init__(self) -> None:
        self.told: list[object] = []

    def ask(self, number: int) -> dict[str, float]:
        return {"x": float(number)}

    def tell(self, number: int, value: float | None) -> None:
        self.told.append((number, value))

    def add(self, coordinates: dict[str, float], value: float) -> None:
        self.told.append((coordinates, value))


def test_the_loop_times_every_request() -> None:
    peer = Counting()
    asked = answer(peer, {"ask": 4})
    assert asked.pop("params") == {"x": 4.0}
    replies = [asked, answer(peer, {"tell": 4, "value": None}), answer(peer, {"add": [[{"x": 1.0}, 2.0]]})]
    assert all(reply.keys() == {"wall", "cpu"} and reply["wall"] >= 0.0 for reply in replies)
    assert peer.told == [(4, None), ({"x": 1.0}, 2.0)]
    assert answer(peer, {"end": True})["peak"] == pytest.approx(peak_memory(), rel=0.1)


def test_a_peer_may_name_its_best_and_need_not() -> None:
    class Naming(Counting):
        def best(self) -> dict[str, float]:
            return {"x": 7.0}

    assert answer(Counting(), {"best": True}) == {"params": None}
    assert answer(Naming(), {"best": True}) == {"params": {"x": 7.0}}


class Learning(Counting):
    """A peer that takes gradients too."""

    takes_gradients = True

    def tell(self, number: int, value: float | None, gradient: dict[str, float] | None = None) -> None:
        self.told.append((number, value, gradient))


def test_a_gradient_goes_to_who_takes_it() -> None:
    said = {"tell": 1, "value": 2.0, "gradient": {"x": 3.0}}
    plain, learning = Counting(), Learning()
    answer(plain, said)
    answer(learning, said)
    answer(learning, {"tell": 2, "value": None})
    assert plain.told == [(1, 2.0)]
    assert learning.told == [(1, 2.0, {"x": 3.0}), (2, None, None)]


def test_the_loop_as_a_program(tmp_path: Path) -> None:
    (tmp_path / "noisy_peer.py").write_text(
        "class Peer:\n"
        "    library = 'noisy 1'\n"
        "    def __init__(self, setup, method): print('starting', method)\n"
        "    def ask(self, number):\n"
        "        print('asking')\n"
        "        return {'x': 1 / number}\n"
    )
    said = [{"setup": {}}, {"ask": 2}, {"ask": 0}, {"end": True}, {"ask": 1}]
    done = subprocess.run(
        [sys.executable, str(FOLDER / "peer_loop.py"), "noisy_peer", "m"],
        input="".join(json.dumps(message) + "\n" for message in said),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    replies = [json.loads(line) for line in io.StringIO(done.stdout)]
    assert replies[0] == {"library": "noisy 1"}
    assert replies[1]["params"] == {"x": 0.5}
    assert replies[2] == {"error": "ZeroDivisionError: division by zero"}
    assert replies[3]["peak"] > 1.0
    assert len(replies) == 4
    assert "starting m\nasking" in done.stderr
