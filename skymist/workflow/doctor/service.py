"""What the settings of a service name: database, maps, folders, brokers, identity provider, and where words go."""

import json
import os
import socket
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.request import urlopen

from skymist.errors import RequestError, StoreError
from skymist.store.place import BUCKETS, place
from skymist.workflow.doctor.finding import BAD, LATER, OK, Finding, tried
from skymist.workflow.doctor.installation import room
from skymist.workflow.settings import ServiceSettings, revealed

PART = "service"
PATIENCE_S = 5.0
"""Seconds for which anything elsewhere is waited for."""
OF_CONSUMERS = "group.id", "auto.offset.reset"
"""Settings of librdkafka that are not for who only asks what there is."""

_found = partial(Finding, PART)
_tried = partial(tried, PART)


def of_service(settings: ServiceSettings) -> Iterator[Finding]:
    """Look at what the settings of a service name.

    Parameters
    ----------
    settings : ServiceSettings

    Yields
    ------
    Finding
        As soon as it is known; nothing is written but an object that is deleted at once, where maps go to a bucket.
    """
    given = settings
    yield _tried("database", "the setting database names it", lambda: _database(given.database))
    hint = "the setting out names where maps go; the variables of the store's kind say how it is reached"
    yield _tried("maps", hint, lambda: _maps(given.out))
    for folder in given.folders:
        yield _folder(folder)
    hint = "the settings of librdkafka say where the broker is, and how to log in there"
    for name, kafka in (("streams", given.kafka), ("notices of ours", given.notices)):
        if kafka:
            yield _tried(name, hint, partial(_broker, name, kafka))
    yield _tried("logging in", "the setting oidc names the provider", lambda: _issuer(given.oidc))
    yield _tried("circulars", "mend circulars in the settings", lambda: _circulars(given))
    yield _tried("hooks", "mend hooks in the settings", lambda: _hooks(given))
    yield _tried("address", "the settings host and port", lambda: _address(given.host, given.port))


def _database(url: str) -> Finding:
    from skymist.records import Database

    records = Database(url)
    try:
        file = records.engine.url.database if records.engine.dialect.name == "sqlite" else None
        if file and not Path(file).exists():
            return _found("database", LATER, f"{records} is not there yet", "skymist serve makes it")
        if records.version() is None:
            return _found("database", LATER, f"{records} has no tables yet", "skymist db upgrade makes them")
        try:
            return _found("database", OK, f"{records}: tables of version {records.check()}")
        except StoreError as trouble:
            return _found("database", BAD, str(trouble), "make a backup first")
    finally:
        records.close()


def _maps(out: str) -> Finding:
    """Look whether maps can be written: in a bucket only writing tells."""
    if out.partition("://")[0] not in BUCKETS:
        return room(Path(out.removeprefix("file://")), PART)
    probe = place(out) / f".skymist-doctor-{token_hex(4)}"
    try:
        probe.write_bytes(b"")
        probe.remove()
    except probe.errors as trouble:
        raise StoreError(f"{out} cannot be written: {probe.reason(trouble)}") from None
    return _found("maps", OK, f"{out} can be written")


def _folder(folder: str) -> Finding:
    name = f"folder {folder}"
    if not Path(folder).is_dir():
        return _found(name, BAD, "there is no such folder", f"mkdir -p {folder}")
    if not os.access(folder, os.R_OK | os.X_OK):
        return _found(name, BAD, "it cannot be read", f"who runs skymist must be able to read {folder}")
    return _found(name, OK, "is watched for events and notices")


def _broker(name: str, given: Mapping[str, Any]) -> Finding:
    """Look whether a broker answers, and knows the topics."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    settings = revealed("kafka", given.get("settings") or {})
    where = settings.get("bootstrap.servers")
    if not where:
        raise RequestError("Kafka needs the setting bootstrap.servers")
    told: list[str] = []
    asked: dict[str, Any] = {key: value for key, value in settings.items() if key not in OF_CONSUMERS}
    asked |= {"error_cb": lambda error: told.append(error.str()), "log_level": 0}
    client = AdminClient(asked)
    try:
        there = client.list_topics(timeout=PATIENCE_S).topics
    except KafkaException as error:
        client.poll(0)
        raise StoreError(told[0] if told else f"{where}: {error.args[0].str()}") from None
    wanted = [str(each) for each in given.get("topics") or [given.get("topic")]]
    missing = [each for each in wanted if each not in there]
    if missing:
        hint = "mend the names; a broker tells only of topics that this account may use"
        return _found(name, BAD, f"{where} has no topic {', '.join(missing)}", hint)
    return _found(name, OK, f"{where} answers, and has {', '.join(wanted)}")


def _issuer(oidc: Mapping[str, Any] | None) -> Finding:
    if not oidc:
        return _found("logging in", OK, "by tokens of skymist (skymist token create)")
    url = str(revealed("oidc", oidc).get("jwks_url", ""))
    if not url.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
        raise RequestError(f"jwks_url is {url!r}, and has to be an https address")
    try:
        with urlopen(url, timeout=PATIENCE_S) as answer:  # noqa: S310 (https, or this machine)
            keys = len(json.load(answer)["keys"])
    except OSError as trouble:
        raise StoreError(f"{url} cannot be reached: {trouble}") from None
    except (ValueError, KeyError, TypeError):
        raise StoreError(f"{url} has no keys") from None
    words = f"{keys} key{'' if keys == 1 else 's'}"
    return _found("logging in", OK, f"by tokens of {oidc.get('issuer')} ({words}), and of skymist")


def _circulars(settings: ServiceSettings) -> Finding:
    """Tell where circulars and notices go; nothing is sent for that."""
    from skymist.workflow.outgoing import desk_settings

    desk = desk_settings(settings.circulars, settings.notices)
    told = "; ".join(f"{kind}s go to {where}" for kind, where in desk.destinations.items())
    world = "the real sky" if desk.real else "tests"
    return _found("circulars", OK, f"{told}; only about {world}, and once approved" if told else "nothing is sent")


def _hooks(settings: ServiceSettings) -> Finding:
    from skymist.workflow.hooks import make_hooks

    names = [each.name for each in make_hooks(settings.hooks)]
    return _found("hooks", OK, f"news go to {', '.join(names)}" if names else "news go nowhere")


def _address(host: str, port: int) -> Finding:
    """Look whether the service can listen where it is told to, or does already."""
    here = f"{host}:{port}"
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            line.bind((host, port))
        except OSError as trouble:
            if version := _who_answers(here):
                return _found("address", OK, f"skymist {version} answers at {here}")
            return _found("address", BAD, f"{here}: {trouble.strerror}", "the setting port, or serve --port N")
    return _found("address", OK, f"{here} is free")


def _who_answers(here: str) -> str:
    """Return the version of the service at an address; empty if it is something else."""
    try:
        with urlopen(f"http://{here}/v1/health", timeout=PATIENCE_S) as answer:
            return str(json.load(answer).get("version", ""))
    except (OSError, ValueError, AttributeError):
        return ""
