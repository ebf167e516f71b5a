"""The websocket server: one Link per station; little else. Who may come in is admission's matter."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import cast

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.typing import Subprotocol

from collector import doors
from collector.admission import Admission
from collector.calls import Calls
from collector.connection import Door, StationConnection
from collector.limits import Bucket
from collector.link import SUPPORTED, Link, Outcome
from collector.ocpp.action import SigningRequest
from collector.registry import Registry
from collector.tls import LOOK_S, ServerTls
from laddvakt.domain.errors import EventLogError, SettingsError
from laddvakt.eventlog.appender import Appender
from laddvakt.settings import Listener, OcppSettings, split_address

logger = logging.getLogger(__name__)

_STOP_S = 4.0  # from the last goodbye on
_LAST_WORDS_S = 1.5  # for the answer to what a station has said
_GENTLY_S = 0.01  # between two goodbyes, at most
_BACKLOG = 4096  # a whole fleet may knock at once; the system's own bound applies too


class StationServer:
    """Serves stations on one address or more, each with a security profile of its own."""

    def __init__(
        self, settings: OcppSettings, registry: Registry, appender: Appender, clock: Callable[[], datetime]
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._admission = Admission(settings, registry, clock)
        self._appender = appender
        self._clock = clock
        self.calls = Calls(appender.append, clock, settings.command_timeout_s)
        self._door = Door()
        self._connections: dict[str, StationConnection] = {}
        self._servers: list[Server] = []
        self._tls: list[ServerTls] = []
        self.on_errand: Callable[[SigningRequest], None] | None = None
        self._stopping = False
        self.messages = 0
        self.paced = 0  # messages after which a station had to wait
        self.on_connected: Callable[[Link], Awaitable[None]] | None = None  # tells the other collectors

    @property
    def connected(self) -> frozenset[str]:
        return frozenset(self._connections)

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports in use, in the order of the settings."""
        return tuple(next(iter(server.sockets)).getsockname()[1] for server in self._servers)

    @property
    def port(self) -> int:
        """The first port in use. Only after `start`."""
        if not self._servers:
            raise SettingsError("the station server is not started.")
        return self.ports[0]

    @property
    def refused(self) -> Counter[str]:
        """How many were not let in, by `collector.admission.Reason`."""
        return self._admission.refused

    async def start(self) -> None:
        """Raises SettingsError when an address is in use, or would be open to everybody."""
        doors.check(self._settings)
        for doubt in doors.doubts(self._settings):
            logger.warning("%s", doubt)
        try:
            for door in self._settings.doors:
                self._servers.append(await self._open(door))
        except SettingsError:
            await self.stop()
            raise

    async def _open(self, door: Listener) -> Server:
        host, port = split_address(door.listen)
        tls = None
        if doors.ends_tls(self._settings, door):
            tls = ServerTls(self._settings, door.security_profile, self._clock)
            self._tls.append(tls)
        try:
            return await serve(
                self._handle,
                host,
                port,
                ssl=tls.context if tls else None,
                process_request=partial(self._admission.admit, door.security_profile, tls),
                select_subprotocol=self._choose,
                compression=None,  # saves 32 KB a connection; stations rarely offer it
                max_size=self._settings.max_frame_bytes,
                create_connection=partial(StationConnection, door=self._door),  # type: ignore[arg-type]  # wants a type
                reuse_port=self._settings.processes > 1 or None,
                backlog=_BACKLOG,
                ping_interval=60,
                ping_timeout=60,
                open_timeout=120,  # waiting for one's turn included; requests have a time of their own
                close_timeout=2,
                server_header=None,
            )
        except OSError as error:
            raise SettingsError(
                f"cannot listen for stations on {door.listen} (ocpp.listen): {error.strerror or error}.",
                mend="Stop what uses that port, or set ocpp.listen to another address.",
            ) from error

    async def stop(self) -> None:
        """Refuses new stations at once and says goodbye to the present ones (close code 1001, going away), not to
        all at the same moment: they come back as they went. What they have said is answered first."""
        self._stopping = True
        for server in self._servers:
            server.close(close_connections=False)
        goodbyes = await self._say_goodbye()
        try:
            async with asyncio.timeout(_STOP_S):
                await asyncio.gather(*goodbyes)
                for server in self._servers:
                    await server.wait_closed()
        except TimeoutError:  # they got no answer, so they will say it again
            logger.warning("some stations still wait for the event log; stopping all the same")
        await self._admission.close()

    async def _say_goodbye(self) -> list[asyncio.Task[None]]:
        leaving = list(self._connections.values())
        spread_s = min(self._settings.drain_s, len(leaving) * _GENTLY_S)
        loop = asyncio.get_running_loop()
        begun, goodbyes = loop.time(), []
        for number, connection in enumerate(leaving):
            due = begun + spread_s * number / len(leaving)
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
            goodbyes.append(asyncio.create_task(connection.hang_up(1001, "service restart", _LAST_WORDS_S)))
        return goodbyes

    def renew_certificates(self) -> None:
        """Those that have changed on disk are used from now on."""
        for tls in self._tls:
            tls.look()

    async def keep_fresh(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.renew_certificates()

    def _choose(self, connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        """The first version that both sides speak; None completes the handshake without one and `_handle` then
        closes it, as OCPP-J 1.6 section 3.2 asks."""
        return next((name for name in offered if name in SUPPORTED), None)

    async def _handle(self, opened: ServerConnection) -> None:
        connection = cast("StationConnection", opened)  # see create_connection
        with self._admission.present(connection):
            await self._serve(connection, connection.username)

    async def _serve(self, connection: StationConnection, station_id: str) -> None:
        assert connection.request is not None  # noqa: S101  # the handshake is over
        protocol = connection.subprotocol
        if protocol is None:
            if connection.request.headers.get("Sec-WebSocket-Protocol"):
                await connection.close(1000, f"no common subprotocol; offer one of {', '.join(SUPPORTED)}")
                return
            protocol = Subprotocol(self._settings.default_protocol)
        link = Link(station_id, protocol, self._registry.policy_for(station_id))
        self._replaced(station_id)
        self._connections[station_id] = connection  # the new socket wins; the old one's end changes nothing
        try:
            self._appender.submit(link.connected(self._clock()))
            self.calls.attach(link, connection.say)
            pace = Bucket(self._settings.messages_per_station, self._clock())
            connection.listen(partial(self._receive, connection, link, pace))
            if self.on_connected is not None:
                await self.on_connected(link)
            await connection.wait_closed()
        finally:
            self.calls.detach(link)
            if self._connections.get(station_id) is connection:
                del self._connections[station_id]
                if not self._stopping:  # our own restart is not the station's doing
                    closed = connection.closed_by
                    reason = f"{closed.code} {closed.reason}".strip() if closed else "connection lost"
                    self._appender.submit(link.disconnected(self._clock(), reason))

    def holds(self, station_id: str) -> bool:
        return station_id in self._connections

    def taken(self, station_id: str, since: datetime) -> None:
        """Another collector has the station. Ours is older and has not noticed its end, or ours is the newer one
        and the other will hear of it."""
        link = self.calls.link_of(station_id)
        if link is not None and link.since is not None and link.since < since:
            self._replaced(station_id)

    def _replaced(self, station_id: str) -> None:
        """Ends the present connection of a station, if there is one, in favour of a newer one."""
        former = self._connections.pop(station_id, None)
        if former is not None:
            closing = asyncio.create_task(former.hang_up(1000, "replaced by a newer connection"))
            closing.add_done_callback(lambda task: task.cancelled() or task.exception())

    def _receive(self, connection: StationConnection, link: Link, pace: Bucket, message: str | bytes) -> None:
        """One frame. The reply leaves only when the entry is durable."""
        now = self._clock()
        if (wait_s := pace.take(now)) > 0:
            self.paced += 1
            connection.rest(wait_s)
        outcome = link.receive(message, now)
        try:
            self._appender.submit(outcome.entry, partial(self._logged, connection, link, outcome))
        except EventLogError as error:
            logger.error("station %r: %s", link.station_id, error)
            outcome = link.unloggable(outcome, str(error))
            self._appender.submit(outcome.entry, partial(self._logged, connection, link, outcome))

    def _logged(self, connection: StationConnection, link: Link, outcome: Outcome) -> None:
        self.messages += 1
        connection.answer(outcome.reply)
        if outcome.errand is not None and self.on_errand is not None:
            self.on_errand(outcome.errand)
        if outcome.result is not None:
            self.calls.settle(link, outcome.result)
        if link.policy.registration == "Pending":
            link.policy = self._registry.policy_for(link.station_id)
