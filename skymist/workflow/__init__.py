"""The only wiring: here the parts that do not know each other meet."""
