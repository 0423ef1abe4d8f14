from __future__ import annotations

import re
from itertools import permutations

from trimtab.base.refs import Reference
from trimtab.report.citations import bibtex, citations, distinct

EGO = Reference(
    "Jones, Donald R. and Schonlau, Matthias and Welch, William J.",
    "Efficient Global Optimization of Expensive Black-Box Functions",
    1998,
    "Journal of Global Optimization 13",
    doi="10.1023/A:1008306431147",
)
EGO_SHORT = Reference("Jones, D. R.", "Efficient Global Optimization", 1998, doi="10.1023/a:1008306431147")
SOBOL = Reference("Owen, Art B.", "Scrambling Sobol' and Niederreiter-Xing Points", 1998, "Journal of Complexity 14")
LOGEI = Reference("Ament, Sebastian", "Unexpected Improvements", 2023, arxiv="2310.20708")
LOGEI_V2 = Reference("Ament, Sebastian", "Unexpected improvements to EI", 2023, "NeurIPS", arxiv="2310.20708v2")


def test_each_source_once_in_order_of_authors() -> None:
    for order in permutations([EGO, EGO_SHORT, SOBOL, LOGEI, LOGEI_V2]):
        found = distinct(order)
        assert [reference.authors.split(",")[0] for reference in found] == ["Ament", "Jones", "Owen"]
        assert found[1] is EGO
        assert found[0] is LOGEI_V2


def test_citations_are_one_line_each_and_empty_without_sources() -> None:
    assert citations([SOBOL, EGO]).splitlines() == [EGO.text, SOBOL.text]
    assert citations([]) == ""
    assert bibtex([]) == ""


def test_bibtex_keys_are_distinct() -> None:
    same = [Reference("Smith, A.", f"Deep part {number}", 2020, doi=f"10.1/{number}") for number in range(30)]
    keys = re.findall(r"@misc\{([^,]+),", bibtex(same))
    assert len(keys) == len(set(keys)) == 30
    assert keys[:2] == ["smith2020deep", "smith2020deep2"]
    assert all(re.fullmatch(r"\w+", key) for key in keys)


def test_nothing_but_the_key_changes() -> None:
    assert bibtex([SOBOL]) == SOBOL.bibtex
