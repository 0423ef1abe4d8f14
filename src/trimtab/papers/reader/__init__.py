"""The reader: a small web application over a catalogue, and its feeds (extra `papers`)."""

from trimtab.papers.reader.app import make_app
from trimtab.papers.reader.feeds import feed_atom, feed_json

__all__ = ["feed_atom", "feed_json", "make_app"]
