"""Who may come in: the station id of the path, whether it is known, and its password."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import urllib.parse
from http import HTTPStatus

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from collector.registry import Registry
from laddvakt.settings import OcppSettings

logger = logging.getLogger(__name__)


def station_id_of(path: str) -> str | None:
    """`/<station id>` or `/ocpp/<station id>`, percent-encoding and a trailing slash undone; None for others."""
    bare = urllib.parse.urlsplit(path).path.strip("/").removeprefix("ocpp/")
    station_id = urllib.parse.unquote(bare)
    usable = 0 < len(station_id) <= 255 and "/" not in station_id and station_id.isprintable()
    return station_id if usable and station_id != "ocpp" else None


def basic_password(headers: Headers, station_id: str) -> str | None:
    """The password of an HTTP Basic header whose user is the station, or None (OCPP-J 1.6 section 6.2)."""
    scheme, _, value = headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = (
            base64.b64decode(value, validate=True).decode("utf-8", "surrogateescape").partition(":")
        )
    except (binascii.Error, ValueError):
        return None
    return password if user == station_id else None


class Admission:
    """Decides on a websocket handshake: None lets it go on, a response refuses it."""

    def __init__(self, settings: OcppSettings, registry: Registry) -> None:
        self._settings = settings
        self._registry = registry
        self._hasher = PasswordHasher()

    async def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        station_id = station_id_of(request.path)
        if station_id is None:
            text = "The path must be /<station id> or /ocpp/<station id>.\n"
            return connection.respond(HTTPStatus.NOT_FOUND, text)
        known = self._registry.known(station_id)
        if known is None:
            await self._registry.reload()  # it may have been imported a moment ago
            known = self._registry.known(station_id)
        if known is None and self._settings.unknown_stations == "reject":
            logger.warning(
                "station %r is not registered and was refused; import it with a network file", station_id
            )
            return connection.respond(HTTPStatus.NOT_FOUND, "This station is not registered.\n")
        if self._settings.security_profile >= 1 and known is not None:
            password = basic_password(request.headers, station_id)
            if not await self._password_fits(known.password_hash, password):
                logger.warning("station %r did not show its password", station_id)
                response = connection.respond(HTTPStatus.UNAUTHORIZED, "HTTP Basic authentication is required.\n")
                response.headers["WWW-Authenticate"] = 'Basic realm="laddvakt"'
                return response
        return None

    async def _password_fits(self, password_hash: str | None, password: str | None) -> bool:
        if password_hash is None or password is None:
            return False
        try:
            shown = password.encode("utf-8", "surrogateescape")  # the very bytes that came
            return await asyncio.to_thread(self._hasher.verify, password_hash, shown)
        except (Argon2Error, InvalidHashError):
            return False
