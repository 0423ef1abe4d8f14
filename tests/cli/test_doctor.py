"""`trimtab doctor`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from trimtab.api import create_study
from trimtab.storage import open_storage
from trimtab.study import workers

URL = "sqlite:///trimtab.db"
Command = Callable[..., Any]


def found(trimtab: Command, *words: str) -> tuple[int, dict[str, tuple[str, str]]]:
    ran = trimtab("doctor", "-f", "json", *words)
    return ran.status, {row["what"]: (row["verdict"], row["text"]) for row in json.loads(ran.out)}


def test_a_storage_in_order(trimtab: Command) -> None:
    create_study("one", URL)
    status, findings = found(trimtab)
    assert status == 0
    assert findings["studies"] == ("ok", "1")
    assert findings["integrity"] == ("ok", "SQLite finds the file whole")
    assert findings["storage"][1].startswith("sqlite:///trimtab.db: opened and writable, ")
    assert findings["numpy"] == ("ok", metadata.version("numpy"))
    assert findings["scikit-learn"] == ("ok", f"{metadata.version('scikit-learn')} (extra sklearn)")
    table = trimtab("doctor")
    assert table.status == 0
    assert "SQLite finds the file whole" in table.out


def test_no_database_is_fine_and_stays_so(trimtab: Command, here: Path) -> None:
    status, findings = found(trimtab)
    assert status == 0
    assert findings["storage"] == ("note", "sqlite:///trimtab.db: no database yet; the first run makes it")
    assert list(here.iterdir()) == []


def test_a_folder_that_is_missing(trimtab: Command, here: Path) -> None:
    status, findings = found(trimtab, "--storage", "sqlite:///no/where.db")
    assert status == 1
    assert findings["storage"] == (
        "wrong",
        f"sqlite:///no/where.db: the folder {here / 'no'} is missing or not writable; choose another",
    )


def test_damage_is_found(trimtab: Command, here: Path) -> None:
    study = create_study("one", URL, tuner="random")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=60)
    file = here / "trimtab.db"
    storage = open_storage(URL)
    storage.close()
    data = bytearray(file.read_bytes())
    page = int.from_bytes(data[16:18], "big")
    for start in range(4 * page, len(data), page):
        data[start + 8 : start + 200] = bytes(192)
    for path in here.glob("trimtab.db-*"):
        path.unlink()
    file.write_bytes(data)
    status, findings = found(trimtab)
    assert status == 1
    assert [verdict for verdict, _ in findings.values()].count("wrong") >= 1


def test_trials_of_dead_workers_are_named(trimtab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    study = create_study("one", URL, tuner="random")
    storage = open_storage(URL)
    dead = os.fork()
    if dead == 0:  # its end is all that it is for
        os._exit(0)
    os.waitpid(dead, 0)
    machine = workers.worker_name().partition("/")[0]
    storage.claim("one", f"{machine}/{dead}/1", 60.0)
    storage.claim("one", workers.worker_name(), 60.0)
    storage.close()
    status, findings = found(trimtab)
    assert status == 0
    assert findings["lost trials"] == (
        "note",
        "study 'one': trials 0 run no more, their workers died; the next run runs them again",
    )
    assert len(study.trials) == 2


def test_a_missing_dependency(trimtab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version

    def without(name: str) -> str:
        if name in ("scipy", "pandas"):
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", without)
    status, findings = found(trimtab)
    assert status == 1
    assert findings["scipy"] == ("wrong", "not installed; do: pip install scipy")
    assert findings["pandas"] == ("note", "not installed; pip install 'trimtab[pandas]' brings it")
