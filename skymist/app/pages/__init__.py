"""The pages, each a module with a function ``page(visit)`` that returns what it shows; see `skymist.app.sitemap`."""
