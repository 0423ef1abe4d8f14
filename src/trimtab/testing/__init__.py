"""Conformance kits, Hypothesis strategies, histories and fakes: for our own tests, and for those of others."""
