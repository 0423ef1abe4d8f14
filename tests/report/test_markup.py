from __future__ import annotations

import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from trimtab.report.markup import escape, join, tag

texts = st.text(st.characters(codec=None))


@given(texts, texts)
def test_any_text_survives_as_content_and_as_attribute(content: str, attribute: str) -> None:
    element = ET.fromstring(tag("p", {"title": attribute}, escape(content)))
    allowed = [c for c in content if ord(c) >= 32 or c in "\t\n\r"]
    if all(not 0xD800 <= ord(c) <= 0xDFFF and ord(c) not in (0xFFFE, 0xFFFF) for c in content) and len(allowed) == len(
        content
    ):
        assert (element.text or "") == content.replace("\r\n", "\n").replace("\r", "\n")
    assert len(element.attrib) == 1
    assert len(element) == 0


@given(texts)
def test_no_text_can_open_or_close_an_element(text: str) -> None:
    assert not set("<>\"'") & set(escape(text))


def test_characters_that_xml_cannot_carry_become_one_replacement_character() -> None:
    assert escape("a\x00b\ud800c\uffff") == "a\ufffdb\ufffdc\ufffd"


def test_numbers_are_short_and_none_is_left_out() -> None:
    assert tag("rect", {"x": 1.23456, "y": 2.0, "width": 10, "id": None}) == '<rect x="1.23" y="2" width="10"/>'


def test_elements_that_may_be_empty_but_are_not_void_keep_their_end_tag() -> None:
    assert tag("td") == "<td></td>"
    assert tag("script", {}) == "<script></script>"
    assert tag("br") == "<br/>"


def test_join_escapes_what_stands_between() -> None:
    assert join([escape("a"), escape("b")], " < ") == "a &lt; b"
