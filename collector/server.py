"""The websocket server: one Link per station; little else. Who may come in is admission's matter."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import cast

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.typing import Subprotocol

from collector.admission import Admission, station_id_of
from collector.calls import Calls
from collector.connection import StationConnection
from collector.link import SUPPORTED, Link, Outcome
from collector.registry import Registry
from laddvakt.domain.errors import EventLogError, SettingsError
from laddvakt.eventlog.appender import Appender
from laddvakt.settings import OcppSettings, is_loopback, split_address

logger = logging.getLogger(__name__)

_STOP_S = 4.0
_DEFAULT_PROTOCOL = "ocpp1.6"  # for stations that offer no subprotocol at all


class StationServer:
    """Serves stations on one address."""

    def __init__(
        self, settings: OcppSettings, registry: Registry, appender: Appender, clock: Callable[[], datetime]
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._admission = Admission(settings, registry)
        self._appender = appender
        self._clock = clock
        self.calls = Calls(appender.append, clock, settings.command_timeout_s)
        self._connections: dict[str, StationConnection] = {}
        self._server: Server | None = None
        self._stopping = False
        self.messages = 0

    @property
    def connected(self) -> frozenset[str]:
        return frozenset(self._connections)

    @property
    def port(self) -> int:
        """The port in use. Only after `start`."""
        if self._server is None:
            raise SettingsError("the station server is not started.")
        port: int = next(iter(self._server.sockets)).getsockname()[1]
        return port

    async def start(self) -> None:
        """Raises SettingsError when the address is in use."""
        host, port = split_address(self._settings.listen)
        if self._settings.security_profile == 0 and not (is_loopback(host) or self._settings.allow_open):
            raise SettingsError(
                f"stations would be served without passwords on {self._settings.listen}.",
                mend="Set ocpp.security_profile = 1, or ocpp.allow_open = true where the network is closed.",
            )
        try:
            self._server = await serve(
                self._handle,
                host,
                port,
                process_request=self._admission.admit,
                select_subprotocol=self._choose,
                compression=None,  # saves 32 KB a connection; stations rarely offer it
                max_size=self._settings.max_frame_bytes,
                create_connection=StationConnection,
                ping_interval=60,
                ping_timeout=60,
                open_timeout=20,
                close_timeout=2,
                server_header=None,
            )
        except OSError as error:
            raise SettingsError(
                f"cannot listen for stations on {self._settings.listen} (ocpp.listen): {error.strerror or error}.",
                mend="Stop what uses that port, or set ocpp.listen to another address.",
            ) from error

    async def stop(self) -> None:
        """Refuses new stations and says goodbye to the present ones (close code 1001, going away)."""
        self._stopping = True
        if self._server is not None:
            self._server.close(close_connections=True, code=1001, reason="service restart")
            try:
                await asyncio.wait_for(self._server.wait_closed(), _STOP_S)
            except TimeoutError:  # they got no answer, so they will say it again
                logger.warning("some stations still wait for the event log; stopping all the same")

    def _choose(self, connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        """The first version that both sides speak; None completes the handshake without one and `_handle` then
        closes it, as OCPP-J 1.6 section 3.2 asks."""
        return next((name for name in offered if name in SUPPORTED), None)

    async def _handle(self, opened: ServerConnection) -> None:
        connection = cast("StationConnection", opened)  # see create_connection
        assert connection.request is not None  # noqa: S101  # the handshake is over
        station_id = station_id_of(connection.request.path)
        assert station_id is not None  # noqa: S101  # admission checked it
        protocol = connection.subprotocol
        if protocol is None:
            if connection.request.headers.get("Sec-WebSocket-Protocol"):
                await connection.close(1000, f"no common subprotocol; offer one of {', '.join(SUPPORTED)}")
                return
            protocol = Subprotocol(_DEFAULT_PROTOCOL)
        link = Link(station_id, protocol, self._registry.policy_for(station_id))
        former = self._connections.get(station_id)
        self._connections[station_id] = connection  # the new socket wins; the old one's end changes nothing
        if former is not None:
            closing = asyncio.create_task(former.hang_up(1000, "replaced by a newer connection"))
            closing.add_done_callback(lambda task: task.cancelled() or task.exception())
        try:
            self._appender.submit(link.connected(self._clock()))
            self.calls.attach(link, connection.say)
            connection.listen(partial(self._receive, connection, link))
            await connection.wait_closed()
        finally:
            self.calls.detach(link)
            if self._connections.get(station_id) is connection:
                del self._connections[station_id]
                if not self._stopping:  # our own restart is not the station's doing
                    closed = connection.closed_by
                    reason = f"{closed.code} {closed.reason}".strip() if closed else "connection lost"
                    self._appender.submit(link.disconnected(self._clock(), reason))

    def _receive(self, connection: StationConnection, link: Link, message: str | bytes) -> None:
        """One frame. The reply leaves only when the entry is durable."""
        outcome = link.receive(message, self._clock())
        try:
            self._appender.submit(outcome.entry, partial(self._logged, connection, link, outcome))
        except EventLogError as error:
            logger.error("station %r: %s", link.station_id, error)
            outcome = link.unloggable(outcome, str(error))
            self._appender.submit(outcome.entry, partial(self._logged, connection, link, outcome))

    def _logged(self, connection: StationConnection, link: Link, outcome: Outcome) -> None:
        self.messages += 1
        connection.answer(outcome.reply)
        if outcome.result is not None:
            self.calls.settle(link, outcome.result)
        if link.policy.registration == "Pending":
            link.policy = self._registry.policy_for(link.station_id)
