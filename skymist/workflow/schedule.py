"""What begins by itself: scans of alerts by rule, fallbacks of scans that stall, and what waited for another."""

from sqlalchemy import select

from skymist.errors import SkymistError
from skymist.records import Database, alerts, log, scans, tables
from skymist.records.tables import ScanState, now
from skymist.workflow.rules import Plan, Rule, Rules
from skymist.workflow.service import ask

WHO = "workflow"
OPEN = (ScanState.WAITING, ScanState.QUEUED)


def schedule(database: Database, rules: Rules) -> int:
    """Ask for the scans of all alerts of which something new is known; return how many alerts that were.

    What is asked for follows from the records alone, so that being killed in the middle changes nothing.
    """
    with database.read() as session:
        due = [(each.id, each.changed) for each in session.scalars(select(tables.Alert).where(tables.Alert.due))]
    for alert_id, changed in due:
        _schedule_one(database, rules, alert_id)
        with database.begin() as session:
            alert = session.get_one(tables.Alert, alert_id, with_for_update=True)
            alert.due = alert.changed != changed  # it came while we looked
    return len(due)


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
        try:
            asked[plan.name] = _ask(database, plan, event_id, f"{rule.name}/{plan.name}", asked.get(plan.after or ""))
        except SkymistError as error:
            with database.begin() as session:
                log.note(session, WHO, "refused", "alert", alert_id, rule=f"{rule.name}/{plan.name}", reason=str(error))


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
        fallback_id = _ask(database, plan.fallback, scan.event_id, f"{scan.rule}/fallback", instead_id=scan.id)
        with database.begin() as session:
            scans.get(session, scan.id).fallback_id = fallback_id
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
