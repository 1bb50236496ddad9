"""How long things took that the service did lately: from the event to a notice, a scan and a circular."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from skymist.records.publications import CIRCULAR
from skymist.records.tables import Alert, Event, Publication, Scan, ScanState, now

RECENT, MOST = timedelta(days=1), 10_000
"""What was done so recently is looked at, and no more of it than this."""

STALE_S = 7 * 86400.0
"""An event that is older when it is heard of comes from a catalog, and nobody was late."""

EDGES_S = np.logspace(-2, 6, 33)
"""Of the bins: four a decade, from 10 ms to 12 days; what is beyond counts in the first or the last."""

QUANTILES = {"p50_s": 0.5, "p90_s": 0.9, "p99_s": 0.99}

Pair = tuple[datetime, datetime]


@dataclass(frozen=True)
class Stage:
    """Something that is waited for.

    Attributes
    ----------
    name : str
        For programs.
    words : str
        From what to what.
    pairs : callable
        Returns when each began and ended that ended since a time.
    """

    name: str
    words: str
    pairs: Callable[[Session, datetime], Iterator[Pair]]


def histograms(session: Session) -> list[dict[str, Any]]:
    """Return how long each of `STAGES` took in the last day: counts in bins of `EDGES_S`, and quantiles."""
    since = now() - RECENT
    return [_histogram(stage, waits(stage, session, since)) for stage in STAGES]


def waits(stage: Stage, session: Session, since: datetime) -> list[float]:
    """Return the seconds that a stage took whenever it ended since a time."""
    return [(end - begin).total_seconds() for begin, end in stage.pairs(session, since)]


def _histogram(stage: Stage, seconds: Sequence[float]) -> dict[str, Any]:
    counts, _ = np.histogram(np.clip(seconds, EDGES_S[0], EDGES_S[-1]), EDGES_S)
    quantiles = {name: float(np.quantile(seconds, share)) if seconds else None for name, share in QUANTILES.items()}
    return {"stage": stage.name, "words": stage.words, "n": len(seconds), "counts": counts.tolist(), **quantiles}


def _noticed(session: Session, since: datetime) -> Iterator[Pair]:
    query = select(Alert.time, Alert.created).where(Alert.created > since)
    return _fresh(session.execute(query.order_by(Alert.created.desc()).limit(MOST)))


def _asked(session: Session, since: datetime) -> Iterator[Pair]:
    """Of what people ask for later nobody was late."""
    query = select(Event.received, Scan.created).join(Scan, Scan.event_id == Event.id)
    query = query.where(Scan.created > since, Scan.rule != "")
    return _pairs(session.execute(query.order_by(Scan.created.desc()).limit(MOST)))


def _started(session: Session, since: datetime) -> Iterator[Pair]:
    """Of first attempts: the others were asked for long after the scan was."""
    query = select(Scan.created, Scan.started).where(Scan.created > since, Scan.started.is_not(None))
    query = query.where(Scan.attempt == 1, Scan.deaths == 0, Scan.after_id.is_(None))
    return _pairs(session.execute(query.order_by(Scan.created.desc()).limit(MOST)))


def _finished(session: Session, since: datetime) -> Iterator[Pair]:
    query = select(Scan.started, Scan.finished).where(Scan.finished > since, Scan.state == ScanState.COMPLETE)
    query = query.where(Scan.started.is_not(None))
    return _pairs(session.execute(query.order_by(Scan.finished.desc()).limit(MOST)))


def _sent(session: Session, since: datetime) -> Iterator[Pair]:
    """Of the first circular of each alert."""
    query = select(Alert.time, func.min(Publication.sent)).join(Publication, Publication.alert_id == Alert.id)
    query = query.where(Publication.kind == CIRCULAR, Publication.sent.is_not(None)).group_by(Alert.id, Alert.time)
    return _fresh(session.execute(query.having(func.min(Publication.sent) > since).limit(MOST)))


def _pairs(rows: Any) -> Iterator[Pair]:
    return ((row[0], row[1]) for row in rows)


def _fresh(rows: Any) -> Iterator[Pair]:
    """Yield pairs whose first time is that of an event, of events that were not old already."""
    for time, end in rows:
        begin = datetime.fromisoformat(time[:26].rstrip("Z")).replace(tzinfo=UTC)
        if 0 <= (end - begin).total_seconds() < STALE_S:
            yield begin, end


STAGES = (
    Stage("noticed", "event to first notice", _noticed),
    Stage("asked", "file of the event to scan asked for", _asked),
    Stage("started", "scan asked for to started", _started),
    Stage("finished", "scan started to finished", _finished),
    Stage("sent", "event to circular sent", _sent),
)
"""All that is waited for, in its order; each counts when it ends."""
