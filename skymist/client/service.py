"""A service, as a program sees it."""

import os
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from skymist.client.archive import Archive
from skymist.client.calls import Calls, checked, kept_token, quoted
from skymist.client.publications import Publications
from skymist.client.scan import Scan

if TYPE_CHECKING:
    import httpx


def connect(url: str, token: str | None = None) -> "Client":
    """Return a client of the service at `url`; nothing is sent yet.

    Parameters
    ----------
    url : str
        ``https://HOST`` (or ``http://`` on this machine).
    token : str, optional
        What lets you in; else that of the environment (``SKYMIST_TOKEN``), else that of this URL in
        ``~/.config/skymist/tokens.yaml``, which nobody else may be able to read.

    Raises
    ------
    RequestError
        If the URL is none of a service, a token would go over the network in clear, its file may be read by others,
        or httpx is not installed.
    """
    base = checked(url)
    return Client(base, token or os.environ.get("SKYMIST_TOKEN") or kept_token(base))


class Client:
    """A service; see `connect`. What it tells comes as plain dictionaries, as ``/v1/openapi.json`` describes them.

    `skymist.client.calls.Calls` says what all methods raise.
    """

    def __init__(self, url: str, token: str | None, transport: "httpx.BaseTransport | None" = None) -> None:
        self._calls = Calls(url, token, transport)

    @property
    def service(self) -> Hashable:
        """What clients of the same service have in common, whoever's they are."""
        return self._calls.url, self._calls.transport

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of all connections."""
        self._calls.close()

    def me(self) -> dict[str, Any]:
        """Return whose the token is, and what it allows."""
        return dict(self._calls.get("me"))

    def health(self) -> dict[str, Any]:
        """Return that the service works; it needs no token."""
        return dict(self._calls.get("health"))

    def scan(
        self,
        source: str | os.PathLike[str],
        *,
        cluster: str | None = None,
        workers: int | None = None,
        priority: int | None = None,
        **wish: Any,
    ) -> "Scan":
        """Ask for a scan; the same that was asked for before is the same scan.

        Parameters
        ----------
        source : str or path
            A file with an event, which is uploaded, or an event that the service knows: ``RUN/EVENT``, the name of
            its alert, or its digest.
        cluster, workers, priority
            Where it runs, with how many workers, and how urgent it is; the service chooses if not given.
        **wish
            As for ``skymist scan``: reco, options, levels, cone, seeds, seed, level_options.

        Returns
        -------
        Scan
            Which may be complete already.

        Raises
        ------
        RequestError
            If the event is unknown or cannot be read, or the wish does not fit it.
        """
        event = self.post_event(source)["event_id"] if Path(source).is_file() else os.fspath(source)
        where = {"cluster": cluster, "workers": workers, "priority": priority}
        body = {"event": event, **wish, **{key: value for key, value in where.items() if value is not None}}
        return Scan(self._calls, self._calls.post("scans", body, once=False))

    def get_scan(self, scan_id: str) -> "Scan":
        """Return a scan by its id or the beginning of it.

        Parameters
        ----------
        scan_id : str
            SHA-256 of the request, or its first digits.
        """
        return Scan(self._calls, self._calls.get(f"scans/{quoted(scan_id)}"))

    def estimate(self, event: str, **body: Any) -> dict[str, Any]:
        """Return what a scan of an event would be and take, or raise why it would be refused; nothing is begun.

        Parameters
        ----------
        event : str
            One that the service knows, as for `scan`.
        **body
            The words of the wish, and cluster and workers, as for `scan`.
        """
        return self._calls.post("estimates", {"event": event, **body}, once=False)

    def refer(self, scan_id: str) -> "Scan":
        """Return a scan of which no more than the id is known; nothing is asked yet.

        Parameters
        ----------
        scan_id : str
            SHA-256 of the request.
        """
        return Scan(self._calls, {"id": quoted(scan_id)})

    def scans(self, **filters: Any) -> Iterator["Scan"]:
        """Yield scans, the latest first; `filters` are those of ``GET /v1/scans``.

        Parameters
        ----------
        **filters
            Those of ``GET /v1/scans``.
        """
        return (Scan(self._calls, each) for each in self._calls.pages("scans", filters))

    def scan_page(self, **filters: Any) -> dict[str, Any]:
        """Return one part of that list: ``items``, and ``next``, which is None at the end; `filters` as above.

        Parameters
        ----------
        **filters
            Those of ``GET /v1/scans``.
        """
        return dict(self._calls.get("scans", filters))

    def post_event(self, path: str | os.PathLike[str]) -> dict[str, Any]:
        """Upload a file with an event, and return what became of it; the same content is the same event.

        Parameters
        ----------
        path : str or path
            A file in any format that skymist reads.
        """
        return self._calls.upload("events", Path(path))

    def post_notice(self, path: str | os.PathLike[str]) -> dict[str, Any]:
        """Upload a file with a notice, and return what became of it.

        Parameters
        ----------
        path : str or path
            A notice as JSON, VOEvent or text.
        """
        return self._calls.upload("notices", Path(path))

    def post_content(self, kind: str, content: bytes, name: str = "") -> dict[str, Any]:
        """Send the bytes of a notice or an event (``kind``), and return what became of it; `name` is of its file.

        Parameters
        ----------
        kind : str
            ``event`` or ``notice``.
        content : bytes
        name : str
            Of the file, whose ending may tell its format.
        """
        return self._calls.send(f"{kind}s", content, name)

    def events(self, **filters: Any) -> Iterator[dict[str, Any]]:
        """Yield events, the latest first.

        Parameters
        ----------
        **filters
            Those of ``GET /v1/events``.
        """
        return self._calls.pages("events", filters)

    def event(self, event: str) -> dict[str, Any]:
        """Return what is known of an event, by its id, ``RUN_EVENT`` or the name of its alert.

        Parameters
        ----------
        event : str
            Its id, ``RUN_EVENT`` or the name of its alert.
        """
        return dict(self._calls.get(f"events/{quoted(event)}"))

    def event_file(self, event: str) -> bytes:
        """Return the file of an event, byte for byte as it came; `skymist.load_event` reads such files.

        Parameters
        ----------
        event : str
            As for `event`.
        """
        return self._calls.call("GET", f"events/{quoted(event)}/file", lambda answer: bytes(answer.read()))

    def alerts(self, **filters: Any) -> Iterator[dict[str, Any]]:
        """Yield alerts, the latest first; `filters` are those of ``GET /v1/alerts``.

        Parameters
        ----------
        **filters
            Those of ``GET /v1/alerts``.
        """
        return self._calls.pages("alerts", filters)

    def alert_page(self, **filters: Any) -> dict[str, Any]:
        """Return one part of that list: ``items``, and ``next``, which is None at the end; `filters` as above.

        Parameters
        ----------
        **filters
            Those of ``GET /v1/alerts``.
        """
        return dict(self._calls.get("alerts", filters))

    def alert(self, name: str, *, role: str = "observation") -> dict[str, Any]:
        """Return what is known of an alert, by any of its names or ``RUN_EVENT``.

        Parameters
        ----------
        name : str
            Any of its names, or ``RUN_EVENT``.
        role : str
            ``observation``, ``prediction`` or ``test``, which never mix.
        """
        return dict(self._calls.get(_of_alert(name), {"role": role}))

    def revisions(self, name: str, *, role: str = "observation") -> Iterator[dict[str, Any]]:
        """Yield all revisions of an alert in their order.

        Parameters
        ----------
        name : str
            Any of its names, or ``RUN_EVENT``.
        role : str
            ``observation``, ``prediction`` or ``test``, which never mix.
        """
        return self._calls.pages(f"{_of_alert(name)}/revisions", {"role": role})

    def timeline(self, name: str, *, role: str = "observation") -> dict[str, Any]:
        """Return all that happened to an alert: ``steps`` in order with latencies, and ``milestones``.

        Parameters
        ----------
        name : str
            Any of its names, or ``RUN_EVENT``.
        role : str
            ``observation``, ``prediction`` or ``test``, which never mix.
        """
        return dict(self._calls.get(f"{_of_alert(name)}/timeline", {"role": role}))

    def files(self, name: str, *, role: str = "observation") -> Iterator[dict[str, Any]]:
        """Yield all files of an alert: of its scans, records, notices and events, each with its ``url``.

        Parameters
        ----------
        name : str
            Any of its names, or ``RUN_EVENT``.
        role : str
            ``observation``, ``prediction`` or ``test``, which never mix.
        """
        return self._calls.pages(f"{_of_alert(name)}/files", {"role": role})

    def message(self, input_id: str) -> bytes:
        """Return a message byte for byte as it came, by its SHA-256.

        Parameters
        ----------
        input_id : str
            SHA-256 of the message.
        """
        return self._calls.call("GET", f"inputs/{quoted(input_id)}/content", lambda answer: bytes(answer.read()))

    def retract(self, name: str, reason: str, *, role: str = "observation") -> dict[str, Any]:
        """Add a retraction to an alert, with the reason in words.

        Parameters
        ----------
        name : str
            Any of its names, or ``RUN_EVENT``.
        reason : str
            In words; it is told to all who see the alert.
        role : str
            ``observation``, ``prediction`` or ``test``, which never mix.

        Returns
        -------
        dict
            The alert as it is then.
        """
        return self._calls.post(f"{_of_alert(name)}/retract", {"reason": reason, "role": role})

    @property
    def archive(self) -> Archive:
        """Its archive: documents of records, what is public, the catalog as a table."""
        return Archive(self._calls)

    @property
    def circulars(self) -> Publications:
        """Its circulars: drafted, edited, approved and sent."""
        return self.publications("circular")

    @property
    def notices(self) -> Publications:
        """Notices of ours, as circulars are."""
        return self.publications("notice")

    def publications(self, kind: str) -> Publications:
        """Return its circulars or notices.

        Parameters
        ----------
        kind : str
            ``circular`` or ``notice``.
        """
        return Publications(self._calls, kind)

    def reconstructions(self) -> Iterator[dict[str, Any]]:
        """Yield what can be fitted, with the options of each."""
        return self._calls.pages("reconstructions")

    def catalogs(self) -> Iterator[dict[str, Any]]:
        """Yield the catalogs of sources that can be matched."""
        return self._calls.pages("catalogs")

    def clusters(self) -> Iterator[dict[str, Any]]:
        """Yield where scans can run."""
        return self._calls.pages("clusters")

    def streams(self) -> Iterator[dict[str, Any]]:
        """Yield the sources of messages and how far they were read."""
        return self._calls.pages("streams")

    def news(self, after: int | None = None) -> dict[str, Any]:
        """Return what has happened (``items``), and what ``after`` takes to be told the rest later (``upto``).

        Parameters
        ----------
        after : int, optional
            ``upto`` of the last answer; the latest news if not given.
        """
        return dict(self._calls.get("news", {"after": after}))

    def operations(self) -> dict[str, Any]:
        """Return how the service is: what runs and waits, how long things took, and what is wrong."""
        return dict(self._calls.get("operations"))

    def overview(self) -> dict[str, Any]:
        """Return how much there is to do: recent alerts, scans by state, what waits for a person, what is unread."""
        return dict(self._calls.get("overview"))

    def changes(self) -> dict[str, Any]:
        """Return a ``version`` that counts up with all that is done: whoever shows something asks this first."""
        return dict(self._calls.get("changes"))

    def quarantine(self) -> Iterator[dict[str, Any]]:
        """Yield messages that could not be read, the latest first."""
        return self._calls.pages("quarantine")

    def retry(self, input_id: str) -> dict[str, Any]:
        """Try once more to read one of them; `RequestError` with the reason, if that is still not possible.

        Parameters
        ----------
        input_id : str
            SHA-256 of the message.

        Returns
        -------
        dict
            What became of it.
        """
        return self._calls.post(f"quarantine/{quoted(input_id)}/retry", {})


def _of_alert(name: str) -> str:
    """Return the path of an alert; servers take a quoted slash for a real one."""
    return f"alerts/{quoted(name.replace('/', '_'))}"
