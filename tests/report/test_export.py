from __future__ import annotations

import csv
import io
import json
import math

from hypothesis import given
from hypothesis import strategies as st

from trimtab.base.history import History
from trimtab.base.records import Objective, Observation
from trimtab.report.export import rows_to_csv, study_to_json, trials_to_csv
from trimtab.space import Categorical, Float, Space
from trimtab.testing.histories import make_history


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_every_float_reads_back_as_the_same_float(values: list[float]) -> None:
    history = make_history(Space(x=Float(0, 1)), [({"x": 0.1}, value) for value in values])
    assert [float(row["value"]) for row in read(trials_to_csv(history))] == values
    assert [trial["values"]["value"] for trial in json.loads(study_to_json(history))["trials"]] == values


def test_json_holds_the_study_the_trials_and_their_curves(study: History[Space]) -> None:
    document = json.loads(study_to_json(study))
    assert document["format"] == "trimtab study"
    assert document["version"] == 1
    assert document["study"] == study.study.to_json()
    assert Space.from_json(document["study"]["space"]) == study.space
    assert len(document["trials"]) == len(study)
    assert document["trials"][7]["reports"][0] == {"step": 1, "metrics": {"loss": 1.07}, "time": 0.0}
    assert "\n" not in study_to_json(study, indent=None)


def test_values_that_are_not_finite_are_words() -> None:
    history = make_history(Space(x=Float(0, 1)), [({"x": 0.1}, math.nan), ({"x": 0.1}, -math.inf)])
    assert [row["value"] for row in read(trials_to_csv(history))] == ["nan", "'-inf"]
    assert [trial["values"]["value"] for trial in json.loads(study_to_json(history))["trials"]] == ["nan", "-inf"]


def test_columns_of_one_kind_stand_together_and_inactive_ones_are_empty(study: History[Space]) -> None:
    text = trials_to_csv(study)
    header = text.splitlines()[0].split(",")
    places = [place for place, name in enumerate(header) if name.startswith("params_")]
    assert places == list(range(places[0], places[-1] + 1))
    assert header[:4] == ["number", "state", "reason", "value"]
    rows = read(text)
    assert len(rows) == len(study)
    for row, trial in zip(rows, study, strict=True):
        beta = (trial.params or {}).get("optimizer.adam.beta2")
        assert row["params_optimizer.adam.beta2"] == ("" if beta is None else repr(beta))


def test_several_objectives_have_a_column_each() -> None:
    history = make_history(
        Space(x=Float(0, 1)), [({"x": 0.1}, Observation({"a": 1, "b": 2}))], objectives=[Objective("a"), Objective("b")]
    )
    row = read(trials_to_csv(history))[0]
    assert (row["values_a"], row["values_b"]) == ("1.0", "2.0")


@given(st.text(min_size=1, max_size=30))
def test_no_text_is_a_formula_and_lines_and_quotes_survive(text: str) -> None:
    cell = next(csv.reader(io.StringIO(rows_to_csv([{"name": text}]).partition("\n")[2], newline="")))[0]
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    expected = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "\ufffd")
    assert cell in (expected, f"'{expected}")


def test_formulas_in_choices_names_and_headers_are_texts() -> None:
    evil = '=HYPERLINK("http://x","y")'
    history = make_history(Space({evil: Categorical([evil, "-1"])}), [({evil: evil}, -1.5)])
    text = trials_to_csv(history)
    assert read(text)[0]["value"] == "-1.5"  # numbers are never touched
    assert f'"\'{evil}"'.replace('"http', '""http').replace('x"', 'x""').replace('"y"', '""y""') in text
    assert f"params_{evil}" in read(text)[0]


def test_lone_surrogates_do_not_stop_a_file_from_being_written() -> None:
    rows_to_csv([{"a": "\ud800"}]).encode("utf-8")
    study_to_json(make_history(Space(x=Float(0, 1)), name="\ud800")).encode("utf-8")
