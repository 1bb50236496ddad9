"""What happens to scans that people watch: one thread for a scan asks the service, and tells all who watch it.

So a service has the same work with one page that is open and with many.
"""

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from skymist.errors import RequestError, SkymistError, StoreError

if TYPE_CHECKING:
    from skymist.client.scan import Scan
    from skymist.client.service import Client

ENDED = "complete", "failed", "cancelled"

WAIT_S = 1.0
"""Seconds for which the service is asked to wait for a picture that is new."""
PERIOD_S = 0.2
"""Seconds, at least, between two pictures."""
CROWD, CROWD_S, EACH_S = 5, 0.5, 0.075
"""If more than so many watch: seconds between two pictures, and for each of them, which counts if it is more."""
PROGRESS_S = 1.0
"""Seconds, at least, between two questions how far a scan is; of a crowd, as between two pictures if that is more."""
PATIENCE_S = 1.0
"""Seconds after which a service that does not answer, or is busy, is said to be so."""
PAUSES_S = 0.1, 2.0
"""Seconds, at first and at last, before such a service is asked again."""


@dataclass(frozen=True)
class News:
    """How a scan is, as far as is known.

    Attributes
    ----------
    picture : dict or None
        The latest, as `skymist.client.scan.Scan.picture` returns it; the same object as before if it is the same.
    progress : dict or None
        The latest, as `skymist.client.scan.Scan.follow` returns it.
    trouble : str
        Why nothing new comes at present, in words; empty if it does.
    ended : bool
        Whether no more news come: the scan has ended, or those who watch may not any more, which `trouble` says then.
    """

    picture: dict[str, Any] | None = None
    progress: dict[str, Any] | None = None
    trouble: str = ""
    ended: bool = False


Take = Callable[[News], None]
"""Is told all news, in another thread; it does not take long, and raises nothing."""


def watch(client: "Client", scan_id: str, take: Take, frame: str = "equatorial") -> Callable[[], None]:
    """Have `take` told how a scan is, at once if that is known, and then whenever it changes, until it has ended.

    Parameters
    ----------
    client : Client
        Of somebody who may see the scan. All who watch lend theirs in turn; who may not see it any more is told so, and
        nothing else from then on.
    scan_id : str
    take : callable
    frame : str
        Of the whole sky in pictures.

    Returns
    -------
    callable
        To be called when nobody wants to know any more; more than once does no harm.
    """
    watcher = _Watcher(client, take)
    key = client.service, scan_id, frame
    with _LOCK:
        feed = _FEEDS.get(key) or _Feed(key)
        feed.watchers.append(watcher)
        if key not in _FEEDS:
            _FEEDS[key] = feed
            threading.Thread(target=feed.run, name=f"scan {scan_id[:12]}", daemon=True).start()
        known, number = feed.news, feed.number
    if number:
        watcher.tell(known, number)
    return partial(_leave, feed, watcher)


def running() -> int:
    """Return how many scans are being watched."""
    with _LOCK:
        return len(_FEEDS)


def pause_for(watching: int) -> float:
    """Return the seconds between two pictures: each who watches takes some work, of which scans have less then.

    Examples
    --------
    >>> pause_for(1), pause_for(5), pause_for(6), pause_for(40)
    (0.2, 0.2, 0.5, 3.0)
    """
    return PERIOD_S if watching <= CROWD else max(CROWD_S, EACH_S * watching)


_Key = tuple[Hashable, str, str]
_LOCK = threading.Lock()
_FEEDS: "dict[_Key, _Feed]" = {}


class _Watcher:
    """One who watches: what comes late is not told."""

    def __init__(self, client: "Client", take: Take) -> None:
        self.client, self.gone = client, False
        self._take, self._number, self._lock = take, 0, threading.Lock()

    def tell(self, news: News, number: int) -> None:
        with self._lock:
            if number > self._number and not self.gone:
                self._number = number
                self._take(news)


def _leave(feed: "_Feed", watcher: _Watcher) -> None:
    watcher.gone = True
    with _LOCK:
        if watcher in feed.watchers:
            feed.watchers.remove(watcher)
        if not feed.watchers:
            feed.stop()


class _Feed:
    """A scan that is watched; `watchers`, `news` and their `number` change under `_LOCK` only."""

    def __init__(self, key: _Key) -> None:
        self.key = key
        self.watchers: list[_Watcher] = []
        self.news, self.number = News(), 0
        self._over = threading.Event()
        self._turn = 0
        self._asked = self._seen = float("-inf")

    def stop(self) -> None:
        """Let the thread end; who comes from now on begins another feed. To be called under the lock."""
        self._over.set()
        if _FEEDS.get(self.key) is self:
            del _FEEDS[self.key]

    def run(self) -> None:
        """Look until the scan has ended, nobody watches, or none of those who do may."""
        pause_s = PAUSES_S[0]
        try:
            while (watcher := self._next()) is not None:
                try:
                    self._look(watcher.client.refer(self.key[1]))
                    pause_s = PAUSES_S[0]
                except StoreError as trouble:  # the service is away, and may come back
                    self._tell(replace(self.news, trouble=str(trouble)))
                    self._over.wait(pause_s)
                    pause_s = min(2 * pause_s, PAUSES_S[1])
                except RequestError as refusal:
                    watcher.tell(replace(self.news, trouble=str(refusal), ended=True), self.number + 1)
                    _leave(self, watcher)
                except RuntimeError:
                    if not watcher.gone:  # else its client was closed meanwhile
                        raise
                except SkymistError as trouble:  # a map that cannot be read
                    self._tell(replace(self.news, trouble=str(trouble), ended=True))
        finally:
            with _LOCK:
                self.stop()

    def _next(self) -> _Watcher | None:
        """Return whose client is used: each one's in turn, so that it shows whose token is revoked. None at the end."""
        with _LOCK:
            if self._over.is_set() or not self.watchers:
                return None
            self._turn = (self._turn + 1) % len(self.watchers)
            return self.watchers[self._turn]

    def _look(self, scan: "Scan") -> None:
        """Ask how far the scan is if that is due, then wait for a picture; after its end take what is there."""
        progress = self.news.progress
        if time.monotonic() >= self._asked + max(PROGRESS_S, pause_for(len(self.watchers))):
            progress = scan.follow(PATIENCE_S)
            self._asked = time.monotonic()
        ended = progress is not None and progress["state"] in ENDED
        if not ended:
            self._over.wait(max(0.0, self._seen + pause_for(len(self.watchers)) - time.monotonic()))
        picture, known = None, self.news.picture
        if not self._over.is_set():
            after, wait = known["version"] if known else 0, 0.0 if ended else WAIT_S
            picture = scan.picture(after, wait=wait, frame=self.key[2], patience_s=PATIENCE_S)
        self._seen = self._seen if picture is None else time.monotonic()
        self._tell(News(picture or known, progress, ended=ended))

    def _tell(self, news: News) -> None:
        """Tell everybody, if it is news; nothing comes after an end."""
        with _LOCK:
            if news == self.news:
                return
            self.news, self.number, watchers = news, self.number + 1, list(self.watchers)
            number = self.number
            if news.ended:
                self.stop()
        for watcher in watchers:
            watcher.tell(news, number)
