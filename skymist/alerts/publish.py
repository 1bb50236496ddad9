"""Publish notices on a topic of Kafka: each once, also if whoever sends it dies.

A message carries the SHA-256 of its content. Before one is sent that may have been sent already, the end of the topic
is read: if it is there, it is not sent again.
"""

import hashlib
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from skymist.errors import RequestError, SendError

ID = "skymist-id"
"""Header of each message: the SHA-256 of its content."""

ANSWER_S = 15.0
CLOCKS_APART_S = 120.0
"""By which the broker's clock and ours may differ."""

_OURS = {"acks": "all", "enable.idempotence": True, "message.timeout.ms": int(1000 * ANSWER_S)}


class Topic:
    """A topic that takes notices.

    Parameters
    ----------
    topic : str
    settings : mapping
        Of librdkafka: ``bootstrap.servers`` and whatever the broker asks for; delivery is ours.

    Raises
    ------
    RequestError
        If a setting is missing, unknown or ours.
    """

    name = "kafka"
    settle_s = ANSWER_S + 5.0  # by then librdkafka has given up a message that a dead process had handed over

    def __init__(self, topic: str, settings: Mapping[str, Any]) -> None:
        if not topic or not settings.get("bootstrap.servers"):
            raise RequestError("notices need a topic, and the setting bootstrap.servers of Kafka")
        for key in _OURS:
            if key in settings:
                raise RequestError(f"leave out {key}: that a notice is sent once is our business")
        self._topic, self._settings = topic, dict(settings)
        self._producer: Producer | None = None

    def content(self, subject: str, body: str) -> bytes:  # noqa: ARG002 (as all channels have it)
        """Return the notice as it is."""
        return body.encode()

    def prepare(self) -> None:
        """See whether the broker answers and has the topic.

        Raises
        ------
        SendError
            If not; nothing was sent.
        """
        try:
            self._producer = self._producer or Producer({**self._settings, **_OURS})
            found = self._producer.list_topics(self._topic, timeout=ANSWER_S).topics[self._topic]
        except (KafkaException, TypeError, ValueError) as error:
            raise SendError(f"Kafka: {_words(error)}", "not sent") from None
        if found.error is not None and found.error.code() != KafkaError.LEADER_NOT_AVAILABLE:
            raise SendError(f"topic {self._topic}: {found.error.str()}", "refused")

    def send(self, content: bytes) -> str:
        """Send a notice, and return where it is: ``TOPIC[PARTITION]@OFFSET``.

        Raises
        ------
        SendError
            With what is known of it.
        """
        assert self._producer is not None  # prepare comes first
        told: list[tuple[KafkaError | None, Message]] = []
        try:
            self._producer.produce(
                self._topic, content, on_delivery=lambda *said: told.append(said), headers=[(ID, _id(content))]
            )
        except (KafkaException, BufferError) as error:
            raise SendError(f"Kafka: {_words(error)}", "not sent") from None
        self._producer.flush(ANSWER_S + 2)
        if not told:
            raise SendError(f"Kafka: no word of the notice within {ANSWER_S:.0f} s", "unknown")
        trouble, message = told[0]
        if trouble is not None:
            grave = trouble.code() in (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.TOPIC_AUTHORIZATION_FAILED)
            raise SendError(f"Kafka: {trouble.str()}", "refused" if grave else "unknown")
        return f"{message.topic()}[{message.partition()}]@{message.offset()}"

    def find(self, content: bytes, since: datetime) -> str | None:
        """Return where a notice is, if it has arrived since then.

        Raises
        ------
        SendError
            If the topic cannot be read: then nobody knows.
        """
        begin = int(1000 * (since.timestamp() - CLOCKS_APART_S))
        group = {"group.id": "skymist-find", "enable.auto.commit": False, "enable.partition.eof": True}
        consumer = Consumer({**self._settings, **group})
        try:
            return self._look(consumer, _id(content), begin)
        except KafkaException as error:
            raise SendError(f"topic {self._topic} cannot be read: {_words(error)}", "unknown") from None
        finally:
            consumer.close()

    def close(self) -> None:
        """Let go of the broker."""
        if self._producer is not None:
            self._producer.flush(1)
            self._producer = None

    def _look(self, consumer: Consumer, wanted: str, begin_ms: int) -> str | None:
        partitions = consumer.list_topics(self._topic, timeout=ANSWER_S).topics[self._topic].partitions
        starts = [TopicPartition(self._topic, each, begin_ms) for each in partitions]
        starts = consumer.offsets_for_times(starts, timeout=ANSWER_S)
        left = {each.partition for each in starts if each.offset not in (OFFSET_END, -1)}
        consumer.assign([each for each in starts if each.partition in left])
        until = time.monotonic() + 4 * ANSWER_S
        while left:
            if time.monotonic() > until:
                raise SendError(f"topic {self._topic} cannot be read to its end", "unknown")
            message = consumer.poll(0.5)
            if message is None:
                continue
            if (error := message.error()) is not None:
                if error.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(error)
                left.discard(message.partition())
            elif dict(message.headers() or ()).get(ID) == wanted.encode():
                return f"{message.topic()}[{message.partition()}]@{message.offset()}"
        return None


def _id(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _words(error: Exception) -> str:
    first = error.args[0] if error.args else error
    return str(first.str() if isinstance(first, KafkaError) else first)
