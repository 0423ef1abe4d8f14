"""Tuning by derivatives of the score.

Without PyTorch: `penalties` of linear models, and `games`, where several losses are at odds. With it: `bilevel`
problems, their hypergradients and descents, `self_tuning` networks, and `rewards` that are learnt for a policy.
"""
