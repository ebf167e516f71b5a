"""How to reach the broker: address, credentials, TLS, protocol version, persistent session."""

from __future__ import annotations

import ssl
import urllib.parse
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from laddvakt.domain.errors import SettingsError
from laddvakt.eventlog.address import EMBEDDED
from laddvakt.settings import MqttSettings

_NEVER = 0xFFFFFFFF  # MQTT 5 section 3.1.2.11.2: the session does not expire, as with 3.1.1
_RECEIVE_MAXIMUM = 1000  # unacknowledged messages; 3.1.1 leaves this to the broker


def make_client(client_id: str, mqtt: MqttSettings, *, persistent: bool) -> paho.Client:
    """A client of `mqtt.protocol`. Raises SettingsError for what does not go together."""
    if mqtt.protocol == "5":
        if mqtt.url == EMBEDDED:
            raise SettingsError(
                "mqtt.protocol is 5, but the embedded broker speaks MQTT 3.1.1.",
                mend='Set mqtt.protocol = "3.1.1", or mqtt.url to a broker of MQTT 5.',
            )
        return paho.Client(
            CallbackAPIVersion.VERSION2, client_id, protocol=MQTTProtocolVersion.MQTTv5, manual_ack=persistent
        )
    return paho.Client(CallbackAPIVersion.VERSION2, client_id, clean_session=not persistent, manual_ack=persistent)


def point_at(client: paho.Client, url: str, mqtt: MqttSettings) -> tuple[str, int]:
    """Gives the client the credentials and the TLS of `mqtt[s]://[user:password@]host[:port]`; returns host and
    port. Raises SettingsError for a URL that is not one, or certificates that cannot be used."""
    wrong = SettingsError(
        "mqtt.url is not an MQTT address.", mend="Write mqtt://host:1883, mqtts://host:8883, embedded: or off."
    )
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port or (8883 if parts.scheme == "mqtts" else 1883)
    except ValueError as error:
        raise wrong from error
    if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname:
        raise wrong
    if parts.username:
        client.username_pw_set(urllib.parse.unquote(parts.username), urllib.parse.unquote(parts.password or ""))
    context = tls_context(mqtt, parts.scheme)
    if context is not None:
        client.tls_set_context(context)
    return parts.hostname, port


def tls_context(mqtt: MqttSettings, scheme: str) -> ssl.SSLContext | None:
    """TLS of an `mqtts` broker, None for `mqtt`. Raises SettingsError."""
    if scheme != "mqtts":
        if mqtt.ca_file or mqtt.cert_file or mqtt.key_file:
            raise SettingsError(
                "mqtt.ca_file, cert_file and key_file are for TLS, and mqtt.url is without it.",
                mend="Write mqtts:// in mqtt.url, or leave them out.",
            )
        return None
    if mqtt.key_file and not mqtt.cert_file:
        raise SettingsError("mqtt.key_file stands without cert_file.", mend="Give both, or neither.")
    context = ssl.create_default_context(cafile=_file("ca_file", mqtt.ca_file) or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if mqtt.cert_file:
        try:
            context.load_cert_chain(
                _file("cert_file", mqtt.cert_file), _file("key_file", mqtt.key_file) or None, password=""
            )
        except (ssl.SSLError, ValueError) as error:
            raise SettingsError(
                f"mqtt.cert_file and key_file do not make a client certificate: {error}.",
                mend="Give PEM files of a certificate and its own private key, without a passphrase.",
            ) from error
    return context


def _file(key: str, name: str) -> str:
    """The file, looked at. Raises SettingsError."""
    if not name:
        return ""
    try:
        text = Path(name).read_bytes()
    except OSError as error:
        raise SettingsError(
            f"mqtt.{key}: cannot read {name}: {error.strerror}.", mend="Name a file that this user may read."
        ) from error
    if b"-----BEGIN" not in text:
        raise SettingsError(f"mqtt.{key}: {name} is not a PEM file.", mend="Convert it with openssl.")
    return name


def connect_later(client: paho.Client, host: str, port: int, mqtt: MqttSettings, keepalive_s: int) -> None:
    """Says where to connect and keeps the session at the broker while we are away (both versions)."""
    if mqtt.protocol != "5":
        client.connect_async(host, port, keepalive=keepalive_s)
        return
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's own, untyped
    properties.SessionExpiryInterval = _NEVER
    properties.ReceiveMaximum = _RECEIVE_MAXIMUM
    client.connect_async(host, port, keepalive=keepalive_s, clean_start=False, properties=properties)
