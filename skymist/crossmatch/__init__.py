"""Counterparts: catalogs of sources, and which of them a region holds, with the chance of that."""
