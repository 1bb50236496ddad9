"""One writer in an object store: an object beside the map that only its holder can renew.

No two clocks are compared: whoever wants a lease watches it, and takes it when it was not renewed for `SECONDS`.
"""

import threading
import time
import uuid
from contextlib import suppress

from skymist.errors import StoreError
from skymist.store.objects import ObjectPlace, Version
from skymist.store.place import OnWait

SECONDS = 30.0
"""After so long without renewal, others take a lease."""

RENEWAL = 8.0
"""Seconds between renewals: three may fail."""

LONG_AGO = 900.0
"""Seconds; the holder of a lease that old is gone, by all clocks that a store accepts (it refuses others)."""


class LeaseLostError(StoreError):
    """Another process took the lease: this one must not write any more."""


class Lease:
    """The right to write, for as long as this process lives; a thread renews it.

    Parameters
    ----------
    place : ObjectPlace
        What to write; the lease is the object beside it that ends in ``.lease``.
    on_wait : callable
        Told if a lease must expire first.

    Raises
    ------
    StoreError
        If another process holds and renews it, or the store cannot be reached.
    """

    def __init__(self, place: ObjectPlace, on_wait: OnWait) -> None:
        self._place, self._object = place, place.with_name(f"{place.name}.lease")
        self._owner, self._count = uuid.uuid4().hex, 0
        self._version = self._take(on_wait)
        self._busy, self._ended = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._renew, name="skymist-lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Renew the lease.

        Raises
        ------
        LeaseLostError
            If another process has taken it.
        StoreError
            If the store cannot be reached.
        """
        with self._busy:
            version = self._object.replace(self._content(), self._version) or self._version_if_ours()
            if version is None:
                raise LeaseLostError(
                    f"another process is writing {self._place}: this one was not heard of for too long"
                )
            self._version = version

    def close(self) -> None:
        """Give it back, if it is still ours and the store can be reached."""
        self._ended.set()
        self._thread.join()
        with suppress(StoreError):
            self.check()  # so that nobody takes it just before it is removed
            self._object.remove()

    def _take(self, on_wait: OnWait) -> Version:
        taken = self._object.replace(self._content(), None)
        if taken is None:
            held = self._object.version()
            if held and held.age < LONG_AGO:
                on_wait(f"{self._place}: its last writer did not end well, or still writes; known in {SECONDS:.0f} s")
                held = self._watch(held)
            taken = self._object.replace(self._content(), held)
        if taken is None:
            raise self._place.busy()
        return taken

    def _watch(self, held: Version) -> Version | None:
        """Return the lease if it was not renewed for `SECONDS`, and None if it was given back meanwhile."""
        end, now = time.monotonic() + SECONDS, self._object.version()
        while now and time.monotonic() < end:
            if now != held:
                raise self._place.busy()
            time.sleep(min(1.0, SECONDS / 10))
            now = self._object.version()
        return now

    def _renew(self) -> None:
        while not self._ended.wait(RENEWAL):
            with suppress(StoreError):  # the next commit finds out
                self.check()

    def _version_if_ours(self) -> Version | None:
        """Return what a renewal wrote whose answer was lost; None if the lease is another's, or was removed."""
        if not self._object.exists():
            return None
        content, version = self._object.read_version()
        return version if content.decode(errors="replace").startswith(self._owner) else None

    def _content(self) -> bytes:
        """Return something new each time: what tells versions apart may be a digest."""
        self._count += 1
        return f"{self._owner} {self._count}\n".encode()
