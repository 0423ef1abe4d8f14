"""The parts of the HTML report, one file each; `trimtab.report.html` puts them together."""
