"""Tuners that need nothing of a run but its value. One method a file; `trimtab.tuners` names them."""
