"""What begins by itself: scans of alerts by rule, fallbacks of scans that stall, and what waited for another."""

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

from sqlalchemy import select

from skymist.errors import ConflictError, SkymistError, StoreError, own_fault
from skymist.model.circular import State
from skymist.records import Database, alerts, log, publications, scans, tables
from skymist.records.tables import ScanState, now
from skymist.workflow.desk import Desk
from skymist.workflow.knowledge import complete_scan
from skymist.workflow.rules import Plan, Rule, Rules
from skymist.workflow.service import ask

WHO = "workflow"
OPEN = (ScanState.WAITING, ScanState.QUEUED)

Result = TypeVar("Result")

_log = logging.getLogger(__name__)


def schedule(database: Database, rules: Rules, desk: Desk | None = None) -> int:
    """Ask for the scans of all alerts of which something new is known; return how many alerts that were.

    With a desk, those that were scanned get a draft of a circular, too. What is asked for follows from the records
    alone, so that being killed in the middle changes nothing.
    """
    with database.read() as session:
        due = [(each.id, each.changed) for each in session.scalars(select(tables.Alert).where(tables.Alert.due))]
    for alert_id, changed in due:
        _unless_refused(database, partial(_schedule_one, database, rules, alert_id), "alert", alert_id)
        if desk is not None and desk.settings.automatic:
            _unless_refused(database, partial(keep_draft, desk, alert_id), "alert", alert_id, rule="circular")
        with database.begin() as session:
            alert = session.get_one(tables.Alert, alert_id, with_for_update=True)
            alert.due = alert.changed != changed  # it came while we looked
    return len(due)


def keep_draft(desk: Desk, alert_id: int) -> None:
    """Have an alert that was scanned, or taken back after a circular, a draft that says what is known now.

    A text that a person has edited or approved is theirs: checks tell them what has changed.
    """
    with desk.database.read() as session:
        retracted = session.get_one(tables.Alert, alert_id).retracted
        earlier = publications.of_alert(session, alert_id, publications.CIRCULAR)
        last = earlier[-1] if earlier else None
        edited = last is not None and publications.last_editor(last) != ""
        scanned = complete_scan(session, alert_id) is not None
    if last is None or last.state == State.SENT:
        told = last is not None and last.template == "retraction"
        if (scanned and last is None and not retracted) or (last is not None and retracted and not told):
            desk.draft(publications.CIRCULAR, alert_id, WHO)
    elif last.state == State.DRAFT and not edited and not retracted:
        with suppress(ConflictError):  # nothing has changed
            desk.redraft(publications.CIRCULAR, last.id, WHO)


def _schedule_one(database: Database, rules: Rules, alert_id: int) -> None:
    with database.read() as session:
        found = alerts.whole(session.get_one(tables.Alert, alert_id))
        latest = select(tables.Event).where(tables.Event.alert_id == alert_id)
        event = session.scalar(latest.order_by(tables.Event.received.desc(), tables.Event.id).limit(1))
    if found.retracted:
        _call_off(database, alert_id)
    elif event is not None and (rule := rules.choose(found, event.kind)):
        _run(database, rule, event.id, alert_id)


def _run(database: Database, rule: Rule, event_id: str, alert_id: int) -> None:
    asked: dict[str, str] = {}
    for plan in rule.scans:
        path, after_id = f"{rule.name}/{plan.name}", asked.get(plan.after or "")
        ask_for = partial(_ask, database, plan, event_id, path, after_id)
        if scan_id := _unless_refused(database, ask_for, "alert", alert_id, rule=path):
            asked[plan.name] = scan_id


def _unless_refused(
    database: Database, step: Callable[[], Result], what: str, name: str | int, **details: str
) -> Result | None:
    """Do a step; what is refused, or shows a fault of ours, is noted, and all else goes on."""
    try:
        return step()
    except StoreError:  # the database is away
        raise
    except SkymistError as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001 (one alert must not keep all others from being scanned)
        _log.exception("%s %s", what, name)
        reason = own_fault(error)
    with database.begin() as session:
        log.note(session, WHO, "refused", what, name, reason=reason, **details)
    return None


def _ask(
    database: Database, plan: Plan, event_id: str, rule: str, after_id: str | None = None, instead_id: str | None = None
) -> str:
    scan, _ = ask(
        database, event_id, plan.wish, WHO, cluster=plan.cluster, workers=plan.workers, priority=plan.priority,
        rule=rule, after_id=after_id, instead_id=instead_id, stalled_s=plan.stalled_s,
    )  # fmt: skip
    return scan.id


def _call_off(database: Database, alert_id: int) -> None:
    """Cancel what has not begun for an alert that was retracted."""
    with database.begin() as session:
        query = select(tables.Scan).join(tables.Event, tables.Event.id == tables.Scan.event_id)
        query = query.where(tables.Event.alert_id == alert_id, tables.Scan.state.in_(OPEN), tables.Scan.rule != "")
        for scan in session.scalars(query.with_for_update(of=tables.Scan)):
            scans.cancel(session, scan, WHO)


def fall_back(database: Database, rules: Rules) -> int:
    """Ask for the fallbacks of scans that failed or stall; return for how many."""
    count = 0
    for scan in _stuck(database):
        plan = rules.plan(scan.rule)
        if plan is None or plan.fallback is None:
            continue
        path = f"{scan.rule}/fallback"
        ask_for = partial(_ask, database, plan.fallback, scan.event_id, path, instead_id=scan.id)
        fallback_id = _unless_refused(database, ask_for, "scan", scan.id, rule=path)
        with database.begin() as session:
            record = scans.locked(session, scan.id)
            if fallback_id is None:
                record.stalled_s = None  # it is not asked for again
                continue
            record.fallback_id = fallback_id
            log.note(session, WHO, "fell back", "scan", scan.id, to=fallback_id, state=scan.state)
        count += 1
    return count


def _stuck(database: Database) -> list[tables.Scan]:
    """Return scans of rules without a fallback yet that failed, or in which nothing has moved for too long."""
    query = select(tables.Scan).where(tables.Scan.stalled_s.is_not(None), tables.Scan.fallback_id.is_(None))
    states = ScanState.QUEUED, ScanState.RUNNING, ScanState.FAILED
    with database.read() as session:
        found = session.scalars(query.where(tables.Scan.state.in_(states))).all()
    return [scan for scan in found if scan.state == ScanState.FAILED or _stalls(scan)]


def _stalls(scan: tables.Scan) -> bool:
    return scan.stalled_s is not None and (now() - scan.moved).total_seconds() > scan.stalled_s
