from __future__ import annotations

from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.papers.reader.tex import html_of


def test_formulas_become_mathml_and_words_stay_words() -> None:
    html = html_of("error $O(\\sqrt{k})$ & more")
    assert html.startswith("error <math")
    assert html.endswith("</math> &amp; more")
    assert "<msqrt><mrow><mi>k</mi></mrow></msqrt>" in html


@pytest.mark.parametrize(
    "text",
    [
        "costs $5 and 7$ more <b>",
        "$\\text{<script>alert(1)</script>}$",
        "$\\href{javascript:alert(1)}{x}$",
        "$" + "{" * 5000 + "$",
        "$\\frac{a}{$",
        "$$",
        "$\\style{color:red}{x}$ $\\class{a}{b}$ $\\color{red}{x}$",
        "a \\$ b \\$",
        "$\\text{<!DOCTYPE x [<!ENTITY a 'aa'>]>&a;}$ $\\text{&lt;b&gt; &#60;i>}$",
    ],
)
def test_nothing_but_presentation_markup_comes_out(text: str) -> None:
    tree = fromstring(f"<p>{html_of(text)}</p>")
    for element in tree.iter():
        assert element is tree or element.tag.startswith("m") or element.tag == "none"
        assert not {"href", "style", "class", "onclick", "src"} & set(element.attrib)


@given(st.text(alphabet="$\\{}^_<>&\"'ab alphrtefx1\x00\ud800", max_size=60))
def test_any_text_comes_out_well_formed(text: str) -> None:
    html = html_of(text)
    inside = html.replace("\x00", "").encode("utf-8", "replace").decode()
    assert all(e.tag in ("p", "none") or e.tag.startswith("m") for e in fromstring(f"<p>{inside}</p>").iter())


def test_broken_tex_is_shown_as_it_was_written() -> None:
    assert html_of("O({dsqrt{k}) varepsilon") == "O({dsqrt{k}) varepsilon"
