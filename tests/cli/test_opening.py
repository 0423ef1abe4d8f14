"""Looking at storages: those that are there, and those that are not."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from trimtab.api import create_study
from trimtab.base.errors import UnknownName
from trimtab.cli.opening import pick_study

URL = "sqlite:///trimtab.db"
LOOKING = [["studies"], ["show"], ["show", "x", "3"], ["best"], ["report"], ["export"]]
Command = Callable[..., Any]


@pytest.mark.parametrize("words", LOOKING, ids=" ".join)
def test_looking_for_a_missing_database_makes_none(trimtab: Command, here: Path, words: list[str]) -> None:
    ran = trimtab(*words)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == (
        "there is no database at trimtab.db; got 'sqlite:///trimtab.db'. Next: run `trimtab run FILE.py` or "
        "`trimtab demo` here first, or name another with --storage.\n"
    )
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("words", [*LOOKING, ["doctor"]], ids=" ".join)
def test_a_foreign_database_is_refused_and_left_as_it_is(trimtab: Command, here: Path, words: list[str]) -> None:
    with closing(sqlite3.connect("other.db")) as connection:
        connection.execute("create table t (a)")
        connection.commit()
    before = (here / "other.db").read_bytes()
    ran = trimtab(*words, "--storage", "sqlite:///other.db")
    assert ran.status == (1 if words == ["doctor"] else 2)
    assert "database of another program" in ran.out + ran.err
    assert (here / "other.db").read_bytes() == before


def test_an_empty_file_is_no_database_yet(trimtab: Command, here: Path) -> None:
    (here / "trimtab.db").touch()
    assert trimtab("studies").err.startswith("there is no database yet at trimtab.db")
    assert (here / "trimtab.db").stat().st_size == 0


def test_a_folder_and_a_text_are_refused_by_the_storage(trimtab: Command, here: Path) -> None:
    assert "a folder" in trimtab("studies", "--storage", f"sqlite:///{here}").err
    assert "not a storage URL" in trimtab("studies", "--storage", "text").err


def test_a_storage_without_studies(trimtab: Command) -> None:
    from trimtab.storage import open_storage

    open_storage(URL).close()
    assert trimtab("studies").out.startswith("no study in sqlite:///trimtab.db yet")
    assert json.loads(trimtab("studies", "-f", "json").out) == []
    assert trimtab("show").err == ("the storage holds no study yet. Next: trimtab run FILE.py, or trimtab demo.\n")


def test_which_study_is_meant() -> None:
    assert pick_study(["a"], None) == "a"
    assert pick_study(["a", "b"], "b") == "b"
    for names, wanted, told in (
        (["a", "b"], None, "the storage holds 2 studies; allowed: a, b. Next: name one of them"),
        (["a", "b"], "c", "there is no study of this name; got 'c'; allowed: a, b. Next: name one of them"),
    ):
        with pytest.raises(UnknownName) as error:
            pick_study(names, wanted)
        assert str(error.value).startswith(told)


def test_the_environment_may_name_the_storage(trimtab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    create_study("elsewhere", "sqlite:///other.db")
    monkeypatch.setenv("TRIMTAB_STORAGE", "sqlite:///other.db")
    assert "elsewhere" in trimtab("studies").out


def test_trials_and_states_that_are_not_there(trimtab: Command) -> None:
    study = create_study("s", URL)
    assert trimtab("show", "s", 0).err == "study 's' has no trial 0; allowed: none yet. Next: trimtab show s.\n"
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    assert "study 's' has no trial 7; allowed: 0 to 1." in trimtab("show", 7).err
    assert "there is no such state of a trial; got 'done'; allowed: waiting, running, complete" in (
        trimtab("show", "--state", "done").err
    )


def test_the_last_trials_of_a_long_study(trimtab: Command) -> None:
    study = create_study("s", URL, tuner="random")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=25)
    assert "the last 20 of 25 trials; --last 25 shows all" in trimtab("show").out
    shown = json.loads(trimtab("show", "--last", 3, "-f", "json").out)
    assert [row["number"] for row in shown["trials"]] == [22, 23, 24]
    assert len(json.loads(trimtab("show", "-f", "json").out)["trials"]) == 25
    assert trimtab("show", "-f", "csv", "--last", "1").out.count("\n") == 2


def test_a_report_that_cannot_be_written(trimtab: Command) -> None:
    create_study("s", URL)
    ran = trimtab("report", "-o", "no/such/folder/x.html")
    assert ran.status == 2
    assert ran.err.startswith("the report could not be written (No such file or directory)")
