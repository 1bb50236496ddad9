"""ObsCore 1.1: a row of the table in which all archives of the Virtual Observatory can be searched at once.

Reference: https://www.ivoa.net/documents/ObsCore/20170509. The detector sees the whole sky all the time, and what it
sees is no light, so some columns need a decision:

- ``s_ra``, ``s_dec``, ``s_fov`` and ``s_region`` are the circle that holds the source with 90 %: whoever searches for
  what there is at a place means that, not what the detector could have seen. ``s_resolution`` is its radius.
- ``em_min`` and ``em_max`` are null. They are vacuum wavelengths of light, and a neutrino has none: an energy converted
  by E = hc / wavelength would have it found by everyone who asks for gamma rays. The energy is in the record's other
  forms; the extension of ObsCore for high energies that is being drafted has columns of their own for energies.
- ``t_min`` is ``t_max``: one moment. There is no exposure.
- All records are of level 4, the results of an analysis. Maps are images, of HEALPix cells: ``s_xel1`` and ``s_xel2``,
  which count along two axes, are null. Alerts, their revisions and scans are measurements.
"""

import math
from typing import NamedTuple

import numpy as np

from skymist.fair.record import Record
from skymist.model.identity import Thing

Value = str | int | float | None


class Column(NamedTuple):
    """A column of the table ``ivoa.ObsCore``.

    Attributes
    ----------
    name : str
    datatype : str
        Of VOTable: ``char`` (any number of them), ``int``, ``long`` or ``double``.
    unit, ucd : str
    utype : str
        Within ``obscore:``.
    """

    name: str
    datatype: str
    unit: str
    ucd: str
    utype: str


_SPACE, _TIME, _LIGHT = "Char.SpatialAxis", "Char.TimeAxis", "Char.SpectralAxis"
COLUMNS = (
    Column("dataproduct_type", "char", "", "meta.code.class", "ObsDataset.dataProductType"),
    Column("calib_level", "int", "", "meta.code;obs.calib", "ObsDataset.calibLevel"),
    Column("obs_collection", "char", "", "meta.id", "DataID.collection"),
    Column("obs_id", "char", "", "meta.id", "DataID.observationID"),
    Column("obs_publisher_did", "char", "", "meta.ref.ivoid", "Curation.publisherDID"),
    Column("access_url", "char", "", "meta.ref.url", "Access.reference"),
    Column("access_format", "char", "", "meta.code.mime", "Access.format"),
    Column("access_estsize", "long", "kbyte", "phys.size;meta.file", "Access.size"),
    Column("target_name", "char", "", "meta.id;src", "Target.name"),
    Column("s_ra", "double", "deg", "pos.eq.ra", f"{_SPACE}.Coverage.Location.Coord.Position2D.Value2.C1"),
    Column("s_dec", "double", "deg", "pos.eq.dec", f"{_SPACE}.Coverage.Location.Coord.Position2D.Value2.C2"),
    Column("s_fov", "double", "deg", "phys.angSize;instr.fov", f"{_SPACE}.Coverage.Bounds.Extent.diameter"),
    Column("s_region", "char", "", "pos.outline;obs.field", f"{_SPACE}.Coverage.Support.Area"),
    Column("s_resolution", "double", "arcsec", "pos.angResolution", f"{_SPACE}.Resolution.Refval.value"),
    Column("s_xel1", "long", "", "meta.number", f"{_SPACE}.numBins1"),
    Column("s_xel2", "long", "", "meta.number", f"{_SPACE}.numBins2"),
    Column("t_min", "double", "d", "time.start;obs.exposure", f"{_TIME}.Coverage.Bounds.Limits.StartTime"),
    Column("t_max", "double", "d", "time.end;obs.exposure", f"{_TIME}.Coverage.Bounds.Limits.StopTime"),
    Column("t_exptime", "double", "s", "time.duration;obs.exposure", f"{_TIME}.Coverage.Support.Extent"),
    Column("t_resolution", "double", "s", "time.resolution", f"{_TIME}.Resolution.Refval.value"),
    Column("t_xel", "long", "", "meta.number", f"{_TIME}.numBins"),
    Column("em_min", "double", "m", "em.wl;stat.min", f"{_LIGHT}.Coverage.Bounds.Limits.LoLimit"),
    Column("em_max", "double", "m", "em.wl;stat.max", f"{_LIGHT}.Coverage.Bounds.Limits.HiLimit"),
    Column("em_res_power", "double", "", "spect.resolution", f"{_LIGHT}.Resolution.ResolPower.refVal"),
    Column("em_xel", "long", "", "meta.number", f"{_LIGHT}.numBins"),
    Column("o_ucd", "char", "", "meta.ucd", "Char.ObservableAxis.ucd"),
    Column("pol_states", "char", "", "meta.code;phys.polarization", "Char.PolarizationAxis.stateList"),
    Column("pol_xel", "long", "", "meta.number", "Char.PolarizationAxis.numBins"),
    Column("facility_name", "char", "", "meta.id;instr.tel", "Provenance.ObsConfig.Facility.name"),
    Column("instrument_name", "char", "", "meta.id;instr", "Provenance.ObsConfig.Instrument.name"),
)
"""All that are mandatory, as in Appendix C of the reference; any but the first five may be null."""

NEVER_NULL = "calib_level", "obs_collection", "obs_id", "obs_publisher_did"
_ANALYSIS = 4
_DAY_ZERO = np.datetime64("1858-11-17", "ns")
_DAY = np.timedelta64(1, "D").astype("timedelta64[ns]")
_WHOLE_SKY_DEG2 = 4 * math.degrees(math.degrees(math.pi))


def obscore(record: Record) -> dict[str, Value]:
    """Return the row of a record: a value, or None, for each of `COLUMNS`, in their order."""
    is_map = record.thing == Thing.MAP
    told: dict[str, Value] = {
        "dataproduct_type": "image" if is_map else "measurements",
        "calib_level": _ANALYSIS,
        "obs_collection": "skymist-simulated" if record.simulated else "skymist",
        "obs_id": record.event or record.fragment,
        "obs_publisher_did": record.identifier,
        **_access(record),
        "target_name": record.name or None,
        **_place(record),
        **_moment(record.time),
        "o_ucd": "stat.probability" if is_map else None,
        "pol_xel": 0,
        "facility_name": record.facility or None,
        "instrument_name": record.instrument or None,
    }
    return {column.name: told.get(column.name) for column in COLUMNS}


def _access(record: Record) -> dict[str, Value]:
    """Return where the content is: a FITS file before others, else the landing page."""
    files = [file for file in record.content if file.url]
    if not files:
        return {"access_url": record.url, "access_format": "text/html"} if record.url else {}
    file = min(files, key=lambda each: each.kind != "fits")
    kilobytes = math.ceil(file.size / 1000)
    return {"access_url": file.url, "access_format": file.media_type, "access_estsize": kilobytes}


def _place(record: Record) -> dict[str, Value]:
    """Return the circle that holds the source with 90 %; of a region, one of its area, but no outline."""
    radius = record.radius_90
    found: dict[str, Value] = {}
    if record.ra is not None and record.dec is not None:
        ra, dec = float(record.ra), float(record.dec)
        found |= {"s_ra": ra, "s_dec": dec}
        if radius is not None:
            found["s_region"] = f"CIRCLE ICRS {ra} {dec} {float(radius)}"
    if radius is None and record.area_90_deg2 is not None:
        radius = math.degrees(math.acos(max(-1.0, 1 - 2 * record.area_90_deg2 / _WHOLE_SKY_DEG2)))
    if radius is not None:
        found |= {"s_fov": 2.0 * radius, "s_resolution": 3600.0 * radius}
    return found


def _moment(time: str) -> dict[str, Value]:
    if not time:
        return {}
    day = float((np.datetime64(time.removesuffix("Z"), "ns") - _DAY_ZERO) / _DAY)
    return {"t_min": day, "t_max": day, "t_xel": 1}
