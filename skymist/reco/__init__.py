"""Reconstructions: event and directions to fits, one short file an algorithm."""
