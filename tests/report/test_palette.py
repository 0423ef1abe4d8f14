from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from trimtab.report.figure import figure_rules
from trimtab.report.palette import DARK, LIGHT, STEPS, step_class, with_fallbacks


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(a: str, b: str) -> float:
    """Contrast ratio (WCAG 2.2)."""
    dark, light = sorted((luminance(a), luminance(b)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_has_a_contrast_of_four_and_a_half_and_marks_of_three(theme: Mapping[str, str]) -> None:
    for ground in ("paper", "ground"):
        for text in ("ink", "muted", "accent"):
            assert contrast(theme[text], theme[ground]) >= 4.5
    for name in ("accent", "pruned", "failed", "muted", *(f"s{step}" for step in range(STEPS))):
        assert contrast(theme[name], theme["paper"]) >= 3.0


@pytest.mark.parametrize(("theme", "sign"), [(LIGHT, -1), (DARK, 1)], ids=["light", "dark"])
def test_the_sequential_palette_changes_steadily_in_luminance(theme: Mapping[str, str], sign: int) -> None:
    steps = np.array([luminance(theme[f"s{step}"]) for step in range(STEPS)])
    assert np.all(sign * np.diff(steps) > 0)


def test_both_themes_name_the_same_variables_and_the_rules_use_no_other() -> None:
    assert LIGHT.keys() == DARK.keys()
    used = {part.split(")")[0] for part in figure_rules().split("var(--")[1:]}
    assert used <= LIGHT.keys()


def test_every_variable_in_a_file_of_its_own_has_a_plain_colour_before_it() -> None:
    rules = with_fallbacks(figure_rules())
    for part in rules.split("var(--")[:-1]:
        assert "#" in part[-40:]


def test_shares_map_to_all_steps() -> None:
    assert {step_class(share) for share in np.linspace(0, 1, 100)} == {f"s{step}" for step in range(STEPS)}
