"""Numbers and arrays in strict JSON: exact for every bit."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.base.arrays import dumps, float_from_json, float_to_json, loads, vector_from_json, vector_to_json


@given(st.floats())
def test_every_float_comes_back_through_strict_json(value):
    text = dumps(float_to_json(value))
    json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    again = float_from_json(loads(text))
    assert (math.isnan(again) and math.isnan(value)) or (
        again == value and math.copysign(1, again) == math.copysign(1, value)
    )


@given(st.lists(st.floats(), max_size=50))
def test_every_vector_comes_back_bit_by_bit(values):
    vector = np.array(values, dtype=np.float64)
    again = vector_from_json(loads(dumps(vector_to_json(vector))))
    assert again.tobytes() == vector.tobytes()


@given(st.text(st.characters(exclude_categories=())))
def test_every_text_comes_back_lone_surrogates_too(text):
    assert dumps(text).isascii()
    assert loads(dumps(text)) == text


def test_what_is_no_number_is_refused():
    with pytest.raises(ValueError, match="not a number: 'many'"):
        float_from_json("many")
    with pytest.raises(ValueError, match="a vector of 3 numbers was announced, 2 were found"):
        vector_from_json({**vector_to_json(np.zeros(2)), "n": 3})
    with pytest.raises(ValueError, match="not JSON compliant"):
        dumps(math.nan)
    with pytest.raises(TypeError, match="not JSON serializable"):
        dumps(object())
