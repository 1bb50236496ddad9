"""Kafka: topics of notices and events, such as those of GCN, read at least once."""

import random
import re
import time
from collections.abc import Generator, Iterator, Mapping
from threading import Event
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as Record

from skymist.alerts.stream import KINDS, QUIET_S, Message
from skymist.errors import RequestError, UnknownNameError

HEARTBEAT = "heartbeat"
COMMIT_S = 1.0
"""Seconds between two commits of offsets: what is not committed comes again, which does no harm."""

LONGEST_WAIT_S = 60.0
ANSWER_S = 0.5
"""Seconds for which an answer of the broker is waited for where one is only asked how it is."""

_OURS = {"auto.offset.reset": "earliest", "enable.auto.commit": False, "enable.auto.offset.store": False}
_USUAL = {"reconnect.backoff.ms": 1000, "reconnect.backoff.max.ms": round(1000 * LONGEST_WAIT_S)}
"""By itself, librdkafka knocks twenty times a second at a broker that is away."""

_GRAVE = KafkaError._AUTHENTICATION, KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED


class Kafka:
    """Topics of a broker, read by one consumer.

    Parameters
    ----------
    topics : mapping of str to str
        What each topic brings: one of `skymist.alerts.stream.KINDS`, or ``heartbeat``, which only shows that there is
        a connection (``gcn.heartbeat``).
    settings : mapping
        Of librdkafka: ``bootstrap.servers``, ``group.id`` and whatever the broker asks for. Offsets are ours.

    Raises
    ------
    RequestError
        If a topic has no proper name, or a setting is missing, unknown or ours and another than it must be.
    """

    def __init__(self, topics: Mapping[str, str], settings: Mapping[str, Any]) -> None:
        _check_topics(topics)
        _check_settings(settings)
        self._topics, self.trouble = dict(topics), ""
        self._settings = {**_USUAL, **settings, **_OURS, "logger": _SILENT, "error_cb": self._hear_error}
        self.name = f"kafka://{settings['bootstrap.servers']}"
        self._consumer = self._connect()
        self._kept: dict[tuple[str, int], int] = {}
        self._reached: dict[tuple[str, int], int] = {}
        self._heard = self._committed = time.monotonic()

    def messages(self, stop: Event) -> Generator[Message | None, None, None]:
        """Yield what comes; while the broker is away it is looked for, ever more rarely. See `Source`."""
        failures = 0
        try:
            while not stop.is_set():
                try:
                    yield self._next()
                    self._commit(COMMIT_S)
                    failures = 0 if not self.trouble else failures
                except KafkaException as error:
                    failures += 1
                    self.trouble = _words(error.args[0])
                    yield from self._pause(failures, stop)
        finally:
            self._close()

    def commit(self, message: Message) -> None:
        """Note that a message is kept; offsets are committed from time to time and at the end."""
        topic, _, rest = message.position.rpartition("[")
        partition, _, offset = rest.partition("]@")
        self._pass(topic, int(partition), int(offset))

    def positions(self) -> dict[str, int]:
        """Return the next offset of each topic and partition of which something was read."""
        return {f"{topic}[{partition}]": offset for (topic, partition), offset in self._reached.items()}

    def lag(self) -> int | None:
        """Return how many messages the broker has that were not read, but for heartbeats; None if it does not say."""
        try:
            mine = [each for each in self._consumer.assignment() if self._topics.get(each.topic) != HEARTBEAT]
            if self.trouble or not mine:
                return None
            behind = [self._behind(each) for each in self._next_offsets(mine)]
        except (KafkaException, RuntimeError):  # it is away, or closed
            return None
        return None if None in behind else sum(filter(None, behind))

    def silent_s(self) -> float | None:
        """Return for how long nothing was heard, if a topic of heartbeats is among the topics."""
        return time.monotonic() - self._heard if HEARTBEAT in self._topics.values() else None

    def _connect(self) -> Consumer:
        try:
            consumer = Consumer(self._settings)
        except (KafkaException, TypeError, ValueError) as error:
            raise RequestError(f"Kafka does not take these settings: {_words(error.args[0])}") from None
        consumer.subscribe(list(self._topics), on_revoke=self._give_up)
        return consumer

    def _give_up(self, *_: Any) -> None:
        """Commit what is kept before others read on; what cannot be committed comes again, to them or to us."""
        self._try_to_commit()
        self._kept.clear()

    def _pause(self, failures: int, stop: Event) -> Iterator[None]:
        """Wait, the longer the more often it failed, and say so all the time."""
        longest = min(LONGEST_WAIT_S, 2.0 ** min(failures, 10))
        end = time.monotonic() + longest * random.uniform(0.5, 1)
        while (left := end - time.monotonic()) > 0 and not stop.is_set():
            yield None
            stop.wait(min(QUIET_S, left))

    def _next_offsets(self, mine: list[TopicPartition]) -> list[TopicPartition]:
        """Return where reading goes on; before the first message, that is what was committed."""
        found = self._consumer.position(mine)
        if all(each.offset >= 0 for each in found):
            return list(found)
        committed = self._consumer.committed(mine, timeout=ANSWER_S)
        return [one if one.offset >= 0 else other for one, other in zip(found, committed, strict=True)]

    def _behind(self, each: TopicPartition) -> int | None:
        """Return how many messages of a partition are not read; None if the broker has not said yet."""
        low, high = self._consumer.get_watermark_offsets(each, timeout=ANSWER_S, cached=True)
        return None if high < 0 else max(0, high - max(each.offset, low, 0))

    def _next(self) -> Message | None:
        record = self._consumer.poll(QUIET_S)
        if record is None:
            self.trouble = "" if self.trouble and self._is_well() else self.trouble
            return None
        if error := record.error():
            raise KafkaException(error)
        self._heard, self.trouble = time.monotonic(), ""
        return self._taken(record)

    def _taken(self, record: Record) -> Message | None:
        topic, partition, offset = str(record.topic()), record.partition(), record.offset()
        kind, content = self._topics.get(topic, HEARTBEAT), record.value()
        if kind == HEARTBEAT or not content:  # an empty message says nothing: a tombstone
            self._pass(topic, int(partition or 0), int(offset or 0))
            return None
        return Message(bytes(content), kind, self.name, f"{topic}[{partition}]@{offset}")

    def _pass(self, topic: str, partition: int, offset: int) -> None:
        self._kept[topic, partition] = self._reached[topic, partition] = offset + 1

    def _is_well(self) -> bool:
        """Return whether the broker answers, has all topics and has let us in: there may be nothing to read."""
        try:
            found = self._consumer.list_topics(timeout=ANSWER_S).topics
        except KafkaException:
            return False
        there = all(topic in found and found[topic].error is None for topic in self._topics)
        return there and bool(self._consumer.memberid())

    def _commit(self, period_s: float) -> None:
        """Commit what is kept, if it is time."""
        if not self._kept or time.monotonic() < self._committed + period_s:
            return
        offsets = [TopicPartition(topic, partition, offset) for (topic, partition), offset in self._kept.items()]
        self._committed = time.monotonic()
        self._consumer.commit(offsets=offsets, asynchronous=False)
        self._kept.clear()

    def _try_to_commit(self) -> None:
        try:
            self._commit(0)
        except KafkaException as error:
            self.trouble = _words(error.args[0])

    def _close(self) -> None:
        self._try_to_commit()
        self._consumer.close()

    def _hear_error(self, error: KafkaError) -> None:
        """Keep what librdkafka says while it looks for the broker by itself."""
        if error.code() in (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, *_GRAVE):
            self.trouble = _words(error)


def _check_topics(topics: Mapping[str, str]) -> None:
    if not topics:
        raise RequestError("Kafka needs topics")
    for topic, kind in topics.items():
        # librdkafka takes what begins with ^ for a pattern, of whose topics nobody said what they bring.
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", str(topic)):
            raise RequestError(f"{topic!r} is no name of a topic: letters, digits, dots, dashes and underscores")
        if kind not in (*KINDS, HEARTBEAT):
            raise UnknownNameError(f"kind of the topic {topic}", str(kind), (*KINDS, HEARTBEAT))


def _check_settings(settings: Mapping[str, Any]) -> None:
    for key in ("bootstrap.servers", "group.id"):
        if not settings.get(key):
            raise RequestError(f"Kafka needs the setting {key}")
    for key, ours in _OURS.items():
        if str(settings.get(key, ours)).lower() != str(ours).lower():
            raise RequestError(f"the setting {key} of Kafka has to be {str(ours).lower()}, or nothing would be safe")


def _words(error: Any) -> str:
    """Return what an error says, without for how long: the same trouble is told in the same words."""
    text = str(error.str() if isinstance(error, KafkaError) else error)
    return re.sub(r" \(after \d+ms[^)]*\)", "", text)


class _Silent:
    """librdkafka's log: what matters comes as errors."""

    def log(self, *_: Any) -> None:
        """Say nothing."""


_SILENT = _Silent()
