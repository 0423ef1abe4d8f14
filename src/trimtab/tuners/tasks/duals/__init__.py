"""Exact losses of one task as functions of a hyperparameter, and their means over tasks.

A dual is `PiecewiseConstant`, `PiecewiseQuadratic` or `Rational`. Where breakpoints can only be searched for, the
result is `Certified`: the dual, and what the search could not decide. Of linear models: `ridge_dual`, `lasso_dual`,
`elastic_net_dual` and, for both of its penalties, `elastic_net_family`. Of graphs, neighbours and kernels:
`threshold_graph_dual`, `gaussian_graph_dual`, `polynomial_graph_dual`, `neighbours_dual`, `neighbour_scale_dual`,
`neighbour_exponent_dual`, `kernel_bandwidth_dual`. Of networks: `activation_dual`, `graph_network_dual`. Of trees and
clusters: `pruning_dual`, `forest_pruning_dual`, `splitting_dual`, `linkage_dual`.
"""

from trimtab.tuners.tasks.duals.activation import activation_dual
from trimtab.tuners.tasks.duals.bisection import Certified
from trimtab.tuners.tasks.duals.decision_tree import DecisionTree
from trimtab.tuners.tasks.duals.dual import Dual, Minimum
from trimtab.tuners.tasks.duals.elastic_net import (
    ElasticNetFamily,
    FamilyMinimum,
    elastic_net_dual,
    elastic_net_family,
    penalties_from_sklearn,
    sklearn_arguments,
)
from trimtab.tuners.tasks.duals.gaussian_graph import gaussian_graph_dual
from trimtab.tuners.tasks.duals.graph_network import graph_network_dual
from trimtab.tuners.tasks.duals.kernel_bandwidth import kernel_bandwidth_dual
from trimtab.tuners.tasks.duals.lasso import largest_l1, lasso_dual
from trimtab.tuners.tasks.duals.linkage import linkage_clusters, linkage_dual
from trimtab.tuners.tasks.duals.mean import mean_dual
from trimtab.tuners.tasks.duals.nearest_neighbours import (
    neighbour_exponent_dual,
    neighbour_scale_dual,
    neighbours_dual,
)
from trimtab.tuners.tasks.duals.piecewise_constant import PiecewiseConstant
from trimtab.tuners.tasks.duals.piecewise_quadratic import PiecewiseQuadratic
from trimtab.tuners.tasks.duals.polynomial_graph import polynomial_graph_dual
from trimtab.tuners.tasks.duals.rational import Rational
from trimtab.tuners.tasks.duals.ridge import ridge_dual
from trimtab.tuners.tasks.duals.threshold_graph import threshold_graph_dual
from trimtab.tuners.tasks.duals.tree_pruning import forest_pruning_dual, pruning_dual
from trimtab.tuners.tasks.duals.tree_splitting import splitting_dual

__all__ = [
    "Certified",
    "DecisionTree",
    "Dual",
    "ElasticNetFamily",
    "FamilyMinimum",
    "Minimum",
    "PiecewiseConstant",
    "PiecewiseQuadratic",
    "Rational",
    "activation_dual",
    "elastic_net_dual",
    "elastic_net_family",
    "forest_pruning_dual",
    "gaussian_graph_dual",
    "graph_network_dual",
    "kernel_bandwidth_dual",
    "largest_l1",
    "lasso_dual",
    "linkage_clusters",
    "linkage_dual",
    "mean_dual",
    "neighbour_exponent_dual",
    "neighbour_scale_dual",
    "neighbours_dual",
    "penalties_from_sklearn",
    "polynomial_graph_dual",
    "pruning_dual",
    "ridge_dual",
    "sklearn_arguments",
    "splitting_dual",
    "threshold_graph_dual",
]
