"""Records of every kind, for tests of what the archive says of them."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from skymist.fair.licences import LICENCES
from skymist.fair.record import (
    Access,
    Activity,
    Agent,
    File,
    Quantity,
    Record,
    Relation,
    Site,
    Source,
    Status,
)
from skymist.model.identity import Thing, ivo

KEY = "137840_57034692"
HOME = "https://archive.example.org/public"
COLLABORATION = Agent("IceCube Collaboration", "creator", "organisation")
SITE = Site(
    authority="example.org",
    publisher="Example archive",
    creators=(Agent("Example archive", "creator", "organisation"),),
    contact="archive@example.org",
    home=HOME,
)
EVENT_TIME = "2023-04-16T05:22:26.150000000Z"
MADE = datetime(2023, 4, 16, 5, 30, 1, 250000, tzinfo=UTC)
CHANGED = datetime(2023, 4, 17, 8, tzinfo=UTC)
RELEASED = datetime(2023, 4, 16, 6, tzinfo=UTC)
REQUEST: dict[str, Any] = {
    "event": "ab" * 32, "reconstruction": "track-mpe", "version": "2", "options": {"beta": 0.7, "pulses": "InIce"},
    "levels": [[8, 0], [64, 12], [512, 24]], "cone": None, "seed": 7,
}  # fmt: skip
SCAN = Activity(
    "sky scan with track-mpe 2",
    REQUEST,
    {"skymist": "0.1.0", "numpy": "2.1.3", "healpix-geo": "0.4.2"},
    {"system": "Linux", "processor": "x86_64", "python": "3.11.9"},
    "local",
    datetime(2023, 4, 16, 5, 29, tzinfo=UTC),
    datetime(2023, 4, 16, 5, 30, tzinfo=UTC),
)
NOTICE = Source("0f" * 32, "gcn.notices.icecube.gold_bronze_track_alerts, offset 17", "notice", MADE)
MESSAGE = Source("1e" * 32, "event message", "event", MADE)
MEASURED = (
    Quantity("energy_tev", 127.29, "TeV", "phys.energy", "Most probable energy of the neutrino."),
    Quantity("signalness", 0.34, "", "stat.probability"),
    Quantity("far_per_year", 2.53, "yr-1", "arith.rate"),
    Quantity("stream", "bronze"),
)
FILES = (
    File("map.zarr", "zarr", "application/vnd.zarr", "", "2d" * 32, 812_345, "All cells that were evaluated."),
    File(
        "map multi-order.fits.gz", "fits", "application/gzip", f"{HOME}/files/map.fits.gz", "3c" * 32, 40_001,
        "Probability density, multi-order.",
    ),
    File("map.png", "png", "image/png", f"{HOME}/files/map.png", "4b" * 32, 65_536),
)  # fmt: skip


def page(fragment: str) -> str:
    """Return where a record can be seen."""
    return f"{HOME}/records/{fragment}"


def relation(kind: str, fragment: str, url: bool = True) -> Relation:
    """Return a relation to another record."""
    return Relation(kind, ivo("example.org", fragment), url=page(fragment) if url else "", title=f"Record {fragment}")


def _of(thing: Thing, fragment: str, **values: Any) -> Record:
    told: dict[str, Any] = {
        "title": f"IceCube-230416A: {thing}", "version": "1", "created": MADE, "changed": CHANGED, "site": SITE,
        "description": f"What is known of the high-energy neutrino event IceCube-230416A, as its {thing} tells it.",
        "agents": (COLLABORATION,), "access": Access.OPEN, "released": RELEASED, "url": page(fragment),
        "time": EVENT_TIME, "name": "IceCube-230416A", "event": KEY, "ra": 345.85, "dec": 9.14, "radius_90": 0.6,
        "keywords": ("IceCube", "bronze"), "quantities": MEASURED,
    }  # fmt: skip
    return Record(ivo("example.org", fragment), thing, **{**told, **values})


ALERT = _of(
    Thing.ALERT, KEY, version="2", relations=(
        relation("HasVersion", f"{KEY}_0"), relation("HasVersion", f"{KEY}_1"),
        relation("IsSourceOf", "scan_0123456789abcdef"),
        Relation("IsDocumentedBy", "https://gcn.nasa.gov/circulars/33633", title="GCN Circular 33633"),
        Relation("IsCitedBy", "10.3847/1538-4365/acfa95", "DOI"),
        Relation("References", "2023ApJS..269...25A", "bibcode"),
    ),
)  # fmt: skip
REVISION = _of(
    Thing.REVISION, f"{KEY}_1", sources=(NOTICE,),
    agents=(COLLABORATION, replace(COLLABORATION, part="sender"), Agent("Shift of the archive", "approver")),
    relations=(relation("IsVersionOf", KEY), relation("IsNewVersionOf", f"{KEY}_0")),
)  # fmt: skip
SCANNED = _of(
    Thing.SCAN, "scan_0123456789abcdef", activity=SCAN, sources=(MESSAGE,), ra=None, dec=None, radius_90=None,
    quantities=(Quantity("cells", 12_345, "", "meta.number"), Quantity("complete", True)),
    agents=(*SITE.creators, Agent("Shift of the archive", "requester", identifier="https://orcid.org/0000-0000-0000-0001")),
    relations=(relation("IsDerivedFrom", KEY), relation("IsSourceOf", "map_00112233445566aa", url=False)),
)  # fmt: skip
MAP = _of(
    Thing.MAP, "map_00112233445566aa", doi="10.5072/skymist-map.1", activity=SCAN, sources=(MESSAGE,), files=FILES,
    area_90_deg2=1.31,
    agents=(
        *SITE.creators,
        Agent("Shift of the archive", "requester", identifier="https://orcid.org/0000-0000-0000-0001"),
        Agent("DataCite", "publisher", "organisation", "https://ror.org/04wxnsj81"),
        Agent("skymist", "scanner", "software"),
    ),
    relations=(relation("IsDerivedFrom", "scan_0123456789abcdef", url=False), relation("IsPartOf", KEY)),
)  # fmt: skip

SAMPLES = {
    "alert": ALERT,
    "revision": REVISION,
    "scan": SCANNED,
    "map": MAP,
    "map of a region": replace(MAP, ra=None, dec=None, radius_90=None, area_90_deg2=15_000.0, doi=""),
    "embargoed map": replace(MAP, access=Access.EMBARGOED, released=datetime(2031, 1, 1, tzinfo=UTC)),
    "closed alert": replace(ALERT, access=Access.CLOSED, released=None, url=""),
    "superseded revision": replace(
        REVISION, identifier=ivo("example.org", f"{KEY}_0"), version="0", status=Status.SUPERSEDED,
        relations=(relation("IsVersionOf", KEY), relation("IsPreviousVersionOf", f"{KEY}_1")),
        sources=(NOTICE, MESSAGE),
    ),
    "catalog's revision": replace(
        REVISION, identifier=ivo("example.org", f"{KEY}_icecat-1"), doi="10.5072/x(2)/a;b", name="", keywords=()
    ),
    "retracted alert": replace(
        ALERT, identifier=ivo("example.org", "137841_1"), status=Status.RETRACTED, reason="An air shower.",
        ended=CHANGED, agents=(*ALERT.agents, Agent("Shift of the archive", "retracter")), ra=None, dec=None,
        quantities=(),
    ),
    "withdrawn map": replace(
        MAP, identifier=ivo("example.org", "map_ffeeddccbbaa9988"), status=Status.WITHDRAWN, reason="A wrong geometry.",
        ended=CHANGED, access=Access.CLOSED, doi="",
    ),
    "test revision": replace(
        REVISION, identifier=ivo("example.org", f"test_{KEY}_1"), event=f"test_{KEY}", simulated=True, facility="",
        instrument="",
    ),
    "simulated map": replace(
        MAP, identifier=ivo("example.org", "map_0000000000000001"), simulated=True, event="", doi="",
        site=replace(SITE, licence="CC0-1.0", contact="https://archive.example.org/contact"),
    ),
    "bare alert": Record(
        ivo("example", "1_2"), Thing.ALERT, "Run 1, event 2", "All that is known of it is that it was.", "0",
        datetime(2024, 2, 29), datetime(2024, 3, 1), Site(), (COLLABORATION,),
    ),
}  # fmt: skip
"""One for each way in which records differ."""

_words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=20).filter(
    str.strip
)
_maybe = st.one_of(st.just(""), _words)
_times = st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
_hashes = st.integers(0, 2**256 - 1).map("{:064x}".format)
_numbers = st.floats(allow_nan=False, allow_infinity=False)
_agents = st.builds(
    Agent, _words, st.sampled_from(["sender", "requester", "approver", "retracter", "contact", "publisher", "other"]),
    st.sampled_from(["person", "organisation", "software"]), st.sampled_from(["", "https://orcid.org/0000-0000-0000-0001"]),
)  # fmt: skip
_relations = st.sampled_from([*ALERT.relations, *REVISION.relations, *SCANNED.relations, *MAP.relations])
_files = st.builds(
    File, _words, st.sampled_from(["fits", "png"]), st.just("application/fits"), st.sampled_from(["", f"{HOME}/f"]),
    _hashes, st.integers(0, 2**50), _maybe,
)  # fmt: skip
_quantities = st.builds(Quantity, _words, st.one_of(_numbers, _words, st.booleans(), st.integers()), _maybe, _maybe)
_activities = st.builds(
    Activity, _words, st.dictionaries(_words, st.one_of(st.none(), _numbers, _words, st.lists(_numbers)), max_size=3),
    st.dictionaries(_words, _words, max_size=2), st.dictionaries(_words, _words, max_size=2), _maybe, st.none(), _times,
)  # fmt: skip


@st.composite
def records(draw: st.DrawFn) -> Record:
    """Return any record that can be."""

    def few(strategy: st.SearchStrategy[Any]) -> tuple[Any, ...]:
        return tuple(draw(st.lists(strategy, max_size=2)))

    has_place = draw(st.booleans())
    return Record(
        ivo("example.org", draw(st.from_regex(r"[a-z]{3}_[0-9]{1,9}", fullmatch=True))), draw(st.sampled_from(Thing)),
        draw(_words), draw(_words), draw(_maybe), draw(_times), draw(_times),
        replace(SITE, licence=draw(st.sampled_from(sorted(LICENCES)))), (COLLABORATION, *few(_agents)),
        status=draw(st.sampled_from(Status)), reason=draw(_maybe), ended=draw(st.one_of(st.none(), _times)),
        access=draw(st.sampled_from(Access)),
        released=draw(st.one_of(st.none(), _times)), url=draw(st.sampled_from(["", HOME])),
        time=draw(st.sampled_from(["", EVENT_TIME])),
        ra=draw(st.floats(0, 360)) if has_place else None, dec=draw(st.floats(-90, 90)) if has_place else None,
        radius_90=draw(st.one_of(st.none(), st.floats(1e-3, 180))),
        area_90_deg2=draw(st.one_of(st.none(), st.floats(1e-6, 41_253))),
        quantities=few(_quantities), files=few(_files), relations=few(_relations),
        sources=few(st.builds(Source, _hashes, _words, st.sampled_from(["notice", "event"]), _times)),
        activity=draw(st.one_of(st.none(), _activities)), simulated=draw(st.booleans()), keywords=few(_words),
        name=draw(_maybe), event=draw(st.sampled_from(["", KEY])),
    )  # fmt: skip
