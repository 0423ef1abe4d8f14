"""Papers: a reader's own catalogue of them, in which each paper leads to what runs here.

    from trimtab.papers import Catalogue
    from trimtab.papers.linking import import_page, link
    from trimtab.papers.search import search

    with Catalogue() as catalogue:
        report = import_page(catalogue, "page.txt")
        link(catalogue)
        for found in search(catalogue, "tuning with gradients of the validation loss"):
            print(found.paper.title, [method.call for method in found.paper.methods])

On the command line it is `trimtab papers`.
"""

from trimtab.papers.catalogue import Catalogue, default_path
from trimtab.papers.records import Filter, Found, ImportReport, Listing, Method, Misread, Page, Paper

__all__ = [
    "Catalogue",
    "Filter",
    "Found",
    "ImportReport",
    "Listing",
    "Method",
    "Misread",
    "Page",
    "Paper",
    "default_path",
]
