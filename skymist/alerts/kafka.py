"""Kafka: topics of notices and events, such as those of GCN, read at least once."""

import random
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from threading import Event
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as Record

from skymist.alerts.stream import KINDS, QUIET_S, Message
from skymist.errors import RequestError, UnknownNameError

HEARTBEAT = "heartbeat"
ANSWER_S, LONGEST_WAIT_S = 2.0, 10.0
"""Seconds for which an answer of the broker is waited for, and at most between two looks for it."""

_OURS = {
    "auto.offset.reset": "earliest", "enable.auto.offset.store": False, "enable.auto.commit": True,
    "auto.commit.interval.ms": 1000,
}  # fmt: skip
"""librdkafka commits, and again after a broker was away, but only offsets of messages that we said are kept."""

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
        If a setting is missing, unknown or ours.
    """

    def __init__(self, topics: Mapping[str, str], settings: Mapping[str, Any]) -> None:
        for topic, kind in topics.items():
            if kind not in (*KINDS, HEARTBEAT):
                raise UnknownNameError(f"kind of the topic {topic}", str(kind), (*KINDS, HEARTBEAT))
        for key in ("bootstrap.servers", "group.id"):
            if not settings.get(key):
                raise RequestError(f"Kafka needs the setting {key}")
        if not topics:
            raise RequestError("Kafka needs topics")
        self._topics, self.trouble = dict(topics), ""
        self._settings = {**settings, **_OURS, "logger": _SILENT, "error_cb": self._hear_error}
        self.name = f"kafka://{settings['bootstrap.servers']}"
        self._consumer = self._connect()
        self._heard = time.monotonic()

    def messages(self, stop: Event) -> Iterator[Message | None]:
        """Yield what comes; while the broker is away it is looked for, ever more rarely. See `Source`."""
        failures = 0
        try:
            while not stop.is_set():
                try:
                    yield self._next()
                    failures = 0 if not self.trouble else failures
                except KafkaException as error:
                    failures += 1
                    self.trouble = self.trouble or _words(error.args[0])
                    yield None
                    stop.wait(min(LONGEST_WAIT_S, 2.0**failures) * random.uniform(0.5, 1))
        finally:
            self._consumer.close()

    def commit(self, message: Message) -> None:
        """Say that a message is kept; offsets are committed from time to time and at the end."""
        topic, _, rest = message.position.rpartition("[")
        partition, _, offset = rest.partition("]@")
        self._store(topic, int(partition), int(offset))

    def lag(self) -> int | None:
        """Return how many messages the broker has that were not read, None if it does not say."""
        behind = 0
        try:
            for each in self._consumer.position(self._consumer.assignment()):
                _, high = self._consumer.get_watermark_offsets(each, timeout=2, cached=True)
                behind += max(0, high - max(each.offset, 0))
        except (KafkaException, RuntimeError, TypeError):
            return None
        return behind

    def silent_s(self) -> float | None:
        """Return for how long nothing was heard, if a topic of heartbeats is among the topics."""
        return time.monotonic() - self._heard if HEARTBEAT in self._topics.values() else None

    def _connect(self) -> Consumer:
        try:
            consumer = Consumer(self._settings)
        except (KafkaException, TypeError, ValueError) as error:
            raise RequestError(f"Kafka does not take these settings: {_words(error.args[0])}") from None
        consumer.subscribe(list(self._topics))
        return consumer

    def _next(self) -> Message | None:
        record = self._consumer.poll(QUIET_S)
        if record is None:
            self._look_after_trouble()
            return None
        if error := record.error():
            raise KafkaException(error)
        self._heard, self.trouble = time.monotonic(), ""
        return self._taken(record)

    def _look_after_trouble(self) -> None:
        """See whether the broker answers again: who hears nothing of it cannot know."""
        if self.trouble:
            self._consumer.list_topics(next(iter(self._topics)), timeout=ANSWER_S)
            self.trouble = ""

    def _taken(self, record: Record) -> Message | None:
        topic, partition, offset = str(record.topic()), int(record.partition() or 0), int(record.offset() or 0)
        kind, content = self._topics.get(topic, HEARTBEAT), record.value()
        if kind == HEARTBEAT or not content:  # an empty message says nothing: a tombstone
            self._store(topic, partition, offset)
            return None
        return Message(bytes(content), kind, self.name, f"{topic}[{partition}]@{offset}")

    def _store(self, topic: str, partition: int, offset: int) -> None:
        """Have all up to a message committed; another consumer that has its partition by now reads it once more."""
        with suppress(KafkaException):
            self._consumer.store_offsets(offsets=[TopicPartition(topic, partition, offset + 1)])

    def _hear_error(self, error: KafkaError) -> None:
        """Keep what librdkafka says while it looks for the broker by itself."""
        if error.code() in (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, *_GRAVE):
            self.trouble = _words(error)


def _words(error: Any) -> str:
    return str(error.str() if isinstance(error, KafkaError) else error)


class _Silent:
    """librdkafka's log: what matters comes as errors."""

    def log(self, *_: Any) -> None:
        """Say nothing."""


_SILENT = _Silent()
