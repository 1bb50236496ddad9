"""Records: what came in, what became of it and who did what, in a SQL database (SQLite or PostgreSQL)."""

from skymist.records.database import Database, patiently

__all__ = ["Database", "patiently"]
