"""A study told to people: plots, tables, the HTML report, exports and citations.

Every 'best' in here comes from `trimtab.trust`. The terminal's renderables are in
`trimtab.report.terminal`, apart from the rest because they load Rich.
"""

from __future__ import annotations

from trimtab.report.citations import bibtex, citations
from trimtab.report.export import rows_to_csv, study_to_json, trials_to_csv
from trimtab.report.figure import Figure
from trimtab.report.frame import trials_dataframe
from trimtab.report.html import report_html, write_report
from trimtab.report.page.sections import Grid, Section
from trimtab.report.plots import PLOTS, Estimate, Estimates, draw_estimates, plot
from trimtab.report.tables import selection_row, study_row, trial_row, trial_rows

__all__ = [
    "PLOTS",
    "Estimate",
    "Estimates",
    "Figure",
    "Grid",
    "Section",
    "bibtex",
    "citations",
    "draw_estimates",
    "plot",
    "report_html",
    "rows_to_csv",
    "selection_row",
    "study_row",
    "study_to_json",
    "trial_row",
    "trial_rows",
    "trials_dataframe",
    "trials_to_csv",
    "write_report",
]
