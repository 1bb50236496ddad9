"""Figures of sky maps and events, for paper and screen.

They are matplotlib figures without pyplot: nothing global is touched and nothing is written. East is to the left.
Colours are told apart by colour-blind readers. Each figure says in words what it shows (`Page.caption`); the files
it is saved to carry that text, too.

What is to be drawn (`view`, `frames`, `curves`, `pulses`, `captions`) is worked out without matplotlib, so that other
figures can be drawn of the same data.
"""

import lazy_loader

# The names are listed in __init__.pyi; each is imported when it is first used.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
