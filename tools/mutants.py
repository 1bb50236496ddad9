"""What mutmut found, as a page: how many faults tests notice in each module, and each that none does, with why.

    make mutants                    # an hour on two cores
    python tools/mutants.py FOLDER  # after mutmut has run there

mutmut changes one thing of one function at a time (``mutants/`` has all of them beside the original) and runs the tests
that reach it. Reasons are in ``tests/survivors.toml``: the first one counts whose ``function`` (a pattern of names) and
``change`` (a regular expression for the line as it was and, after an arrow, as it became) fit. A survivor without a
reason is listed as such, and makes the exit status 1.
"""

import ast
import difflib
import json
import re
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

HOME = Path(__file__).parents[1]
PAGE, REASONS = HOME / "tests" / "MUTANTS.md", HOME / "tests" / "survivors.toml"
SURVIVED, UNTESTED, UNKNOWN = {0}, {5, 33}, {None, 2}
LEFT = ("survived", "untested")
HEAD = """# Faults that tests notice

mutmut puts faults into `skymist/model/` and `skymist/scan/plan.py`, one at a time: another operator, number,
argument, word or default. A fault is *killed* if a test fails, or does not end; the tests of its module are run, then
others that reach it, quick ones first, until all take half a minute. `make mutants` does it again and writes this page;
reasons are in `survivors.toml`.

"""


class Mutant(NamedTuple):
    """A fault: where it is, what became of it, and, if no test noticed, the lines that it changed."""

    key: str
    module: str
    function: str
    state: str
    before: str
    after: str


def main() -> int:
    """Write the page; tell whether each survivor has a reason."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HOME
    mutants = [each for path in sorted(folder.glob("mutants/skymist/**/*.meta")) for each in of_file(path)]
    reasons = tomllib.loads(REASONS.read_text())["survivor"]
    left = {each: reason(each, reasons) for each in mutants if each.state in LEFT}
    unexplained = [each for each, why in left.items() if not why]
    PAGE.write_text(HEAD + table(mutants) + "\n\n" + survivors(left))
    for each in unexplained:
        print(f"{each.function} ({each.state}): {each.before}  ->  {each.after}")
    print(f"{PAGE}: {len(left)} survivors, {len(unexplained)} without a reason")
    return 1 if unexplained or any(each.state == "not run" for each in mutants) else 0


def of_file(meta: Path) -> Iterator[Mutant]:
    """Yield all mutants of a module."""
    states = json.loads(meta.read_text())["exit_code_by_key"]
    if not states:
        return
    source = meta.with_suffix("").read_text()
    lines = source.splitlines()
    parts = {node.name: lines[node.lineno - 1 : node.end_lineno]
             for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)}  # fmt: skip
    for key, code in states.items():
        module, _, name = key.rpartition(".")
        function, found = name.rpartition("__mutmut_")[0], state(code)
        changes = changed(parts[f"{function}__mutmut_orig"], parts[name]) if found in LEFT else ("", "")
        yield Mutant(key, module, f"{module}.{plain(function)}", found, *changes)


def state(code: int | None) -> str:
    """Return what became of a mutant, from the exit status of its tests."""
    if code in UNKNOWN:
        return "not run"
    return "survived" if code in SURVIVED else "untested" if code in UNTESTED else "killed"


def plain(mangled: str) -> str:
    """Return the name of a function as people write it.

    >>> plain("x__moved"), plain("xǁConeǁholds")
    ('_moved', 'Cone.holds')
    """
    return mangled.removeprefix("xǁ").replace("ǁ", ".") if "ǁ" in mangled else mangled.removeprefix("x_")


def changed(original: list[str], mutant: list[str]) -> tuple[str, str]:
    """Return the lines that differ, before and after, without the head of the function."""
    lines = [[re.sub(r"x\S*__mutmut_\w+", "", line).strip() for line in part] for part in (original, mutant)]
    before, after = [], []
    for each in difflib.ndiff(*lines):
        if each.startswith(("- ", "+ ")):
            (before if each[0] == "-" else after).append(each[2:])
    return " ".join(before), " ".join(after)


def table(mutants: list[Mutant]) -> str:
    """Return how many there are and what became of them, by module."""
    modules = defaultdict(Counter)
    for each in mutants:
        modules[each.module][each.state] += 1
    rows = [("all", sum(modules.values(), Counter())), *((f"`{name}`", states) for name, states in modules.items())]
    lines = ["| module | faults | killed | survived | share killed |", "|---|---|---|---|---|"]
    for module, states in rows:
        total, killed = states.total(), states["killed"]
        left = sum(states[each] for each in LEFT)
        lines.append(f"| {module} | {total} | {killed} | {left} | {100 * killed / total:.1f} % |")
    return "\n".join(lines)


def reason(mutant: Mutant, reasons: list[dict[str, str]]) -> str:
    """Return why a fault survives; empty if nobody has said."""
    change = f"{mutant.before} -> {mutant.after}"
    fits = (
        it["reason"] for it in reasons if fnmatch(mutant.function, it["function"]) and re.search(it["change"], change)
    )
    return next(fits, "")


def survivors(left: dict[Mutant, str]) -> str:
    """Return the list of survivors, by function, with reasons."""
    lines = ["## Survivors"]
    for function in dict.fromkeys(each.function for each in left):
        lines += ["", f"`{function}`", ""]
        for each, why in left.items():
            if each.function == function:
                lines.append(f"- {code(each.before)} became {code(each.after)}: {why or '**no reason is known**'}")
    return "\n".join(lines) + "\n"


def code(line: str) -> str:
    """Return a line as code; nothing at all where a line is only there in the other."""
    return f"`` {line} ``" if line else "nothing"


if __name__ == "__main__":
    sys.exit(main())
