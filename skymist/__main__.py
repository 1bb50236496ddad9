"""``python -m skymist`` is ``skymist``."""

from skymist.cli import main

main()
