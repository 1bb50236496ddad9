"""One figure is drawn at a time: the fonts that matplotlib shares between threads stand no two of them (FreeType)."""

from threading import RLock

ONE_AT_A_TIME = RLock()
"""Held by whoever makes a figure with letters, or a file of one."""
