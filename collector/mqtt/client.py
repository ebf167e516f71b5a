"""The MQTT subscriber: reconnects by itself, and acknowledges a message to the broker only when the log has it.

A persistent session (clean_session off) lets the broker keep QoS 1 messages while we are away. Bounded by the
broker's in-flight window: it sends no more until we acknowledge.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import urllib.parse
from collections.abc import Callable
from datetime import datetime
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from collector.mqtt.native import TOPICS, read_message, set_aside
from laddvakt.domain.entries import Entry
from laddvakt.domain.errors import SettingsError
from laddvakt.eventlog.appender import Appender

logger = logging.getLogger(__name__)

MOST_WAITING = 20_000
"""Messages in memory beyond which those of QoS 0 are dropped; of QoS 1 the broker's own window bounds them."""


def point_at(client: paho.Client, url: str) -> tuple[str, int]:
    """Gives the client the credentials and the TLS of `mqtt[s]://[user:password@]host[:port]`; returns host and
    port. Raises SettingsError for a URL that is not one."""
    wrong = SettingsError(
        "mqtt.url is not an MQTT address.", mend="Write mqtt://host:1883, mqtts://host:8883, embedded: or off."
    )
    parts = urllib.parse.urlsplit(url)
    try:
        port = parts.port or (8883 if parts.scheme == "mqtts" else 1883)
    except ValueError as error:
        raise wrong from error
    if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname:
        raise wrong
    if parts.username:
        client.username_pw_set(urllib.parse.unquote(parts.username), urllib.parse.unquote(parts.password or ""))
    if parts.scheme == "mqtts":
        client.tls_set_context(ssl.create_default_context())
    return parts.hostname, port


class MqttSubscriber:
    """`start` connects in the background and for ever; `stop` leaves cleanly."""

    def __init__(
        self, url: Callable[[], str], client_id: str, appender: Appender, clock: Callable[[], datetime]
    ) -> None:
        self._url = url
        self._appender = appender
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._waiting: set[asyncio.Future[None]] = set()
        self._pending = 0  # messages that are not durable yet
        self._unacknowledged: set[tuple[int, int]] = set()  # connection and packet identifier
        self._connection = 0  # packet identifiers mean something within one connection only
        self._stopping = False
        self.messages = 0
        self.repeated = 0  # sent again by the broker while we had them in hand
        self.dropped = 0  # QoS 0, which promises nothing
        self.connected = False
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id, clean_session=False, manual_ack=True)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.reconnect_delay_set(1, 30)

    def start(self) -> None:
        """Raises SettingsError for a URL that is not one."""
        host, port = point_at(self._client, self._url())
        self._client.connect_async(host, port, keepalive=30)
        self._client.loop_start()

    async def stop(self) -> None:
        """Acknowledges what becomes durable within 5 s; the broker keeps the rest for the next time."""
        self._stopping = True
        if self._waiting:
            await asyncio.wait(self._waiting, timeout=5)
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    # The next four run in paho's thread.

    def _on_connect(self, client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            logger.warning("the MQTT broker refused us: %s", reason)
            return
        self._connection += 1
        client.subscribe([(topic, 1) for topic in TOPICS])

    def _on_subscribe(self, _client: Any, _data: Any, _mid: Any, reasons: list[Any], _properties: Any) -> None:
        self.connected = True
        logger.info("connected to the MQTT broker")
        for topic, reason in zip(TOPICS, reasons, strict=False):
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
        if message.qos:
            self._unacknowledged.add(packet)
        self.messages += 1
        self._pending += 1
        entry = read_message(message.topic, bytes(message.payload), self._clock(), retained=message.retain)
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
            if not done.cancelled() and error is None and qos and packet[0] == self._connection:
                self._client.ack(packet[1], qos)

        durable.add_done_callback(settle)

    def _drop(self) -> None:
        if self.dropped % MOST_WAITING == 0:
            logger.warning("the event log is behind; MQTT messages of QoS 0 are dropped (devices: use QoS 1)")
        self.dropped += 1
