"""Where the optimum of a study is, and how low it is: a posterior, with credible regions.

Two posteriors of the place, over any space, from the Gaussian process of the tuner `gp`:

- `draws` (`trimtab.trust.optimum_posterior.draws`): where draws of the process have their minimum;
- `annealed` (`trimtab.trust.optimum_posterior.annealed`): the posterior that the system BAL samples from.

Draws are shared out among several settings of the process (`trimtab.trust.optimum_posterior.mixture`), with deviations
that the best trials have corrected (`trimtab.trust.optimum_posterior.inflation`). The value is that of the minima of
draws in both. The predicted optimum comes with the certificate of `trimtab.surrogates.certificates`, and a region says
whether it lies in it.
"""

from trimtab.trust.optimum_posterior.posterior import (
    BAL_REFS,
    METHODS,
    OptimumPosterior,
    optimum_note,
    optimum_posterior,
)
from trimtab.trust.optimum_posterior.regions import OptimumRegion, ParameterRegion

__all__ = [
    "BAL_REFS",
    "METHODS",
    "OptimumPosterior",
    "OptimumRegion",
    "ParameterRegion",
    "optimum_note",
    "optimum_posterior",
]
