"""Commands to the stations that this collector holds: from whoever asks to the socket, and the answer back.

A command is in the log before it is on the wire, and its answer before whoever asked is told.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from collector.link import Link
from collector.ocpp import commands, frames
from collector.ocpp.commands import Command
from laddvakt.domain.commands import CommandRequest, CommandResult, CommandStatus
from laddvakt.domain.entries import Entry

Append = Callable[[Entry], "asyncio.Future[None]"]
Send = Callable[[str], None]


class _Station(NamedTuple):
    link: Link
    send: Send  # a text to the station, now; never raises


class _Asked(NamedTuple):
    """A command that somebody waits for."""

    station_id: str
    command: Command
    told: asyncio.Future[CommandResult]
    timer: asyncio.TimerHandle


class Calls:
    """`await calls.send(station_id, action, payload, actor=...)` from anywhere in a collector. The server attaches
    each connection, detaches it when it ends, and settles the results of answers."""

    def __init__(self, append: Append, clock: Callable[[], datetime], timeout_s: float) -> None:
        self._append = append
        self._clock = clock
        self._timeout_s = timeout_s
        self._stations: dict[str, _Station] = {}
        self._asked: dict[str, _Asked] = {}  # by command id
        self._on_the_wire: set[str] = set()  # ids of those that were sent
        self.watchers: list[Callable[[Link], None]] = []  # told of each connection

    def attach(self, link: Link, send: Send) -> None:
        """A station's newest connection; commands go there from now on."""
        former = self._stations.get(link.station_id)
        self._stations[link.station_id] = _Station(link, send)
        if former is not None:
            self._end(former.link)
        for watch in self.watchers:
            watch(link)

    def detach(self, link: Link) -> None:
        """A connection is over. Harmless when a newer one has taken its place."""
        station = self._stations.get(link.station_id)
        if station is not None and station.link is link:
            del self._stations[link.station_id]
        self._end(link)

    def holds(self, station_id: str) -> bool:
        return station_id in self._stations

    def link_of(self, station_id: str) -> Link | None:
        """The connection of a station that this collector holds."""
        station = self._stations.get(station_id)
        return None if station is None else station.link

    async def send(
        self, station_id: str, action: str, payload: dict[str, Any], *, actor: str, timeout_s: float | None = None
    ) -> CommandResult:
        """Sends a command and waits for what becomes of it: the result says so, nothing is raised. `actor` is who
        asks, as the history shows it."""
        return await self.handle(
            CommandRequest(
                command_id=uuid.uuid4().hex,
                station_id=station_id,
                action=action,
                payload=payload,
                actor=actor,
                timeout_s=timeout_s,
            )
        )

    async def handle(self, request: CommandRequest) -> CommandResult:
        """`send` for a request that came from another process."""
        station = self._stations.get(request.station_id)
        if station is None:
            return _refusal(request, CommandStatus.NOT_CONNECTED, "the station is not connected here")
        problems = commands.problems(station.link.protocol, request.action, request.payload)
        if problems:
            return _refusal(request, CommandStatus.INVALID, "; ".join(problems), problems)
        if request.command_id in self._asked:
            return _refusal(request, CommandStatus.INVALID, "command_id: a command has this id already")
        command = Command(request.command_id, request.action, request.payload, request.actor)
        if not station.link.outbox.submit(command):
            detail = f"{commands.MAX_WAITING} commands wait for this station already"
            return _refusal(request, CommandStatus.BUSY, detail)
        loop = asyncio.get_running_loop()
        timer = loop.call_later(self.timeout_of(request), self._give_up, station.link, command)
        told: asyncio.Future[CommandResult] = loop.create_future()
        self._asked[command.command_id] = _Asked(request.station_id, command, told, timer)
        self._pump(station)
        return await told

    def timeout_of(self, request: CommandRequest) -> float:
        """Seconds from being asked to being given up, waiting in line included."""
        return self._timeout_s if request.timeout_s is None else request.timeout_s

    def settle(self, link: Link, result: CommandResult) -> None:
        """An answer is in the log: tells whoever asked, and sends what waits next."""
        self._tell(result)
        self._go_on(link)

    def _pump(self, station: _Station) -> None:
        command = station.link.outbox.next()
        if command is None:
            return
        durable = self._append(station.link.calling(command, self._clock()))
        durable.add_done_callback(lambda done: self._logged(station.link, command, done))

    def _logged(self, link: Link, command: Command, durable: asyncio.Future[None]) -> None:
        station = self._stations.get(link.station_id)
        asked = self._asked.get(command.command_id)
        if station is None or station.link is not link or asked is None:
            return  # given up while the log was away
        error = None if durable.cancelled() else durable.exception()
        if error is not None or durable.cancelled():
            link.outbox.give_up(command.command_id)
            detail = f"the event log did not take it: {error or 'it is closing'}"
            self._tell(_result(asked, CommandStatus.NOT_SENT, detail))
            self._go_on(link)
            return
        self._on_the_wire.add(command.command_id)
        station.send(frames.call(command.command_id, command.action, command.payload))

    def _give_up(self, link: Link, command: Command) -> None:
        status = link.outbox.give_up(command.command_id)
        asked = self._asked.get(command.command_id)
        if status is None or asked is None:
            return
        self._end_one(link, asked, status)
        self._go_on(link)

    def _end(self, link: Link) -> None:
        for command, status in link.outbox.close():
            asked = self._asked.get(command.command_id)
            if asked is not None:
                self._end_one(link, asked, status)

    def _end_one(self, link: Link, asked: _Asked, status: CommandStatus) -> None:
        if status is not CommandStatus.NOT_SENT:  # it is in the log, or on its way there
            if asked.command.command_id not in self._on_the_wire:
                status = CommandStatus.NOT_SENT
            self._append(link.unanswered(asked.command, status, self._clock()))
        self._tell(_result(asked, status, _WHY[status]))

    def _go_on(self, link: Link) -> None:
        station = self._stations.get(link.station_id)
        if station is not None and station.link is link:
            self._pump(station)

    def _tell(self, result: CommandResult) -> None:
        self._on_the_wire.discard(result.command_id)
        asked = self._asked.pop(result.command_id, None)
        if asked is None:
            return
        asked.timer.cancel()
        if not asked.told.done():
            asked.told.set_result(result)


_WHY = {
    CommandStatus.TIMEOUT: "the station did not answer in time",
    CommandStatus.LOST: "the connection ended before the station answered",
    CommandStatus.NOT_SENT: "its time, or the connection, was over before it could be sent",
}


def _result(asked: _Asked, status: CommandStatus, detail: str) -> CommandResult:
    return CommandResult(
        command_id=asked.command.command_id,
        station_id=asked.station_id,
        action=asked.command.action,
        status=status,
        detail=detail,
    )


def _refusal(
    request: CommandRequest, status: CommandStatus, detail: str, problems: tuple[str, ...] = ()
) -> CommandResult:
    return CommandResult(
        command_id=request.command_id,
        station_id=request.station_id,
        action=request.action,
        status=status,
        detail=detail,
        problems=problems,
    )
