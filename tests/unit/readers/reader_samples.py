"""One small event, in every form that the readers know."""

import gzip

import i3_writer as i3
import zstandard

RUN, EVENT = 123456, 789
READOUTS = (
    i3.Readout(1, 30, ((512 + 10_000, 20, False, 3),)),
    i3.Readout(1, 31, ((40, 30, True, 0), (12, 5, True, 0), (300, 70, True, 3))),
    i3.Readout(2, 61, ((5, 9000, True, 9),)),
    i3.Readout(2, 17, ((7, 63, True, 0), (255, 10, True, 3), (1, 10, True, 3))),
    i3.Readout(86, 60, ((2047, 1, False, 3),)),
    i3.Readout(1, 30, ((100, 8, False, 3), (6, 9, False, 3))),
)
IN_ICE = (
    (1, 30, 10_000, 1.025, 8, False),
    (1, 30, 12_199, 0.425, 6, False),
    (1, 30, 12_205, 0.475, 8, False),
    (1, 31, 10_040, 1.525, 1, True),
    (1, 31, 10_052, 0.275, 1, True),
    (1, 31, 10_352, 3.525, 8, True),
    (2, 17, 10_052, 3.175, 1, True),
    (2, 17, 10_307, 0.525, 1, True),
    (2, 17, 10_308, 0.525, 8, True),
    (86, 60, 12_099, 0.075, 8, False),
)
"""(string, om, time, charge, width, hlc) of all pulses in the ice."""

SPLIT = tuple(IN_ICE[i] for i in (0, 2, 9))
FULL_MAP = {(1, 30, 0): [(9_999.5, 1.01, 6.25, 4)], (86, 60, 0): [(12_100.25, 0.07, 3.5, 7), (12_101.0, 2.0, 3.5, 5)]}


def daq_objects() -> dict[str, bytes]:
    in_ice = i3.mask("I3SuperDST", [True, True, True, False, True], [[True] * 3, [True] * 3, [True] * 3, [True]])
    return {
        "I3EventHeader": i3.header(RUN, EVENT, 2024, 12345678901234567),
        "I3SuperDST": i3.superdst(READOUTS),
        "InIceDSTPulses": in_ice,
        "UncleanedInIcePulses": i3.pulse_map(FULL_MAP),
        "CalibrationErrata": i3.windows({(1, 31, 0): [(1.0, 2.0), (3.0, float("inf"))], (86, 60, 0): []}),
    }


def physics_objects() -> dict[str, bytes]:
    return {
        "I3EventHeader": i3.header(RUN, EVENT, 2024, 12345678901294567),
        "SplitInIcePulses": i3.mask(
            "InIceDSTPulses", [True, False, True, True], [[True, False, True], [False] * 3, [True]]
        ),
        "Both": i3.union(["SplitInIcePulses", "UncleanedInIcePulses"]),
        "Dangling": i3.mask("Nowhere", [True], [[True]]),
        "Loop": i3.union(["Loop"]),
        "Fit": i3.particle(1.5, 0.25, (1.0, -2.0, 3.0), 10_100.0, float("nan")),
        "FailedFit": i3.particle(float("nan"), float("nan"), (0.0, 0.0, 0.0), 0.0, float("nan")),
        "SomethingElse": i3.blob("I3OfNobody", lambda w: w.put("3B", 1, 2, 3)),
        "Comment": i3.text_object("nothing"),
    }


GEOMETRY = i3.frame("G", {"I3Geometry": b"anything"})
DAQ = i3.frame("Q", daq_objects())
PHYSICS = i3.frame("P", physics_objects())
STREAM = GEOMETRY + DAQ + PHYSICS
MESSAGE = i3.message(
    {"G": GEOMETRY, "Q": DAQ, "P": PHYSICS},
    run_id=RUN,
    reco={"splinempe": {"zen": 1.5}},
    neutrino={"bdt_up": 0.5, "bdt_down": None},
)

CSV = b"""# run = 5
# event = 6
# utc = 2024-02-29T12:00:00.123456789
# detector = icecube-86
# seeds = {"Fit": {"zenith": 1.0, "azimuth": 2.0, "x": 0, "y": 0, "z": 0, "time_ns": 5, "energy_gev": null}}
# exclusions = {"SaturationWindows": [[1, 2, 0.5, 10.5]]}
string,om,time_ns,charge_pe,width_ns,hlc,comment
1,2,11.5,1.5,8,1,0
1,2,10.5,0.1,8,0,1
86,60,1e3,2.25,1,1,2
"""


def sources() -> dict[str, bytes]:
    """Return the content of a file by its name."""
    return {
        "message.json": i3.as_json(MESSAGE),
        "message.pkl": i3.as_pickle(MESSAGE),
        "file.i3": STREAM,
        "file.i3.gz": gzip.compress(STREAM),
        "file.i3.zst": zstandard.compress(STREAM),
        "table.csv": CSV,
    }
