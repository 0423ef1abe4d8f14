"""`trimtab papers`: a catalogue of papers, from a page of abstracts to a method that runs. One file a command."""

from trimtab.cli.papers.app import papers

__all__ = ["papers"]
