"""Who may come in: the station id of the path, whether it is known, and what proves it (security profiles 0 to
3)."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import random
import urllib.parse
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from functools import partial
from http import HTTPStatus
from math import ceil
from typing import Any, NamedTuple

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import MultipleValuesError
from websockets.http11 import Request, Response

from collector.limits import Bucket, Limits
from collector.passwords import Passwords, Verdict, basic_password
from collector.registry import Registry
from collector.tls import ServerTls, expiry_of, is_named
from laddvakt.eventlog.tasks import cancel_and_wait
from laddvakt.settings import OcppSettings
from laddvakt.stores.ports import Credentials

logger = logging.getLogger(__name__)

_LOOKS_PER_S = 1  # into the records for stations that nobody knows, and ten at once


def station_id_of(path: str) -> str | None:
    """`/<station id>` or `/ocpp/<station id>`, percent-encoding and a trailing slash undone; None for others."""
    bare = urllib.parse.urlsplit(path).path.strip("/").removeprefix("ocpp/")
    station_id = urllib.parse.unquote(bare)
    usable = 0 < len(station_id) <= 255 and "/" not in station_id and station_id.isprintable()
    return station_id if usable and station_id != "ocpp" else None


class Reason(StrEnum):
    """Why somebody was not let in."""

    PATH = "path"  # no station id in it
    UNKNOWN = "unknown"  # no network file names the station
    PROFILE = "profile"  # the station must use a higher security profile, or came without TLS
    PASSWORD = "password"  # none shown, or a wrong one  # noqa: S105
    CERTIFICATE = "certificate"  # for another name
    RATE = "rate"  # too much from this address
    BUSY = "busy"  # too many passwords wait to be checked


class Arrival(NamedTuple):
    """Who knocks. `authorization` is the HTTP header; `certificate` as `ssl.SSLSocket.getpeercert` tells it."""

    path: str
    address: str
    authorization: str = ""
    secure: bool = True
    certificate: Mapping[str, Any] | None = None


class Refusal(NamedTuple):
    """The answer to who may not come in. `retry_s`: when to try again."""

    reason: Reason
    status: HTTPStatus
    text: str
    retry_s: float = 0.0


_WHO = Refusal(Reason.PASSWORD, HTTPStatus.UNAUTHORIZED, "HTTP Basic authentication is required.\n")
_NOT_REGISTERED = Refusal(Reason.UNKNOWN, HTTPStatus.NOT_FOUND, "This station is not registered.\n")
_BACK_S = (10.0, 30.0)


def _too_much(wait_s: float) -> Refusal:
    return Refusal(Reason.RATE, HTTPStatus.TOO_MANY_REQUESTS, "Too many tries from this address.\n", wait_s)


def _busy() -> Refusal:
    """A fleet that came all at once is not to come back all at once."""
    return Refusal(
        Reason.BUSY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Busy; try again.\n",
        random.uniform(*_BACK_S),  # noqa: S311  # no secret
    )


class Admission:
    """Decides on websocket handshakes, for all listeners together. `close` it in the end."""

    def __init__(self, settings: OcppSettings, registry: Registry, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._registry = registry
        self._clock = clock
        self._proxies = tuple(ipaddress.ip_network(text) for text in settings.trusted_proxies)
        self._passwords = Passwords()
        self._limits = Limits(
            handshakes_per_address=settings.handshakes_per_address,
            connections_per_address=settings.connections_per_address,
        )
        self._looks = Bucket(_LOOKS_PER_S, clock())
        self._settling: set[asyncio.Task[None]] = set()
        self.refused: Counter[str] = Counter()

    async def close(self) -> None:
        self._passwords.close()
        await cancel_and_wait(self._settling)

    async def admit(
        self, profile: int, tls: ServerTls | None, connection: ServerConnection, request: Request
    ) -> Response | None:
        """For `process_request` of a listener. Who is let in has the station id as `connection.username`."""
        arrival = self._arrival(profile, connection, request)
        if profile == 3 and tls is not None and tls.vouches_for(connection.transport.get_extra_info("ssl_object")):
            arrival = arrival._replace(certificate=connection.transport.get_extra_info("peercert"))
        found = await self.decide(profile, arrival)
        if isinstance(found, str):
            connection.username = found
            return None
        self.refused[found.reason] += 1
        response = connection.respond(found.status, found.text)
        if found.status is HTTPStatus.UNAUTHORIZED:
            response.headers["WWW-Authenticate"] = 'Basic realm="laddvakt"'
        if found.retry_s:
            response.headers["Retry-After"] = str(ceil(found.retry_s))
        return response

    @contextmanager
    def present(self, connection: ServerConnection) -> Iterator[None]:
        """Counts a connection for as long as it is open."""
        assert connection.request is not None  # noqa: S101  # the handshake is over
        address = self._arrival(0, connection, connection.request).address
        self._limits.entered(address, self._clock())
        try:
            yield
        finally:
            self._limits.left(address)

    async def decide(self, profile: int, arrival: Arrival) -> str | Refusal:
        """The station id of who may come in."""
        wait_s = self._limits.arrive(arrival.address, self._clock())
        if wait_s > 0:
            return _too_much(wait_s)
        said = station_id_of(arrival.path)
        if said is None:
            text = "The path must be /<station id> or /ocpp/<station id>.\n"
            return Refusal(Reason.PATH, HTTPStatus.NOT_FOUND, text)
        if not arrival.secure:
            return Refusal(Reason.PROFILE, HTTPStatus.FORBIDDEN, "TLS is required.\n")
        station_id = self._registry.spelling(said)
        if profile in (1, 2):
            return await self._by_password(profile, arrival, station_id)
        known = self._registry.known(station_id)
        if known is None:
            await self._look_again()  # it may have been imported a moment ago
            known = self._registry.known(station_id)
        if known is None and self._settings.unknown_stations == "reject":
            logger.warning(
                "station %r is not registered and was refused; import it with a network file", station_id
            )
            return _NOT_REGISTERED
        if profile == 3:
            return self._by_certificate(arrival, station_id, known)
        if known is not None and known.security_profile > profile:
            logger.warning("station %r must use security profile %d", station_id, known.security_profile)
            return Refusal(Reason.PROFILE, HTTPStatus.FORBIDDEN, "This address is not for this station.\n")
        return station_id

    def _by_certificate(self, arrival: Arrival, station_id: str, known: Credentials | None) -> str | Refusal:
        wanted = (known and known.certificate) or station_id
        if arrival.certificate is not None and is_named(arrival.certificate, wanted):
            expires_at = expiry_of(arrival.certificate)
            if known is not None and known.certificate_expires_at != expires_at and expires_at is not None:
                self._in_background(self._registry.settle_certificate(station_id, expires_at))
            return station_id
        logger.warning("station %r came with a certificate that is not %r's, or is revoked", station_id, wanted)
        return Refusal(
            Reason.CERTIFICATE, HTTPStatus.FORBIDDEN, "The certificate does not stand for this station.\n"
        )

    async def _by_password(self, profile: int, arrival: Arrival, station_id: str) -> str | Refusal:
        """Unknown stations and those without a password are refused as late as, and in the same words as, those
        with a wrong one. Only where unknown ones may wait inside does an id alone tell whether it is known."""
        if self._registry.known(station_id) is None and self._settings.unknown_stations != "reject":
            await self._look_again()
            if self._registry.known(station_id) is None:
                return station_id  # it will be told `Pending`
        shown = basic_password(arrival.authorization, station_id)
        if shown is None:
            logger.warning("station %r at %s did not show a password", station_id, arrival.address)
            return _WHO
        fitted = self._passwords.remembered(station_id, self._hashes(profile, station_id), shown)
        if fitted is None:
            checked = await self._check(profile, arrival.address, station_id, shown)
            if isinstance(checked, Refusal):
                return checked
            fitted = checked
        self._settle(station_id, fitted)
        return station_id

    async def _check(self, profile: int, address: str, station_id: str, shown: bytes) -> str | Refusal:
        """The hash that fits a password that is new here."""
        wait_s = self._limits.begin_check(address, station_id, self._clock())
        if wait_s > 0:
            return _too_much(wait_s)
        hashes = self._hashes(profile, station_id)
        checked = await self._passwords.check(station_id, hashes, shown)
        if checked.verdict is Verdict.WRONG:
            await self._look_again()  # it may have been imported, or been given another one, a moment ago
            if (newer := self._hashes(profile, station_id)) != hashes:
                checked = await self._passwords.check(station_id, newer, shown)
        if checked.verdict is Verdict.WRONG:
            logger.warning("station %r at %s showed a wrong password, or is not registered", station_id, address)
            return _WHO
        self._limits.take_back(address, station_id, right=checked.verdict is Verdict.RIGHT)
        return checked.fitted or _busy()

    def _hashes(self, profile: int, station_id: str) -> tuple[str, ...]:
        """Of the passwords that count for a station here: the present one, and the one that it was told."""
        known = self._registry.known(station_id)
        if known is None or known.security_profile > profile:
            return ()
        return tuple(filter(None, (known.password_hash, known.next_password_hash)))

    def _settle(self, station_id: str, fitted: str) -> None:
        known = self._registry.known(station_id)
        if known is not None and known.next_password_hash == fitted:
            self._in_background(self._registry.settle_password(station_id, fitted))

    def _in_background(self, settling: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(settling)
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def _look_again(self) -> None:
        """Into the records; not for everybody who invents an id."""
        if self._looks.wait_s(self._clock()) == 0:
            self._looks.take(self._clock())
            await self._registry.reload()

    def _arrival(self, profile: int, connection: ServerConnection, request: Request) -> Arrival:
        get = partial(_header, request)
        peer = connection.remote_address
        address = str(peer[0]) if isinstance(peer, tuple) and peer else ""
        by_proxy = is_in(address, self._proxies)
        at_proxy = self._settings.tls_at_proxy and profile == 2
        return Arrival(
            path=request.path,
            address=client_address(address, get("X-Forwarded-For"), self._proxies),
            authorization=get("Authorization"),
            secure=not at_proxy or (by_proxy and get("X-Forwarded-Proto").lower() in {"https", "wss"}),
        )


def _header(request: Request, name: str) -> str:
    try:
        return request.headers.get(name, "")
    except MultipleValuesError:
        return ", ".join(request.headers.get_all(name)) if name == "X-Forwarded-For" else ""


_Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]


def is_in(address: str, networks: _Networks) -> bool:
    """Whether an address is of one of these networks."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    return any(parsed in network for network in networks)


def client_address(peer: str, forwarded_for: str, proxies: _Networks) -> str:
    """Whom a connection is from. Proxies add the address that they see at the end of X-Forwarded-For; what stands
    before the first one that is not a proxy of ours anybody may have written."""
    hops = [*filter(None, map(_without_port, forwarded_for.split(","))), peer]
    while len(hops) > 1 and is_in(hops[-1], proxies):
        hops.pop()
    return hops[-1]


def _without_port(hop: str) -> str:
    """An address of X-Forwarded-For; some proxies write `192.0.2.1:4711` or `[2001:db8::1]:4711`."""
    bare = hop.strip()
    if bare.startswith("["):
        return bare[1:].partition("]")[0]
    return bare.partition(":")[0] if bare.count(":") == 1 else bare
