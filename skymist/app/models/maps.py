"""The maps of an alert: which of them are looked at, how, and what they show there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import param

from skymist.app.models import angles
from skymist.app.models.places import read_position
from skymist.app.models.shelf import SHELF, Kept, Shelf, state_of
from skymist.client.service import Client
from skymist.errors import RequestError, SkymistError
from skymist.model import sky
from skymist.model.alert import Revision
from skymist.plot import captions
from skymist.plot.frames import FRAMES, Frame, Plane, frame_of
from skymist.plot.interactive import scenes
from skymist.plot.interactive.scenes import Line, Onto, OntoPlane, OntoSky, Scene, Spot
from skymist.plot.view import SHOWN, View
from skymist.plot.zoom import plane_of
from skymist.workflow.maps import usual_calibration

MOST = 3
"""Maps side by side."""
LABELLED = 6
"""Sources whose names are written into the map; the cursor tells those of the others."""
_NARROWEST = np.radians(0.05)
_STEP = 1.6


@dataclass(frozen=True)
class Told:
    """Where revisions of an alert said that the source is.

    Attributes
    ----------
    name, words : str
    place : (float, float, float)
        Right ascension, declination, and radius of the circle with 90 %; degrees.
    """

    name: str
    words: str
    place: tuple[float, float, float]


class Maps(param.Parameterized):
    """What is looked at of the maps of an alert.

    Methods ask the service and draw, which takes a while: they are called in threads.

    Parameters
    ----------
    client : Client
    alert : dict
        As ``GET /v1/alerts/NAME`` answers.
    found : sequence of dict
        Its scans, the latest first, as ``GET /v1/scans`` lists them.
    angles_in : {"deg", "hms", "galactic", "local"}
        How the person sees positions.
    shelf : Shelf
    """

    scan = param.String(doc="First digits of the id of the scan whose map is shown")
    others = param.List(item_type=str, doc="The same of those beside it")
    difference = param.Boolean(False, doc="Whether the first map minus the second is shown, too")
    calibration = param.String(doc="Of the regions; empty for the usual one of the first map")
    show: Any = param.Selector(default="ts", objects=list(SHOWN), doc="What colours mean")
    frame: Any = param.Selector(default="equatorial", objects=list(FRAMES), doc="Of the whole sky")
    notices = param.Boolean(True, doc="Whether the regions that notices told are shown")

    def __init__(
        self,
        client: Client,
        alert: dict[str, Any],
        found: Sequence[dict[str, Any]],
        angles_in: str = "deg",
        shelf: Shelf = SHELF,
        **more: Any,
    ) -> None:
        super().__init__(**{"frame": {"galactic": "galactic", "local": "local"}.get(angles_in, "equatorial"), **more})
        self.client, self.alert, self.angles, self.shelf = client, alert, angles_in, shelf
        self.found = [dict(each) for each in found]
        self.plane: Plane | None = None
        self.moved = self.by_hand = False  # whether somebody chose the part of the sky, and the scan
        self.sources: list[dict[str, Any]] = []
        self.picked = ""  # the id of the source that somebody points at
        self.place: tuple[float, float, str] | None = None
        self._kept: dict[str, Kept] = {}
        self._rows: dict[tuple[Any, ...], dict[str, Any]] = {}

    def choices(self) -> dict[str, str]:
        """Return the scans that may have a map, by how people call them: the id's first digits."""
        there = [each for each in self.found if each["state"] != "waiting" and each["state"] != "queued"]
        return {name_of(each): each["id"][:12] for each in there}

    def take(self, alert: dict[str, Any], found: Sequence[dict[str, Any]]) -> bool:
        """Take what is known by now; return whether another map is to be shown than before."""
        before = {each["id"][:12]: state_of(each) for each in self.found}
        told = self.circles()
        self.alert, self.found = alert, [dict(each) for each in found]
        now = {each["id"][:12]: state_of(each) for each in self.found}
        latest = next((each["id"][:12] for each in self.found if each["state"] == "complete"), self.scan)
        if not self.by_hand and latest != self.scan:
            self.scan = ""
            return True
        changed = any(now.get(each) != before.get(each) for each in self.chosen)
        return changed or self.circles() != told or (not self._kept and now != before)

    @property
    def chosen(self) -> list[str]:
        """The scans whose maps are shown, the first being the one that all else is said of."""
        return list(dict.fromkeys([each for each in (self.scan, *self.others) if each]))[:MOST]

    def load(self) -> None:
        """Bring the maps; those that were chosen before and have none are given up.

        Raises
        ------
        RequestError
            If the scan that was asked for has no map.
        """
        known = {each["id"][:12]: each for each in self.found}
        self.by_hand = self.scan in known and (self.by_hand or not self._kept)
        if self.scan not in known:
            self.scan = self._first()
        self._kept = {name: self.shelf.get(self.client.get_scan(known[name]["id"])) for name in self.chosen[:1]}
        for name in self.chosen[1:]:
            if name in known:
                self._kept[name] = self.shelf.get(self.client.get_scan(known[name]["id"]))
        fitting = self.calibrations()
        if self.calibration not in fitting and self._kept:
            usual = usual_calibration(self.first.data)
            self.calibration = usual if usual in fitting else fitting[0]
        if not self.moved:
            self.home()

    def _first(self) -> str:
        """Return the latest complete scan, else the latest that goes on; nothing if there is none."""
        for states in (("complete",), ("running", "cancelled", "failed")):
            for each in self.found:
                if each["state"] in states and (states == ("complete",) or self._has_map(each)):
                    return str(each["id"][:12])
        return ""

    def _has_map(self, document: Mapping[str, Any]) -> bool:
        try:
            self.shelf.get(self.client.get_scan(document["id"]))
        except SkymistError:  # it has only just begun
            return False
        return True

    @property
    def ready(self) -> bool:
        """Whether there is a map to show."""
        return bool(self._kept)

    @property
    def there(self) -> list[str]:
        """The scans whose maps are here, the first one first."""
        return list(self._kept)

    @property
    def document(self) -> dict[str, Any]:
        """What is known of the scan of the first map."""
        return next(each for each in self.found if each["id"].startswith(self.there[0]))

    @property
    def first(self) -> Kept:
        """The map that all else is said of."""
        return next(iter(self._kept.values()))

    def views(self) -> list[View]:
        """Return what is drawn of the maps."""
        return [each.view(self.calibration) for each in self._kept.values()]

    def names(self) -> list[str]:
        """Return how the maps are called, which is different for each."""
        known = {each["id"][:12]: each for each in self.found}
        names = [reconstruction_of(known[each]) for each in self._kept]
        return [f"{name} {digits[:6]}" if names.count(name) > 1 else name
                for name, digits in zip(names, self._kept, strict=True)]  # fmt: skip

    def calibrations(self) -> list[str]:
        """Return the calibrations that all of the maps have."""
        found: list[list[str]] = []
        for name in self._kept:
            rows = self.regions(name)["calibrations"]
            found.append(list(dict.fromkeys(row["calibration"] for row in rows)))
        return [each for each in (found or [[]])[0] if all(each in other for other in found)]

    def regions(self, scan: str = "") -> dict[str, Any]:
        """Return what the service says of the regions of a map, by all calibrations; that of the first map."""
        name = scan or next(iter(self._kept))
        known = {each["id"][:12]: each for each in self.found}
        key = (*state_of(known[name]),)
        if key not in self._rows:
            self._rows[key] = self.client.get_scan(known[name]["id"]).regions()
        return self._rows[key]

    def home(self) -> None:
        """Look at the surroundings of the best fits; without a map, of what was told last."""
        self.moved = False
        if self.ready:
            views = self.views()
            planes = [_fine(plane_of(view)) for view in views]
            self.plane = scenes.plane_of_all(views, planes)
        elif told := self.circles():
            ra, dec, radius = np.radians(told[-1].place)
            size = float(np.clip(1.25 * radius, _NARROWEST, scenes.WIDEST))
            self.plane = Plane(float(ra), float(dec), size, scenes.PIXELS)

    def look_at(self, ra: float, dec: float, size: float | None = None) -> None:
        """Look at another part of the sky.

        Parameters
        ----------
        ra, dec : float
            Of its middle, radians.
        size : float, optional
            Half a side, radians; as before if not given.
        """
        wide = self._plane().size if size is None else size
        self.plane = Plane(ra, dec, float(np.clip(wide, _NARROWEST, scenes.WIDEST)), scenes.PIXELS)
        self.moved = True

    def closer(self, steps: float) -> None:
        """Look at a smaller part of the sky, or a larger one if `steps` is negative."""
        plane = self._plane()
        self.look_at(plane.ra, plane.dec, plane.size / _STEP**steps)

    def look_within(self, left: float, right: float, low: float, high: float) -> bool:
        """Look at a part of the view, in degrees of the plane; return whether that is another part than before."""
        plane = self._plane()
        half = np.degrees(plane.size)
        x, y, size = (left + right) / 2, (low + high) / 2, max(right - left, high - low) / 2
        if max(abs(x), abs(y), abs(size - half)) < 1e-3 * half:
            return False
        at = [each / np.degrees(plane.step) + (plane.pixels - 1) / 2 for each in (x, y)]
        ra, dec = (float(angle) for angle in plane.to_sky(*at))
        if not np.isfinite(ra):
            return False
        self.look_at(ra, dec, float(np.radians(size)))
        return True

    def look_on_sky(self, x: float, y: float) -> bool:
        """Look around a point of the Hammer ellipse; return whether there is sky."""
        ra, dec = (float(angle) for angle in self._frame().from_hammer(np.asarray(x), np.asarray(y)))
        if np.isfinite(ra):
            self.look_at(ra, dec)
        return bool(np.isfinite(ra))

    def _plane(self) -> Plane:
        if self.plane is None:
            raise RequestError("there is no map yet to look at")
        return self.plane

    def zooms(self) -> list[tuple[str, Scene]]:
        """Return what is shown around the position that is looked at, map by map, and what each is called."""
        plane, views, names = self._plane(), self.views(), self.names()
        if not views:
            return [("no map yet", scenes.bare_plane(plane))]
        top = max(scenes.scale_top(view, plane, self.show) for view in views)
        shown = [(name, scenes.of_plane(view, plane, self.show, top))
                 for name, view in zip(names, views, strict=True)]  # fmt: skip
        if self.difference and len(views) == 2:
            both = names[0], names[1]
            shown.append((f"{names[0]} − {names[1]}", scenes.of_difference(views[0], views[1], plane, both)))
        return shown

    def whole(self) -> Scene:
        """Return the whole sky of the first map, or of none."""
        return scenes.of_sky(self.views()[0], self._frame()) if self.ready else scenes.bare_sky(self._frame())

    def over_zoom(self) -> tuple[list[Line], list[Spot]]:
        """Return what lies over the surroundings and changes more often: notices, sources and the place asked for."""
        return self._over(OntoPlane(self._plane()))

    def over_whole(self) -> tuple[list[Line], list[Spot]]:
        """Return the same for the whole sky, with the outline of what the zoom shows; sources have no names there."""
        onto = OntoSky(self._frame())
        lines, spots = self._over(onto)
        field = Line("field", "what the zoom shows", onto.curve([scenes.edge_of(self._plane())]))
        bare = [Spot(each.kind, each.name, each.x, each.y, "") for each in spots]
        return [*lines, field], bare

    def _frame(self) -> Frame:
        name = self.frame if self.frame != "local" or self._site else "equatorial"
        return frame_of(name, self._site)

    @property
    def _site(self) -> dict[str, Any]:
        """What tells where the detector was at the time of the event; nothing without a map that says it."""
        if not self.ready or "latitude_deg" not in self.first.data.attrs.get("detector", {}):
            return {}
        return dict(self.first.data.attrs)

    def _over(self, onto: Onto) -> tuple[list[Line], list[Spot]]:
        lines, spots = [], []
        for each in self.circles() if self.notices else ():
            lines.append(Line("notice", each.words, onto.curve([scenes.circle_of(*each.place)])))
            spots.append(Spot("notice", each.words, *onto.place(*np.radians(each.place[:2])), each.name))
        for at, source in enumerate(self.sources):
            picked = source["id"] == self.picked
            where = onto.place(*np.radians([source["ra"], source["dec"]]))
            label = source["name"] if picked or at < LABELLED else ""
            kind = "picked" if picked else "source"
            spots.append(Spot(kind, f"{source['name']} ({source['title']})", *where, label))
        spots += [] if self.ready else self._bodies(onto)
        if self.place is not None:
            ra, dec, name = self.place
            spots.append(Spot("place", name, *onto.place(*np.radians([ra, dec])), name))
        return lines, [spot for spot in spots if np.isfinite(spot.x)]

    def _bodies(self, onto: Onto) -> list[Spot]:
        """Return Sun and Moon; of a map they are in its own scene."""
        time = angles.moment(self.alert.get("time"))
        bodies = {} if time is None else {"Sun": sky.sun(time), "Moon": sky.moon(time)}
        return [Spot(name.lower(), name, *onto.place(*place), name) for name, place in bodies.items()]

    def turns(self) -> dict[str, list[list[float]]]:
        """Return the rotations from ICRS to other frames, by their names: ``local`` if the map says where that is."""
        names = ("galactic", "local") if self._site else ("galactic",)
        return {name: scenes.turn_of(frame_of(name, self._site)).tolist() for name in names}

    def circles(self) -> list[Told]:
        """Return what revisions told of the position, each other circle once."""
        found: dict[tuple[float, ...], Told] = {}
        for number, each in enumerate(self.alert.get("revisions", [])):
            said = Revision.from_dict(each["content"])
            if said.ra is None or said.dec is None or not said.circle_90:
                continue
            name = said.catalog or f"revision {number if said.number is None else said.number}"
            where = angles.position(said.ra, said.dec, self.angles, self.alert.get("time"))
            place = (said.ra, said.dec, said.circle_90)
            before = found.get(place)
            name = name if before is None else f"{before.name}, {name}"
            found[place] = Told(name, f"{name}: {where}, 90 % within {angles.radius(said.circle_90)}", place)
        return list(found.values())

    def compared(self) -> dict[str, Any] | None:
        """Return what the service says of the difference of the first two maps, if there are two."""
        known = {each["id"][:12]: each["id"] for each in self.found}
        if len(self._kept) < 2:
            return None
        first, second, *_ = self._kept
        return self.client.get_scan(known[first]).difference(known[second], self.calibration)

    def locate(self, text: str) -> dict[str, Any] | None:
        """Mark a position, and return what the first map says of it; None if there is no map yet.

        Parameters
        ----------
        text : str
            Degrees, hours and degrees, or the name of a source.

        Raises
        ------
        RequestError
            If it is no position.
        """
        known = {each["name"].casefold(): (each["ra"], each["dec"]) for each in self.sources}
        ra, dec = known.get(text.strip().casefold()) or read_position(text, [each["name"] for each in self.sources])
        answer = None
        if self.ready:
            answer = dict(self.client.get_scan(self.document["id"]).position(ra, dec, self.calibration)["position"])
        self.place = (ra, dec, text.strip())
        return answer

    def look_at_place(self) -> bool:
        """Look at the position that was asked for, if it is not in view; return whether that was so."""
        if self.place is None or self.plane is None:
            return False
        ra, dec = np.radians(self.place[:2])
        if self.plane.holds(ra, dec):
            return False
        self.look_at(float(ra), float(dec))
        return True

    def caption(self) -> str:
        """Return what is shown, for readers who do not see it."""
        if not self.ready:
            told = "; ".join(each.words for each in self.circles())
            return f"There is no map yet. Told so far: {told or 'no position'}."
        views, names = self.views(), self.names()
        told = captions.map_caption("zoom", views[0])
        others = [f"Beside it {name}: {captions.map_caption('zoom', view)}"
                  for name, view in zip(names[1:], views[1:], strict=True)]  # fmt: skip
        return " ".join([told, *others])


def _fine(plane: Plane) -> Plane:
    return Plane(plane.ra, plane.dec, plane.size, scenes.PIXELS)


def reconstruction_of(document: Mapping[str, Any]) -> str:
    """Return which reconstruction a scan runs."""
    return str((document.get("request") or {}).get("reconstruction") or document["id"][:6])


def name_of(document: Mapping[str, Any]) -> str:
    """Return how people call a scan: reconstruction, cells, when, its state if it is not complete, and its id."""
    levels = (document.get("request") or {}).get("levels") or []
    finest = f", nside {levels[-1][0]}" if levels else ""
    when = angles.utc(document.get("finished") or document.get("started") or document.get("created"))[:16]
    state = "" if document["state"] == "complete" else f", {document['state']}"
    return f"{reconstruction_of(document)}{finest}{state}, {when} UTC, {document['id'][:6]}"
