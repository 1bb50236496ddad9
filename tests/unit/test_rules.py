"""Rules say what begins by itself; whoever writes them wrong is told where."""

from pathlib import Path

import numpy as np
import pytest

from skymist.errors import ReadError
from skymist.model.alert import Alert, Revision, Tense
from skymist.workflow.rules import Rules, load_rules

RULES = """
rules:
  - name: bright tracks
    when: {stream: [gold, bronze], energy_tev: {min: 100}}
    scans:
      - {name: fast, reco: bowl, priority: 200}
      - {name: fine, after: fast, reco: bowl, options: {width_deg: 3}, cluster: slurm, workers: 8,
         stalled_s: 60, fallback: {reco: bowl, levels: "8:0", priority: 5}}
  - {name: showers, when: {topology: cascade}, scans: [{name: only, reco: bowl}]}
  - {name: odd, when: {kind: hese, tense: current}}
"""


def alert(**said: object) -> Alert:
    time = np.datetime64("2023-04-16T05:22:26", "ns")
    message = Revision(1, 2, time, catalog="event message", tense=Tense(said.get("tense", "current")))
    return Alert((message, Revision(**{"run": 1, "event": 2, "time": time, "number": 0, **said})))


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    return path


def chosen(rules: Rules, found: Alert, kind: str = "neutrino") -> str:
    rule = rules.choose(found, kind)
    return rule.name if rule else ""


def test_the_first_that_fits_decides(tmp_path: Path) -> None:
    rules = load_rules(write(tmp_path, RULES))
    assert chosen(rules, alert(stream="gold", energy_tev=100.0)) == "bright tracks"
    assert chosen(rules, alert(stream="gold", energy_tev=99.0)) == ""
    assert chosen(rules, alert(stream="gold")) == ""
    assert chosen(rules, alert(stream="cascade")) == "showers"
    assert chosen(rules, alert(), "hese") == "odd"
    assert chosen(rules, alert(tense=Tense.TEST), "hese") == ""
    fine = rules.plan("bright tracks/fine")
    assert fine is not None
    assert fine.fallback is not None
    assert (fine.after, fine.cluster, fine.workers, fine.stalled_s) == ("fast", "slurm", 8, 60)
    assert (fine.wish.options, fine.fallback.wish.levels, fine.fallback.priority) == ({"width_deg": 3}, "8:0", 5)
    assert rules.plan("bright tracks/gone") is None


def test_what_only_the_detector_said_remains_true() -> None:
    time = np.datetime64("2023-04-16", "ns")
    message = Revision(1, 2, time, catalog="event message", stream="cascade")
    found = Alert((message, Revision(1, 2, time, 1, energy_tev=3.0)))
    rules = load_rules()
    assert chosen(rules, found) == "observation"


def test_the_rules_of_skymist_keep_tests_apart() -> None:
    rules = load_rules()
    assert chosen(rules, alert(tense=Tense.INJECTION)) == chosen(rules, alert(tense=Tense.PLANNED)) == "test"
    assert chosen(rules, alert(stream="bronze")) == "observation"
    assert max(plan.priority for plan in rules.rules[0].scans) < 100  # nothing of a test is realtime


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules: [", "cannot be read"),
        ("- 1", "it needs `rules:`"),
        ("rules: [{name: a, colour: 1}]", "no part of a rule is called 'colour'; there are: name, scans, when"),
        ("rules: [{name: a, when: {colour: 1}}]", "no condition of rule a is called 'colour'; there are: energy_tev"),
        ("rules: [{name: a, scans: [{reco: bowl}]}]", "rule a: each scan needs a name of its own"),
        ("rules: [{name: a, scans: [{name: x}, {name: x}]}]", "needs a name of its own, not 'x'"),
        ("rules: [{name: a, scans: [{name: x, after: y}]}]", "no scan before x in rule a is called 'y'"),
        ("rules: [{name: a, scans: [{name: x, reco: best}]}]", "no reconstruction is called 'best'; there are: auto"),
        (
            "rules: [{name: a, scans: [{name: x, speed: 9}]}]",
            "no setting of a scan is called 'speed'; there are: after",
        ),
        ("rules: [{name: a, scans: [{name: x, levels: '9:0'}]}]", "9"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ReadError) as told:
        load_rules(write(tmp_path, text))
    assert said in str(told.value)
    assert "rules.yaml" in str(told.value)
