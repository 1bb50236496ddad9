"""skymist: neutrino alerts from the raw event to a calibrated sky map.

>>> import skymist
>>> event = skymist.load_event("demo")
>>> event.kind
'simulation'
"""

import lazy_loader

# The names are listed in __init__.pyi; each is imported when it is first used, so that the command line starts at once.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
