"""Transfer: what past studies say about a new one, and a guard for when they mislead."""

from trimtab.tuners.tasks.transfer.corpus import Corpus, CorpusTask, MatchedCorpus, MatchedTask
from trimtab.tuners.tasks.transfer.default_portfolio import DefaultPortfolio, ZeroShot
from trimtab.tuners.tasks.transfer.pruned_space import Box, PrunedSpace, learnt_box
from trimtab.tuners.tasks.transfer.quantile_prior import QuantilePrior
from trimtab.tuners.tasks.transfer.ranking_weighted import RankingWeighted
from trimtab.tuners.tasks.transfer.warm_start import WarmStart

__all__ = [
    "Box",
    "Corpus",
    "CorpusTask",
    "DefaultPortfolio",
    "MatchedCorpus",
    "MatchedTask",
    "PrunedSpace",
    "QuantilePrior",
    "RankingWeighted",
    "WarmStart",
    "ZeroShot",
    "learnt_box",
]
