"""The catalogue: papers in an SQLite file, found by words, and linked to the methods that implement them."""

from trimtab.papers.catalogue.catalogue import Catalogue, Order, default_path

__all__ = ["Catalogue", "Order", "default_path"]
