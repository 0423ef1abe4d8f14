"""Gaussian processes: Matern-5/2 with ARD over mixed and conditional spaces, warped inputs and outputs, MAP fits."""

from trimtab.surrogates.gp.cholesky import NotPositiveDefinite
from trimtab.surrogates.gp.embedding import Embedding
from trimtab.surrogates.gp.heteroscedastic import NoiseModel
from trimtab.surrogates.gp.input_warping import InputWarp
from trimtab.surrogates.gp.model import Model, Settings, build, fingerprint, fit_settings
from trimtab.surrogates.gp.regression import Data, Hyperparameters, Posterior, condition, fit
from trimtab.surrogates.gp.sides import COST, FAILURE
from trimtab.surrogates.gp.surface import Surface
from trimtab.surrogates.gp.warping import Warp, fit_warp

__all__ = [
    "COST",
    "FAILURE",
    "Data",
    "Embedding",
    "Hyperparameters",
    "InputWarp",
    "Model",
    "NoiseModel",
    "NotPositiveDefinite",
    "Posterior",
    "Settings",
    "Surface",
    "Warp",
    "build",
    "condition",
    "fingerprint",
    "fit",
    "fit_settings",
    "fit_warp",
]
