"""The tap as a service. It forwards from the first moment, whether there is an event log or not."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import msgspec

from collector.tap.head import parse_upstream
from collector.tap.journal import Gap, Journal
from collector.tap.observation import Guarded, Observation, Present
from collector.tap.relay import Relay, StationEnd, Way
from laddvakt.domain.commands import CommandRequest, CommandResult, CommandStatus
from laddvakt.domain.errors import EventLogError, SettingsError
from laddvakt.domain.times import rfc3339
from laddvakt.eventlog.client import EventLog
from laddvakt.settings import Settings, TapSettings, split_address

logger = logging.getLogger(__name__)

PULSE_S = 2.0
_gaps = msgspec.json.Decoder(dict[str, Gap]).decode
NOTED_AFTER = timedelta(seconds=2)  # what waits longer for the log is noted in a file, lest our end hides it
AGAIN_S = 1.0


def station_tls(settings: TapSettings) -> ssl.SSLContext | None:
    """For stations. Raises SettingsError for files that cannot be used."""
    if not settings.cert_file:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.cert_file, settings.key_file or None)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"tap.cert_file {settings.cert_file}: {error}.", mend="Name PEM files that go together."
        ) from error
    return context


def upstream_tls(settings: TapSettings) -> ssl.SSLContext:
    """For the central system: its certificate is checked. Raises SettingsError."""
    try:
        return ssl.create_default_context(cafile=settings.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"tap.ca_file {settings.ca_file}: {error}.", mend="Name a PEM file.") from error


class _Deaf:
    """Holds stations, as collectors see it. Whoever has a command for one is told where to turn."""

    def __init__(self, present: Present) -> None:
        self._present = present

    def holds(self, station_id: str) -> bool:
        return station_id in self._present.conversations

    def taken(self, station_id: str, since: datetime) -> None:
        """A collector has the station as well: whether it leaves us is its central system's matter."""

    def timeout_of(self, request: CommandRequest) -> float:
        return 0.0

    async def handle(self, request: CommandRequest) -> CommandResult:
        return CommandResult(
            command_id=request.command_id,
            station_id=request.station_id,
            action=request.action,
            status=CommandStatus.NOT_CONNECTED,
            detail="the station talks to its own central system through the tap: command it there",
        )


class Tap:
    """`run` serves until cancelled. Raises SettingsError for settings that cannot be used."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime]) -> None:
        tap = settings.tap
        if not tap.listen or not tap.upstream:
            raise SettingsError(
                "the tap needs tap.listen and tap.upstream.", mend="See docs/how-to/tap.md of the documentation."
            )
        upstream = parse_upstream(tap.upstream)
        self._settings = settings
        self._clock = clock
        self._present = Present()
        self._noted = settings.run_dir / "tap-unlogged.json"
        self._server: asyncio.Server | None = None
        self._station_tls = station_tls(tap)
        tls = upstream_tls(tap) if upstream.tls else None
        self.relay = Relay(Way(upstream, tls, keep_host=tap.keep_host))
        self.journal = Journal(bound_bytes=tap.buffer_bytes, protocol_of=self._present.protocol_of)

    @property
    def connected(self) -> frozenset[str]:
        """Stations whose handshake the central system has accepted."""
        return frozenset(self._present.conversations)

    @property
    def serving(self) -> bool:
        return self._server is not None and self._server.is_serving()

    @property
    def port(self) -> int:
        """The port in use. Only after `start`."""
        if self._server is None:
            raise SettingsError("the tap is not started.")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def start(self) -> None:
        """Raises SettingsError when the address is in use."""
        host, port = split_address(self._settings.tap.listen)
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._end, host, port, ssl=self._station_tls, backlog=1024)
        except OSError as error:
            raise SettingsError(
                f"cannot listen on {self._settings.tap.listen} (tap.listen): {error.strerror or error}.",
                mend="Stop what uses that port, or set tap.listen to another address.",
            ) from error
        way = self.relay.way.upstream
        logger.info("tap: port %d, to %s:%d", self.port, way.host, way.port)

    def _end(self) -> StationEnd:
        size = self._settings.tap.max_message_bytes
        return StationEnd(self.relay, Guarded(Observation(self.journal, self._present, self._clock, size)))

    async def run(self) -> None:
        await self.start()
        self._inherit()
        log = await self._first_log()
        stops: list[Callable[[], Awaitable[None]]] = []
        try:
            self.journal.open(log.appender)
            deaf = _Deaf(self._present)
            stops += [await log.commands.serve(deaf), await log.holders.serve(deaf)]
            while True:
                await self._pulse(log)
                self._note(NOTED_AFTER)
                await asyncio.sleep(PULSE_S)
        finally:
            self.stop()
            await asyncio.sleep(0)  # the connections end
            self.journal.flush()
            for stop in stops:
                await stop()
            await log.close()
            self._note(timedelta(0))

    def stop(self) -> None:
        """Stations lose their connection, as with any restart between them and the central system."""
        if self._server is not None:
            self._server.close()
        self._present.conversations.clear()  # our own end is not the stations' doing: it is not written down
        self.relay.close()

    async def _first_log(self) -> EventLog:
        """Until there is one: stations do not wait for it."""
        try:
            while True:
                try:
                    return await EventLog.connect(self._settings, name="tap")
                except EventLogError as error:
                    logger.warning("forwarding; the journal waits: %s", error)
                    self._note(NOTED_AFTER)
                    await asyncio.sleep(AGAIN_S)
        except BaseException:
            self.stop()
            await asyncio.sleep(0)
            self._note(timedelta(0))
            raise

    def _inherit(self) -> None:
        """Takes over what a former process could not write down."""
        try:
            self.journal.inherit(_gaps(self._noted.read_bytes()))
        except FileNotFoundError:
            return
        except (OSError, msgspec.MsgspecError) as error:
            logger.error("what was not observed before is not known: %s: %s", self._noted, error)

    def _note(self, longer_than: timedelta) -> None:
        """Keeps in a file what is not in the log. Blocks for a moment, and only while there is something."""
        unlogged = self.journal.unlogged(self._clock(), longer_than)
        try:
            if not unlogged:
                self._noted.unlink(missing_ok=True)
                return
            self._noted.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._noted.with_suffix(".new")
            fresh.write_bytes(msgspec.json.encode(unlogged))
            fresh.replace(self._noted)
        except OSError as error:
            logger.error("what is not observed cannot be noted: %s", error)

    async def _pulse(self, log: EventLog) -> None:
        """The tap's sign of life on the live feed."""
        now = self._clock()
        for conversation in list(self._present.conversations.values()):
            if conversation.held_bytes:
                self.journal.overdue(conversation, now)
        pulse = {
            "service": "tap",
            "at": rfc3339(now),
            "lag_s": 0.0,
            "connected": len(self._present.conversations),
            "messages": self.journal.observed,
            "not_observed": self.journal.not_observed,
            "waiting_bytes": self.journal.size,
            "stalled": log.appender.stalled,
            "unreachable": self.relay.way.failures,
            "trouble": self.relay.way.trouble,
        }
        await log.feed.publish("pulse", msgspec.json.encode(pulse))
