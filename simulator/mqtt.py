"""The fleet's independent devices: meters and sensors that publish over MQTT, QoS 1, in a persistent session."""

from __future__ import annotations

import logging
import ssl
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from laddvakt.domain.errors import SettingsError

logger = logging.getLogger(__name__)

_QUEUED = 20_000  # messages kept while the broker is away
_encoder = msgspec.json.Encoder()


class Devices:
    """One connection for all devices. It reconnects by itself, with back-off of 1 to 30 seconds."""

    def __init__(self, url: str, *, client_id: str) -> None:
        """`url` is `mqtt[s]://[user:password@]host[:port]`. Raises SettingsError."""
        parts = urlsplit(url)
        if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname:
            raise SettingsError(
                f"{parts.scheme}: is no MQTT address.", mend="Write for example mqtt://127.0.0.1:1883."
            )
        self._host = parts.hostname
        self._port = parts.port or (8883 if parts.scheme == "mqtts" else 1883)
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=False)
        if parts.username:
            self._client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
        if parts.scheme == "mqtts":
            self._client.tls_set_context(ssl.create_default_context())
        self._client.max_queued_messages_set(_QUEUED)
        self._client.reconnect_delay_set(1, 30)
        self._client.on_connect = self._connected
        self._client.on_disconnect = self._disconnected

    def start(self) -> None:
        """Begins to connect; returns at once."""
        self._client.connect_async(self._host, self._port, keepalive=60)
        self._client.loop_start()

    def publish(self, topic: str, payload: dict[str, Any]) -> None:
        """Queues a message; it is delivered at least once, now or after a reconnect."""
        self._client.publish(topic, _encoder.encode(payload), qos=1)

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _connected(
        self, client: Client, data: object, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            logger.warning("MQTT broker %s:%s refuses the devices: %s", self._host, self._port, reason)
        else:
            logger.info("devices connected to MQTT broker %s:%s", self._host, self._port)

    def _disconnected(
        self,
        client: Client,
        data: object,
        flags: DisconnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            logger.warning("MQTT broker %s:%s is gone: %s", self._host, self._port, reason)
