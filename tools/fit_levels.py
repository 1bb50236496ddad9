"""Find the TS levels of regions from simulated events; writes `skymist/model/tables/levels.csv`.

    skymist evaluate SET.npz --reco NAME --json > REPORT.json
    python tools/fit_levels.py REPORT.json...

A level is the quantile of the TS of the truth over all events of a reconstruction, in the topologies that it is made
for (and in nominal and other ice, if sets of both are given); of `track-losses` for each topology by itself, because
its TS are larger for muons that start inside. Rows of other reconstructions stay in the table. What
``--topology`` of evaluate leaves out does not count.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np

from skymist.model.region import LEVELS_TABLE, level_of
from skymist.workflow.products import CONTAINMENTS

ROWS = {
    ("track-mpe", "through-going"): "track-mpe",
    ("track-losses", "through-going"): "track-losses/through-going",
    ("track-losses", "starting"): "track-losses/starting",
    ("cascade", "cascade"): "cascade",
}
"""Names in the table, by reconstruction and topology."""
HEADER = (
    "# TS levels of regions, found by tools/fit_levels.py: quantiles of the TS of the truth of n events that were\n"
    "# simulated photon by photon (low to high: 68 % interval); see skymist/model/region.py\n"
    "reconstruction,containment,ts,low,high,n,sets\n"
)


def rows(name: str, ts: list[float], sets: str) -> list[str]:
    """Return the lines of one reconstruction."""
    found = [(share, level_of(np.array(ts), share)) for share in CONTAINMENTS]
    return [
        f"{name},{share:g},{level.ts:.3f},{level.low:.3f},{level.high:.3f},{len(ts)},{sets}" for share, level in found
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path, nargs="+", help="what skymist evaluate --json printed")
    ts: dict[str, list[float]] = defaultdict(list)
    sets: dict[str, set[str]] = defaultdict(set)
    for path in parser.parse_args().report:
        report = json.loads(path.read_text())
        name = report["reconstruction"]["name"]
        for event in report["events"]:
            row = ROWS.get((name, event["topology"]))
            if row is not None and event.get("ts_truth") is not None:
                ts[row].append(event["ts_truth"])
                sets[row].add(Path(report["set"]).stem)
    kept = [line for line in LEVELS_TABLE.read_text().splitlines() if line and line[0] != "#"][1:]
    kept = [line for line in kept if line.split(",")[0] not in ts]
    lines = sorted(
        [*kept, *(line for name, values in ts.items() for line in rows(name, values, " ".join(sorted(sets[name]))))]
    )
    LEVELS_TABLE.write_text(HEADER + "\n".join(lines) + "\n")
    print(LEVELS_TABLE.read_text())


if __name__ == "__main__":
    main()
