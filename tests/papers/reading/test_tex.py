r"""Broken TeX: certain repairs, and what is told instead."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trimtab.papers.reading.tex import plain, repair, spans


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        (r"Fr\'echet, Schr\"odinger, Erd{\H o}s, \c{c}a, {\v{s}}, \O re, Stra{\ss}e, \'{\i}", None),
        (r"gains 50\% in a\_b \& c, e.g.\ here", "gains 50% in a_b & c, e.g. here"),
        (r"{\em dynamical stability} and \emph{more \textbf{of} it}", "dynamical stability and more of it"),
        (r"at \url{https://a.org/x}", "at https://a.org/x"),
        (r"at \url{https://a.org/x.", "at https://a.org/x."),
        ("at https://a.org/Tab{a.org/tab}.", "at https://a.org/Tab."),
        (r"\href{https://a.org}{our page}", "our page (https://a.org)"),
        ("mathcal{O}(d^2) in mathbb{R}^d", "O(d^2) in ℝ^d"),
        ("(nvarepsilon) and varphi", "(nε) and φ"),
        ("64{times}64, D{=}1, D{to}infty", "64×64, D=1, D→infty"),
        (r"the set A \ B, a \$5 bill", r"the set A \ B, a $5 bill"),
        (r"of \(x^2\) and \[y\]", "of $x^2$ and $y$"),
        (r"he said \"open the box\" twice", 'he said "open the box" twice'),
        ("a sum of means, left (and right)", "a sum of means, left (and right)"),
        (r"$\'e \% \emph{x}$", r"$\'e \% \emph{x}$"),
    ],
)
def test_what_is_certain_is_repaired(text: str, whole: str | None) -> None:
    whole = whole or "Fréchet, Schrödinger, Erdős, ça, š, Øre, Straße, í"
    assert repair(text) == (whole, ())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("O({dsqrt{k}{nepsilon}}) steps", "sqrt{k}{nepsilon}})"),
        ("a bound of widetilde O(d)", "widetilde"),
        (r"the \unknown{command}", r"\unknown"),
        ("an open { brace", "{"),
        ("see https://a.org/x{our code}", "https://a.org/x{our"),
        (r"\'q is no letter", r""),
    ],
)
def test_what_is_not_certain_stays_and_is_told(text: str, told: str) -> None:
    done, broken = repair(text)
    assert done == text
    assert broken[:1] == ((told,) if told else ())


@pytest.mark.parametrize(
    ("text", "formulas"),
    [
        ("of $L^2$ and $$x$$.", ["$L^2$", "$$x$$"]),
        ("from $5 to $6, or $7", []),
        (r"a \$5 and $x$", ["$x$"]),
        ("$ x$ and $y $", []),
        ("$" * 9, ["$$$$", "$$$$"]),
    ],
)
def test_dollar_signs_are_delimiters_or_money(text: str, formulas: list[str]) -> None:
    assert [piece for formula, piece in spans(text) if formula] == formulas


tex = st.lists(
    st.sampled_from(
        [
            *"ae {}$\\()[]^_%&'\"~5.",
            "var",
            "phi",
            "epsilon",
            "mathbb",
            "mathcal",
            "{=}",
            r"\em",
            r"\url",
            "https://a",
            r"\o",
            "{\\",
            "to",
        ]
    ),
    max_size=14,
).map("".join)


@settings(max_examples=150, deadline=None)
@example("\\\\'e")
@example(r"\emph{var}phi")
@given(tex)
def test_spans_are_the_text_and_repairs_are_done_once(text: str) -> None:
    assert "".join(piece for _, piece in spans(text)) == text
    once, _ = repair(text)
    assert repair(once)[0] == once
    assert plain(text) is not None


def test_long_broken_texts_take_their_time_only() -> None:
    """A quadratic step would take minutes here."""
    for part in (
        "$",
        "{",
        "}",
        r"{\em ",
        r"\'",
        "https://a{",
        "{a}",
        r"\(",
        "log{",
        "left(",
        "var",
        "$x ",
        r"\url{",
        "\\",
    ):
        text = part * (20_000 // len(part))
        repair(text)
        plain(text)
