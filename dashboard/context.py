"""What every page and every API route works with, wired once at the edge."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from laddvakt.domain.commands import CommandRequest, CommandResult
from laddvakt.domain.quarantine import ReprocessReply, ReprocessRequest
from laddvakt.settings import Settings
from laddvakt.stores.ports import Records, Telemetry

Handler = Callable[[str, bytes], None]
"""Takes the kind of a live message (station, session, ticket, pulse) and its JSON; runs on the event loop."""


class Feed(Protocol):
    """The live feed, as the dashboard needs it: fire and forget, repaired by a fresh snapshot after a gap."""

    @property
    def connected(self) -> bool: ...

    async def publish(self, kind: str, data: bytes) -> None: ...
    async def subscribe(self, handler: Handler) -> Callable[[], Awaitable[None] | None]: ...
    def on_reconnect(self, callback: Callable[[], None]) -> None: ...


class Commands(Protocol):
    """The way of commands to the collector that holds a station."""

    async def ask(self, request: CommandRequest) -> CommandResult: ...  # raises EventLogError: the way is broken


class Reprocessing(Protocol):
    """The way to a collector that reads a message again."""

    async def ask(self, request: ReprocessRequest) -> ReprocessReply: ...  # raises EventLogError: nobody does it


@dataclass(frozen=True, kw_only=True)
class AppContext:
    """One dashboard process. `feed`, `commands` and `reprocessing` are None where nothing is live (a replayed
    store, a test of the API); `clock` gives the present time in UTC."""

    settings: Settings
    records: Records
    telemetry: Telemetry
    feed: Feed | None
    clock: Callable[[], datetime]
    commands: Commands | None = None
    reprocessing: Reprocessing | None = None
