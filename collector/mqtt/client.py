"""The MQTT subscriber: reconnects by itself, and acknowledges a message to the broker only when the log has it.

A persistent session lets the broker keep QoS 1 messages while we are away. Bounded by the broker's in-flight
window: it sends no more until we acknowledge.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

import paho.mqtt.client as paho

from collector.mqtt.access import connect_later, make_client, point_at
from collector.mqtt.facts import set_aside
from collector.mqtt.mappings import Reader
from laddvakt.domain.entries import Entry
from laddvakt.domain.facts import Quarantined
from laddvakt.eventlog.appender import Appender
from laddvakt.settings import MqttSettings

logger = logging.getLogger(__name__)

KEEPALIVE_S = 30
MOST_WAITING = 20_000
"""Messages in memory beyond which those of QoS 0 are dropped; of QoS 1 the broker's own window bounds them."""
OTHER_TOPICS = "(other topics)"
MOST_TOPICS = 1000
STOP_S = 5.0  # what is on its way into the log may take this long


class BadTopics:
    """Counts bad messages by topic; topics beyond a thousand are counted together."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def note(self, entry: Entry) -> None:
        if not any(isinstance(fact, Quarantined) for fact in entry.facts):
            return
        topic = entry.topic or ""
        if topic not in self.counts and len(self.counts) >= MOST_TOPICS:
            topic = OTHER_TOPICS
        elif topic not in self.counts:
            logger.warning("a message on %r is set aside: see the quarantine", topic[:200])
        self.counts[topic] += 1


class MqttSubscriber:
    """`start` connects in the background and for ever; `stop` leaves cleanly. Raises SettingsError for settings
    that do not go together."""

    def __init__(
        self,
        url: Callable[[], str],
        mqtt: MqttSettings,
        appender: Appender,
        clock: Callable[[], datetime],
        reader: Reader,
    ) -> None:
        self._url = url
        self._mqtt = mqtt
        self._appender = appender
        self._clock = clock
        self._reader = reader
        self._loop = asyncio.get_running_loop()
        self._waiting: set[asyncio.Future[None]] = set()
        self._pending = 0  # messages that are not durable yet
        self._unacknowledged: set[tuple[int, int]] = set()  # connection and packet identifier
        self._connection = 0  # packet identifiers mean something within one connection only
        self._stopping = False
        self.messages = 0
        self.repeated = 0  # sent again by the broker while we had them in hand
        self.dropped = 0  # QoS 0, which promises nothing
        self.passed_over = 0  # of no interest to any mapping
        self.bad = BadTopics()
        self.connected = False
        self._client = make_client(mqtt.client_id, mqtt, persistent=True)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.reconnect_delay_set(1, 30)

    def start(self) -> None:
        """Raises SettingsError for a URL that is not one, or certificates that cannot be used."""
        host, port = point_at(self._client, self._url(), self._mqtt)
        connect_later(self._client, host, port, self._mqtt, KEEPALIVE_S)
        self._client.loop_start()

    async def stop(self) -> None:
        """Acknowledges what becomes durable within 5 s; the broker keeps the rest for the next time."""
        self._stopping = True
        if self._waiting:
            await asyncio.wait(self._waiting, timeout=STOP_S)
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    def totals(self) -> dict[str, int]:
        """Counts since the start, for the pulse."""
        return {
            "mqtt_messages": self.messages,
            "mqtt_dropped": self.dropped,
            "mqtt_passed_over": self.passed_over,
            "mqtt_bad": self.bad.counts.total(),
            "mqtt_bad_topics": len(self.bad.counts),
        }

    # The next four run in paho's thread.

    def _on_connect(self, client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            logger.warning("the MQTT broker refused us: %s", reason)
            return
        self._connection += 1
        client.subscribe([(topic, 1) for topic in self._reader.topics])

    def _on_subscribe(self, _client: Any, _data: Any, _mid: Any, reasons: list[Any], _properties: Any) -> None:
        self.connected = True
        logger.info("connected to the MQTT broker")
        for topic, reason in zip(self._reader.topics, reasons, strict=False):
            if reason.is_failure:
                logger.error("the MQTT broker does not let us read %s: %s", topic, reason)

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self.connected = False
        if not self._stopping:
            logger.warning("lost the MQTT broker (%s); reconnecting", reason)

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        self._loop.call_soon_threadsafe(self._receive, message, self._connection)

    # From here on in the event loop.

    def _receive(self, message: paho.MQTTMessage, connection: int) -> None:
        packet = (connection, message.mid)
        if message.qos and packet in self._unacknowledged:
            self.repeated += 1  # some brokers lose patience while the log is full; it is acknowledged in time
            return
        if not message.qos and self._pending >= MOST_WAITING:
            self._drop()
            return
        self.messages += 1
        entry = self._reader.read(message.topic, bytes(message.payload), self._clock(), retained=message.retain)
        if entry is None:
            self.passed_over += 1
            self._acknowledge(packet, message.qos)
            return
        if message.qos:
            self._unacknowledged.add(packet)
        self._pending += 1
        self.bad.note(entry)
        self._append(entry, packet, message.qos)

    def _append(self, entry: Entry, packet: tuple[int, int], qos: int, *, again: bool = False) -> None:
        durable = self._appender.append(entry)
        self._waiting.add(durable)

        def settle(done: asyncio.Future[None]) -> None:
            self._waiting.discard(done)
            error = None if done.cancelled() else done.exception()
            if error is not None and not again:
                logger.error("MQTT %s: %s", entry.topic, error)
                self._append(set_aside(entry, str(error)), packet, qos, again=True)
                return
            self._pending -= 1
            self._unacknowledged.discard(packet)
            if not done.cancelled() and error is None:
                self._acknowledge(packet, qos)

        durable.add_done_callback(settle)

    def _acknowledge(self, packet: tuple[int, int], qos: int) -> None:
        if qos and packet[0] == self._connection:
            self._client.ack(packet[1], qos)

    def _drop(self) -> None:
        if self.dropped % MOST_WAITING == 0:
            logger.warning("the event log is behind; MQTT messages of QoS 0 are dropped (devices: use QoS 1)")
        self.dropped += 1
