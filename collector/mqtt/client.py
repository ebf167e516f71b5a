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

from collector.mqtt.native import TOPICS, read_message
from laddvakt.domain.errors import SettingsError
from laddvakt.eventlog.appender import Appender

logger = logging.getLogger(__name__)


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
        self.messages = 0
        self.connected = False
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id, clean_session=False, manual_ack=True)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.reconnect_delay_set(1, 30)

    def start(self) -> None:
        """Raises SettingsError for a URL that is not one."""
        host, port = point_at(self._client, self._url())
        self._client.connect_async(host, port, keepalive=30)
        self._client.loop_start()

    async def stop(self) -> None:
        if self._waiting:
            await asyncio.wait(self._waiting, timeout=5)
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    # The next three run in paho's thread.

    def _on_connect(self, client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            logger.warning("the MQTT broker refused us: %s", reason)
            return
        self.connected = True
        client.subscribe([(topic, 1) for topic in TOPICS])
        logger.info("connected to the MQTT broker")

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self.connected = False
        logger.warning("lost the MQTT broker (%s); reconnecting", reason)

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        self._loop.call_soon_threadsafe(self._append, message)

    def _append(self, message: paho.MQTTMessage) -> None:
        entry = read_message(message.topic, bytes(message.payload), self._clock())
        durable = self._appender.append(entry)
        self._waiting.add(durable)
        self.messages += 1

        def acknowledge(done: asyncio.Future[None]) -> None:
            self._waiting.discard(done)
            if not done.cancelled() and done.exception() is None and message.qos:
                self._client.ack(message.mid, message.qos)

        durable.add_done_callback(acknowledge)
