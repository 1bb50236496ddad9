"""Two hundred people at once while ten scans run: how long the API takes to answer, and whether it ever fails.

    python benchmarks/clients.py [SECONDS]

The whole service (`skymist serve`) runs as a user would start it; ten scans of the real event 138632/31747601, under
other numbers, keep the processors busy for as long as is measured. Each of 200 clients, with a token of its own, lists
scans and alerts, asks for a scan or its progress, watches one for some seconds, or posts a notice, and then waits for
about a second. Counted is the time until an answer is complete (of those who watch: until they are first told
something), and, by the service itself, how late its event loop was. Clients and service share the machine.
"""

import asyncio
import json
import random
import re
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import aiohttp
import httpx
from measured import results, spread
from service import EVENT, numbered, serving

from skymist.readers import read_event, write_table
from skymist.records import Database, tokens

CLIENTS, SCANS, PAUSE_S = 200, 10, (0.5, 1.5)
WISH = {"reco": "track-losses", "levels": "64:0,256:9000", "priority": 150}
READS = "list scans", "list alerts", "get scan", "progress", "watch"


class Load:
    """What clients do, and how long it took.

    Parameters
    ----------
    http : aiohttp.ClientSession
    scans : list of str
        Ids of those that run.
    end : float
        When to stop (`time.monotonic`).
    """

    def __init__(self, http: aiohttp.ClientSession, scans: list[str], end: float) -> None:
        self.http, self.scans, self.end = http, scans, end
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.errors: Counter[str] = Counter()

    async def live(self, number: int, token: str) -> None:
        """Be one client."""
        rng = random.Random(number)
        own = {"Authorization": f"Bearer {token}"}
        todo: dict[str, Callable[[], Awaitable[None]]] = {
            "list scans": lambda: self.ask("GET", "/v1/scans?limit=20", own),
            "list alerts": lambda: self.ask("GET", "/v1/alerts?role=test&limit=20", own),
            "get scan": lambda: self.ask("GET", f"/v1/scans/{rng.choice(self.scans)}", own),
            "progress": lambda: self.ask("GET", f"/v1/scans/{rng.choice(self.scans)}/progress", own),
            "watch": lambda: self.watch(f"/v1/scans/{rng.choice(self.scans)}/events", own, rng.uniform(1, 5)),
            "post": lambda: self.ask("POST", "/v1/notices", own, notice(rng)),
        }
        await asyncio.sleep(rng.uniform(0, PAUSE_S[1]))
        while time.monotonic() < self.end:
            (what,) = rng.choices(list(todo), [4, 3, 3, 4, 2, 2])
            try:
                began = time.perf_counter()
                first = await todo[what]()
                self.seconds[what].append((first or time.perf_counter()) - began)
            except (aiohttp.ClientError, TimeoutError, AssertionError) as error:
                self.errors[f"{what}: {type(error).__name__} {error}"] += 1
            await asyncio.sleep(rng.uniform(*PAUSE_S))

    async def ask(self, method: str, path: str, headers: dict[str, str], content: bytes | None = None) -> None:
        """Ask once; anything but success is an error."""
        async with self.http.request(method, path, headers=headers, data=content) as answer:
            text = await answer.text()
        assert answer.status < 400, text

    async def watch(self, path: str, headers: dict[str, str], seconds: float) -> float:
        """Watch a scan for a while; return when it was first told something."""
        told = 0.0
        async with self.http.get(path, headers=headers) as answer:
            assert answer.status == 200, answer.status
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    async for line in answer.content:
                        told = told or (time.perf_counter() if line.startswith(b"data:") else 0.0)
        assert told, "nothing was told"
        return told


def notice(rng: random.Random) -> bytes:
    """Return a notice about an event of a test."""
    return json.dumps({
        "$schema": "https://gcn.nasa.gov/schema/main/gcn/notices/icecube/single_neutrino_alerts.schema.json",
        "id": [f"{rng.randrange(10**5, 10**6)}_{rng.randrange(10**6)}"], "alert_tense": "test", "record_number": 0,
        "trigger_time": f"2023-04-{rng.randrange(1, 29):02d}T05:22:{rng.randrange(60):02d}.150574Z",
        "pipeline": "Gold Track Alert", "ra": 345.82, "dec": 9.01, "ra_dec_error": 0.5,
    }).encode()  # fmt: skip


def start_scans(http: httpx.Client, folder: Path) -> list[str]:
    """Ask for scans, and return their ids once all of them run."""
    ids, event = [], read_event(EVENT)
    for number in range(SCANS):
        file = folder / "event.csv"
        write_table(numbered(event, number), file)
        posted = http.post("/v1/events?name=event.csv", content=file.read_bytes()).raise_for_status().json()
        asked = http.post("/v1/scans", json={**WISH, "event": posted["event_id"]}).raise_for_status()
        ids.append(asked.json()["id"])
    while set(states(http, ids).values()) != {"running"}:
        time.sleep(0.2)
    return ids


def states(http: httpx.Client, ids: list[str]) -> dict[str, str]:
    """Return what each scan is doing."""
    return {each: http.get(f"/v1/scans/{each}").raise_for_status().json()["state"] for each in ids}


async def measure(url: str, scans: list[str], secrets: list[str], seconds: float) -> Load:
    """Let all clients live for a while."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(url, connector=connector, timeout=aiohttp.ClientTimeout(30)) as http:
        load = Load(http, scans, time.monotonic() + seconds)
        await asyncio.gather(*(load.live(number, secret) for number, secret in enumerate(secrets)))
    return load


def lateness(metrics: str) -> dict[str, int]:
    """Return how often the event loop was later than so many seconds."""
    found = re.findall(r'skymist_loop_late_seconds_bucket\{le="([^"]+)"\} ([0-9.]+)', metrics)
    total = int(float(found[-1][1]))
    return {bound: total - int(float(count)) for bound, count in found[:-1]}


def main() -> None:
    """Let clients ask while scans run."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60
    with tempfile.TemporaryDirectory() as name, served(Path(name)) as (url, records):
        secrets = people(records)
        own = {"Authorization": f"Bearer {secrets[0]}"}
        with httpx.Client(base_url=url, headers=own, timeout=60) as http:
            scans = start_scans(http, Path(name))
            before = lateness(http.get("/v1/metrics").text)
            load = asyncio.run(measure(url, scans, secrets, seconds))
            after = states(http, scans)
            late = {key: value - before[key] for key, value in lateness(http.get("/v1/metrics").text).items()}
    with results("clients") as tell:
        reads = [each for what in READS for each in load.seconds[what]]
        for what, found in {**load.seconds, "all reads": reads}.items():
            milliseconds = spread([1e3 * each for each in found], "ms")
            tell("answers", what=what, per_second=len(found) / seconds, **milliseconds)
        tell(
            "service", clients=CLIENTS, scans=SCANS, running_at_the_end=Counter(after.values())["running"],
            errors=sum(load.errors.values()), late_10_ms=late["0.01"], late_50_ms=late["0.05"], late_100_ms=late["0.1"],
        )  # fmt: skip
    print(dict(load.errors))


@contextmanager
def served(home: Path) -> Iterator[tuple[str, Database]]:
    """Run a service that scans only what it is asked for."""
    (home / "rules.yaml").write_text("rules: []")
    with serving(home, "--rules", str(home / "rules.yaml"), "--slots", str(SCANS)) as found:
        yield found


def people(records: Database) -> list[str]:
    """Return a token for each client."""
    with records.begin() as session:
        return [tokens.create(session, f"client {n}", "operator", "benchmark")[1] for n in range(CLIENTS)]


if __name__ == "__main__":
    main()
