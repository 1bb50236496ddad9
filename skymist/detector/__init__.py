"""Geometry, ice and light as small tables and formulas with their sources."""
