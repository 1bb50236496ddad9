"""Interactive twins of the figures, for notebooks, dashboards and reports.

They show the same data as the figures of `skymist.plot`, in the same colours, and tell what is under the cursor. Maps
are HoloViews overlays for its Bokeh backend, events are Plotly figures. What they need, ``skymist[interactive]``, is
imported when a figure is made; the HoloViews backend that was current stays so. In a notebook call
``holoviews.extension("bokeh")`` once; `html` makes a page of any of them that needs nothing from the network.
"""

import lazy_loader

# The names are listed in __init__.pyi; each is imported when it is first used.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
