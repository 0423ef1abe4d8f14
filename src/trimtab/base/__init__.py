"""Floor 0: the words every room shares. Records, ports, outcomes, errors, seeds, time. Imports NumPy at most."""
