"""What the page of one alert knows and does."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import param

from skymist.app.models import angles
from skymist.app.models.timeline import Timeline, person
from skymist.errors import RequestError
from skymist.model.latency import size
from skymist.model.region import DEFAULT_CALIBRATION

if TYPE_CHECKING:
    from skymist.client.service import Client

Json = dict[str, Any]
ROLES = "viewer", "analyst", "approver", "operator"
ENDED = "complete", "failed", "cancelled"

CURRENT_WORDS = {
    "current": "real, current", "archival": "real, archival", "planned": "planned", "injection": "injected",
    "commanded": "commanded", "test": "test",
}  # fmt: skip
"""Of tenses, as badges say them."""


@dataclass(frozen=True)
class Action:
    """Something that a person may do with the alert, as it is now.

    Attributes
    ----------
    name : str
        draft, open, scan, retract, release or withdraw.
    label : str
        Of its button.
    href : str
        Where it leads, if that is all it does.
    """

    name: str
    label: str
    href: str = ""


class AlertView(param.Parameterized):
    """One alert, as a person sees it; `load` asks the service for all, `refresh` for what is new.

    Parameters
    ----------
    client : skymist.client.service.Client
    called : str
        Any name of the alert.
    role : str
        Its world: observation, prediction or test.
    access : str
        Role of the person who looks.
    angles : str
        How positions are written.
    """

    alert = param.Dict(default={}, doc="As GET /v1/alerts/NAME answers; empty until it is loaded")
    scans = param.List(default=[], doc="As GET /v1/scans?alert=NAME answers, the latest first")
    circulars = param.List(default=[], doc="Its circulars, the latest first, without those that were withdrawn")
    record = param.Dict(default={}, doc="As GET /v1/records/FRAGMENT answers")
    files = param.List(default=[], doc="As GET /v1/alerts/NAME/files answers; empty until `load_files`")
    calibration = param.String(default=DEFAULT_CALIBRATION, doc="Of the regions in files")
    before = param.String(default="", doc="Name of the alert before this one in time")
    after = param.String(default="", doc="Name of the alert after this one in time")

    def __init__(self, client: "Client", called: str, role: str = "observation", *, access: str = "viewer",
                 angles: str = "deg") -> None:  # fmt: skip
        super().__init__()
        self.client, self.called, self.role, self.access, self.angles = client, called, role, access, angles
        self.timeline = Timeline()

    # --- what the service knows

    def load(self) -> None:
        """Ask for everything that the page shows at once.

        Raises
        ------
        RequestError
            If there is no such alert; the message names some that there are.
        """
        if not self.called:
            raise RequestError("no alert is named: /alert?name=NAME&role=observation shows one, /alerts lists all")
        told = self.client.timeline(self.called, role=self.role)
        self._take(self.client.alert(self.called, role=self.role))
        self.timeline.told = told
        self.before, self.after = self._neighbours()

    def refresh(self) -> bool:
        """Ask for what is new, and return whether there is anything."""
        if not self.alert:
            return False
        told = self.client.timeline(self.called, role=self.role)
        if told == self.timeline.told:
            return self._follow()
        self._take(self.client.alert(self.called, role=self.role))
        self.timeline.told = told
        if self.files:
            self.load_files()
        return True

    def load_files(self) -> None:
        """Ask for the list of files."""
        self.files = [*self.client.files(self.called, role=self.role)]

    def _take(self, alert: Json) -> None:
        """Take over an alert, and all that belongs to it."""
        name = alert["name"]
        circulars = self._circulars(name)
        with param.parameterized.batch_call_watchers(self):
            self.scans = self._scans(name)
            self.circulars = circulars
            self.record = self.client.archive.record(alert["record"])
            self.alert = alert

    def _scans(self, name: str) -> list[Json]:
        found = self.client.scans(alert=name, role=self.role, limit=100)
        return [each.document for each in found]

    def _circulars(self, name: str) -> list[Json]:
        found = self.client.circulars.find(alert=name, role=self.role)
        return [each for each in found if each["state"] != "withdrawn"]

    def _follow(self) -> bool:
        """Look how far scans are, if any has not ended."""
        if all(each["state"] in ENDED for each in self.scans):
            return False
        scans = self._scans(self.alert["name"])
        if scans == self.scans:
            return False
        self.scans = scans
        return True

    def _neighbours(self) -> tuple[str, str]:
        """Return the names of the alerts before and after this one, empty where there is none."""
        time, name = self.alert["time"], self.alert["name"]
        moment = datetime.fromisoformat(f"{time[:26].rstrip('Z')}+00:00")
        here, past = moment.astimezone(UTC).isoformat(), (moment + timedelta(microseconds=1)).isoformat()
        earlier = self.client.alerts(role=self.role, sort="-time", until=past, limit=5)
        later = self.client.alerts(role=self.role, sort="time", since=here, limit=5)
        own = time, name
        return (
            next((each["name"] for each in islice(earlier, 5) if (each["time"], each["name"]) < own), ""),
            next((each["name"] for each in islice(later, 5) if (each["time"], each["name"]) > own), ""),
        )

    # --- what it does

    def may(self, role: str) -> bool:
        """Return whether this person may do what a role may."""
        return ROLES.index(self.access) >= ROLES.index(role)

    @property
    def actions(self) -> list[Action]:
        """What this person can do now, the most important first: nothing that the service would refuse."""
        found = self._circular_actions()
        if self.may("analyst") and self.alert.get("events"):
            found.append(Action("scan", "New scan"))
        if self.may("approver") and self.alert and not self.alert["retracted"]:
            found.append(Action("retract", "Retract"))
        if self.may("approver") and self.record and self.role == "observation":
            released = self.record["released"] is not None and self.record["withdrawn"] is None
            words = "Withdraw from the public" if released else "Release to the public"
            found.append(Action("withdraw" if released else "release", words))
        return found

    def _circular_actions(self) -> list[Action]:
        """Return the ways to circulars: to the one at hand, and to the next if all are sent."""
        found = [Action("open", "Open circular", f"/circular?id={each['id']}") for each in self.circulars[:1]]
        if not self.alert or not self.may("analyst") or self._at_hand:
            return found
        if not self.circulars:
            return [Action("draft", "Draft circular")]
        if self.alert["retracted"] and self.circulars[0]["template"] != "retraction":
            return [Action("draft", "Draft retraction"), *found]
        return [*found, Action("draft", "Draft update")]

    @property
    def _at_hand(self) -> Json | None:
        """The latest circular that is not sent yet."""
        return next((each for each in self.circulars if each["state"] != "sent"), None)

    def draft(self) -> str:
        """Draft a circular, and return the address of its page; if one is at hand that is not sent, of that."""
        self.circulars = self._circulars(self.alert["name"])  # somebody else may have drafted one in the meantime
        made = self._at_hand or self.client.circulars.draft(self.alert["name"], role=self.role)
        self.refresh()
        return f"/circular?id={made['id']}"

    def retract(self, reason: str) -> None:
        """Take the alert back.

        Raises
        ------
        RequestError
            If no reason is given.
        """
        if not reason.strip():
            raise RequestError("a retraction needs a reason, in words, which all who read the alert will see")
        self.client.retract(self.alert["name"], reason.strip(), role=self.role)
        self.refresh()

    def release(self, at: str = "") -> None:
        """Make the alert public, now or from a time on (UTC, ``2026-01-01 12:00``).

        Raises
        ------
        RequestError
            If that is no time.
        """
        self.client.archive.release(self.alert["record"], _moment(at) if at.strip() else None)
        self.refresh()

    def withdraw(self, reason: str) -> None:
        """Make the alert private again.

        Raises
        ------
        RequestError
            If no reason is given.
        """
        if not reason.strip():
            raise RequestError("a record is withdrawn for a reason, in words, which its tombstone tells")
        self.client.archive.withdraw(self.alert["record"], reason.strip())
        self.refresh()

    # --- how it is shown

    @property
    def address(self) -> str:
        """Of this page, for everybody and for ever: by RUN_EVENT, which no renaming changes."""
        return address_of(f"{self.alert['run']}_{self.alert['event']}" if self.alert else self.called, self.role)

    @property
    def head(self) -> Json:
        """What stands at the top of the page, in words."""
        if not self.alert:
            return {}
        said = self.alert
        return {
            "name": said["name"], "aliases": said["aliases"], "stream": said["stream"], "role": said["role"],
            "tense": CURRENT_WORDS.get(said["current"]["tense"], said["current"]["tense"]),
            "retraction": self.retraction, "facts": self.facts, "doubts": said["doubts"],
            "scans": self.scan_words, "circulars": [_circular_words(each) for each in self.circulars],
            "release": release_words(self.record), "address": self.address,
            "before": self._neighbour(self.before), "after": self._neighbour(self.after),
        }  # fmt: skip

    def _neighbour(self, name: str) -> Json:
        return {"name": name, "href": address_of(name, self.role)} if name else {}

    @property
    def retraction(self) -> str:
        """Why, by whom and when it was retracted; empty if it is not."""
        if not self.alert["retracted"]:
            return ""
        steps = [each for each in self.timeline.told.get("steps", ()) if each["kind"] == "retraction"]
        who = f" by {person(steps[-1]['who'])}, {angles.utc(steps[-1]['time'])} UTC" if steps else ""
        reason = self.alert["current"].get("comment", "")
        return f"Retracted{who}: {reason or 'no reason was given'}"

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What is known of the event, with units."""
        said = self.alert
        far = angles.far(said["far_per_year"])
        rare = angles.far_in_words(said["far_per_year"])
        return [
            ("Time (UTC)", f"{angles.utc(said['time'])}, {angles.age(said['time'])} ago"),
            ("Run / event", f"{said['run']} / {said['event']}"),
            (angles.names(self.angles), angles.position(said["ra"], said["dec"], self.angles, said["time"])),
            ("Error with 90 %", self.errors),
            ("Energy", angles.energy(said["energy_tev"])),
            ("Signalness", angles.share(said["signalness"])),
            ("False alarms", far if rare == angles.UNKNOWN else f"{far} ({rare})"),
        ]

    @property
    def errors(self) -> str:
        """The 90 % errors as last told, in degrees of RA and Dec; else the radius of the circle."""
        told = [each["content"] for each in self.alert["revisions"] if each["content"].get("ra") is not None]
        if told and (found := told[-1].get("errors_90")):
            east, west, north, south = (f"{each:g}°" for each in found)
            return f"RA +{east} −{west}, Dec +{north} −{south}"
        radius = angles.radius(self.alert["radius_90"])
        return radius if radius == angles.UNKNOWN else f"{radius} radius"

    @property
    def scan_words(self) -> list[Json]:
        """The scans in words, the latest first."""
        return [_scan_words(each) for each in self.scans]

    @property
    def groups(self) -> list[Json]:
        """Files by what they belong to, with sizes and links."""
        return grouped(self.files, self.calibration)


def address_of(name: str, role: str) -> str:
    """Return the address of the page of an alert."""
    return f"/alert?{urlencode({'name': name, 'role': role})}"


def _moment(text: str) -> str:
    """Return a time as the service takes it."""
    try:
        read = datetime.fromisoformat(text.strip().removesuffix("UTC").strip().replace("Z", "+00:00"))
    except ValueError:
        raise RequestError(f"{text.strip()[:40]!r} is no time: write it as 2026-01-01 12:00, UTC") from None
    return (read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)).isoformat()


def _scan_words(scan: Mapping[str, Any]) -> Json:
    """Return a scan in words."""
    words = scan["state"]
    progress = scan["progress"]
    if words == "running" and progress and progress["total"]:
        words = f"running, {progress['done'] / progress['total']:.0%}"
        words += f", {size(progress['eta'])} left" if progress.get("eta") else ""
    if words == "failed":
        words = f"failed: {scan['error']}"
    if scan["wanted"] and scan["state"] == "running":
        words = "is being cancelled"
    return {
        "id": scan["id"], "href": f"/scan?id={scan['id']}", "state": scan["state"], "words": words,
        "label": f"{scan['id'][:8]} {scan['request']['reconstruction']}", "by": scan["rule"] or "a person",
    }  # fmt: skip


def _circular_words(found: Mapping[str, Any]) -> Json:
    words = f"sent as {found['number']}" if found["number"] else str(found["state"])
    words += f": {found['error']}" if found["error"] else ""
    by = f", approved by {found['approver']}" if found["approver"] and found["state"] != "sent" else ""
    return {"href": f"/circular?id={found['id']}", "label": f"{found['template']} {found['id']}", "words": words + by}


def release_words(record: Mapping[str, Any]) -> str:
    """Return how a record stands to the world."""
    if record["public"]:
        return f"public since {angles.utc(record['shown_from'])} UTC"
    if record["withdrawn"]:
        return f"withdrawn from the public on {angles.utc(record['withdrawn'])} UTC: {record['reason']}"
    if record["shown_from"]:
        return f"public from {angles.utc(record['shown_from'])} UTC on"
    return "not public"


GROUPS = {"scan": "Sky maps", "event": "Event files", "notice": "Notices", "record": "Records of the archive"}
"""Groups of files, in their order."""


def grouped(files: Iterable[Mapping[str, Any]], calibration: str = DEFAULT_CALIBRATION) -> list[Json]:
    """Return files by group and thing: ``title`` and ``things``, each with a ``label`` and ``files``.

    Parameters
    ----------
    files : iterable of mapping
        As ``GET /v1/alerts/NAME/files`` answers.
    calibration : str
        Of the regions in files of maps; the sizes of kept files are those of the default.
    """
    sections: dict[str, dict[str, list[Json]]] = {group: {} for group in GROUPS}
    labels: dict[str, str] = {}
    for each in files:
        labels[each["of"]] = each["label"]
        sections[each["group"]].setdefault(each["of"], []).append(_file(each, calibration))
    return [
        {"title": GROUPS[group], "things": [{"label": labels[of], "files": some} for of, some in things.items()]}
        for group, things in sections.items() if things
    ]  # fmt: skip


def _file(said: Mapping[str, Any], calibration: str) -> Json:
    other = said["calibrated"] and calibration != DEFAULT_CALIBRATION
    made = said["size"] is None or other
    url = f"{said['url']}&calibration={calibration}" if other else said["url"]
    return {
        "format": said["format"], "about": said["about"], "name": said["name"], "url": url,
        "size": "made on request" if made else bytes_in_words(said["size"]),
    }  # fmt: skip


def bytes_in_words(number: int) -> str:
    """Return a number of bytes in the unit that people would choose.

    Examples
    --------
    >>> bytes_in_words(312), bytes_in_words(14_653), bytes_in_words(2_500_000)
    ('312 B', '14.7 kB', '2.5 MB')
    """
    value = float(number)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"
