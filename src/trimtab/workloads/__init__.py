"""Methods as tunable tasks: `<field>/<method>.py` declares a space and an objective, and its docstring is the card.

A workload needs an extra of trimtab where its method does; nothing is imported before it is used.
"""
