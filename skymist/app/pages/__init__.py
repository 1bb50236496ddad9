"""The pages, each a module with a function ``page(visit)`` that returns what it shows; see `skymist.app.sitemap`."""

from skymist.app.sitemap import PAGES, Page, find  # TODO of the founder: importers move to sitemap

__all__ = ["PAGES", "Page", "find"]
