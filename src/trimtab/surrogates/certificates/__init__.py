"""The optimum of a surrogate with a certificate: no configuration is predicted to be better by more than epsilon."""

from trimtab.surrogates.certificates.branch_and_bound import Minimum
from trimtab.surrogates.certificates.palm_mean import PALM_MEAN_REFS, Certificate, certified_minimum, minimum_in_box
from trimtab.surrogates.certificates.profiles import MATERN52, SQUARED_EXPONENTIAL, Profile

__all__ = [
    "MATERN52",
    "PALM_MEAN_REFS",
    "SQUARED_EXPONENTIAL",
    "Certificate",
    "Minimum",
    "Profile",
    "certified_minimum",
    "minimum_in_box",
]
