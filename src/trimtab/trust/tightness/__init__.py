"""Where a bound is not tight: for every measure of generalisation that is offered, data on which it errs.

A norm, a margin, a flatness or a PAC-Bayes bound is computed from the training data and the model alone. No such number
is close to the true error for all learners and all data where there are fewer examples than parameters (M. Gastpar, I.
Nachum, J. Shafer and T. Weinberger, "Fantastic generalization measures are nowhere to be found", ICLR 2024, arXiv
2309.13658; abstract and reviews read). Bounds are not wrong for that: an upper bound of 1 holds. But a number that does
not move when the error moves from 0 to 4/5 is no evidence, so this library shows none without such a case beside it,
and a plain hold-out, which does see the difference, beside that.

- `MEASURES`: the measures; a function of one's own makes another (`Measure`).
- `counterexample`: data on which a measure errs, by one of two constructions, `trimtab.trust.tightness.reflection` for
  linear models and `trimtab.trust.tightness.parity` for parities.
- `report_measure`: a measure's value on one's own data, with its counterexample, and the hold-out interval where there
  is one.
"""

from trimtab.trust.tightness.counterexample import Counterexample, counterexample
from trimtab.trust.tightness.measures import MEASURES, Measure
from trimtab.trust.tightness.report import MeasureReport, report_measure

__all__ = ["MEASURES", "Counterexample", "Measure", "MeasureReport", "counterexample", "report_measure"]
