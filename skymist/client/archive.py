"""The archive of a service: documents of records, what is public, and the catalog as a table."""

from typing import Any

from skymist.client.calls import Calls, quoted


class Archive:
    """The archive of a service; made by `skymist.client.Client.archive`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def record(self, fragment: str) -> dict[str, Any]:
        """Return what a record is called, and how it stands to the world; see ``GET /v1/records/FRAGMENT``.

        Parameters
        ----------
        fragment : str
            What the record's identifier ends with, such as ``137840_1``.
        """
        return dict(self._calls.get(f"records/{quoted(fragment)}"))

    def document(self, fragment: str, kind: str = "json-ld") -> bytes:
        """Return a record in the words of a standard: datacite, json-ld, prov, obscore, voevent, json or html.

        Parameters
        ----------
        fragment : str
            What the record's identifier ends with, such as ``137840_1``.
        kind : str
            One of those.
        """
        return self._bytes(f"records/{quoted(fragment)}/documents/{quoted(kind)}")

    def release(self, fragment: str, at: str | None = None) -> dict[str, Any]:
        """Make a record public, now or from a time on (``2026-01-01T00:00:00Z``); ``public`` tells whether it is.

        Parameters
        ----------
        fragment : str
            What the record's identifier ends with, such as ``137840_1``.
        at : str, optional
            ISO 8601 with its zone; now if not given.

        Returns
        -------
        dict
            The document of it now.
        """
        return self._calls.post(f"records/{quoted(fragment)}/release", {} if at is None else {"at": at})

    def withdraw(self, fragment: str, reason: str) -> dict[str, Any]:
        """Make a record private again, with the reason in words.

        Parameters
        ----------
        fragment : str
            What the record's identifier ends with, such as ``137840_1``.
        reason : str
            It is told to the world.

        Returns
        -------
        dict
            The document of it now.
        """
        return self._calls.post(f"records/{quoted(fragment)}/withdraw", {"reason": reason})

    def table(self, kind: str = "csv", **filters: Any) -> bytes:
        """Return the catalog as a file: csv, ecsv, votable, parquet or icecat; `filters` as of ``GET /v1/alerts``.

        Parameters
        ----------
        kind : str
            One of those.
        **filters
            Those of ``GET /v1/alerts``.
        """
        return self._bytes("catalog", {"format": kind, **filters})

    def _bytes(self, path: str, query: dict[str, Any] | None = None) -> bytes:
        given = {key: value for key, value in (query or {}).items() if value is not None}
        return self._calls.call("GET", path, lambda answer: bytes(answer.read()), params=given or None)
