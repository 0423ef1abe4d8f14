"""Solvers of game-like tuning problems, 0 in F(u) + G(u) with F = (1/n) sum_i F_i monotone; NumPy is enough.

    method                          needs of F               use it for
    VarianceReducedProximalPoint    Lipschitz on average     bilinear and monotone games, many components of like kind
    VarianceReducedHalpern          cocoercive on average    a bound on the last point, cheaper than without batches
    Extragradient                   Lipschitz                few components, or such that differ a lot
    ForwardBackward                 cocoercive               well-conditioned problems; diverges on bilinear games

All of them report the exact natural residual of the last point and stop on it (`solve`), count evaluations of
components, and tell what they saw of F that breaks their assumptions. `GameTask` makes each solve a trial of a study,
which goes on from a checkpoint where its worker was killed. No bound holds for games that are not
convex-concave, such as those between neural networks.
"""

from trimtab.tuners.gradients.games.extragradient import EXTRAGRADIENT_REFS, Extragradient, PlainState
from trimtab.tuners.gradients.games.forward_backward import FORWARD_BACKWARD_REFS, ForwardBackward
from trimtab.tuners.gradients.games.game_task import GameTask
from trimtab.tuners.gradients.games.halpern import HALPERN_REFS, HalpernState, VarianceReducedHalpern, page_update
from trimtab.tuners.gradients.games.operators import (
    AffineConstants,
    Evidence,
    FiniteSum,
    Inclusion,
    Prox,
    affine,
    affine_constants,
    ball,
    bilinear,
    box,
    simplices,
)
from trimtab.tuners.gradients.games.proximal_point import (
    PROXIMAL_POINT_REFS,
    ProximalPointState,
    VarianceReducedProximalPoint,
)
from trimtab.tuners.gradients.games.solving import (
    GameMethod,
    GameState,
    Solution,
    from_arrays,
    go_on,
    solve,
    to_arrays,
)

__all__ = [
    "EXTRAGRADIENT_REFS",
    "FORWARD_BACKWARD_REFS",
    "HALPERN_REFS",
    "PROXIMAL_POINT_REFS",
    "AffineConstants",
    "Evidence",
    "Extragradient",
    "FiniteSum",
    "ForwardBackward",
    "GameMethod",
    "GameState",
    "GameTask",
    "HalpernState",
    "Inclusion",
    "PlainState",
    "Prox",
    "ProximalPointState",
    "Solution",
    "VarianceReducedHalpern",
    "VarianceReducedProximalPoint",
    "affine",
    "affine_constants",
    "ball",
    "bilinear",
    "box",
    "from_arrays",
    "go_on",
    "page_update",
    "simplices",
    "solve",
    "to_arrays",
]
