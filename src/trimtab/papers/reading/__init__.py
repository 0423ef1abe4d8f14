"""Reading pages that list papers: from a file or an address to listings, and what of the page was not understood.

Pages are hostile until they are read: bounded in every length, without entities, scripts, hidden signs or schemes.
"""

from trimtab.papers.reading.json_lines import json_line
from trimtab.papers.reading.pages import PageStream, iter_listings, open_page, read_page, read_pages

__all__ = ["PageStream", "iter_listings", "json_line", "open_page", "read_page", "read_pages"]
