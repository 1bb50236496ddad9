"""Circulars: drafted from facts, read back, checked, and sent."""
