"""The command line: one file per command, wired together in `main`.

Commands import what they need when they run, so that `trimtab --help` is quick. None computes a
'best' of its own, and none formats a trial: rows and views come from `trimtab.report`.
"""
