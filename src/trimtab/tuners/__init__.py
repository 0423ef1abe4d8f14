"""Who proposes: one package per kind of information, a catalogue of names, and `auto`, which picks."""

from trimtab.tuners.catalogue import CATALOGUE, make_tuner, references_of

__all__ = ["CATALOGUE", "make_tuner", "references_of"]
