"""One connection through the tap, read along: copies of its bytes in, what was said to the journal.

`Guarded` is what the relay is given: whatever goes wrong in here, the relay does not feel it.
"""

from __future__ import annotations

import logging
import urllib.parse
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Protocol

from collector.tap.conversation import Conversation
from collector.tap.head import MAX_HEAD_BYTES
from collector.tap.journal import Journal
from collector.tap.wire import UnreadableError, Wire, extensions_of
from laddvakt.domain.entries import Entry

logger = logging.getLogger(__name__)

Read = Callable[[str | bytes, datetime], list[Entry]]

_DEFAULT_PROTOCOL = "ocpp1.6"  # for stations that offer no subprotocol at all


class Listener(Protocol):
    """What the relay tells of one connection, after it has sent the bytes on."""

    def asked(self, path: str) -> None: ...  # the station's request is complete
    def from_station(self, data: bytes) -> None: ...  # behind its request
    def from_central(self, data: bytes) -> None: ...
    def ended(self, reason: str) -> None: ...


def station_id_of(path: str) -> str | None:
    """The last part of a request's path, percent-encoding undone; None where that cannot be a station's id."""
    last = urllib.parse.urlsplit(path).path.rstrip("/").rpartition("/")[2]
    station_id = urllib.parse.unquote(last)
    return station_id if 0 < len(station_id) <= 255 and station_id.isprintable() else None


class Present:
    """The newest connection of each station."""

    def __init__(self) -> None:
        self.conversations: dict[str, Conversation] = {}

    def protocol_of(self, station_id: str) -> str | None:
        conversation = self.conversations.get(station_id)
        return conversation.protocol if conversation else None


class Observation:
    """Reads along from the central system's answer on. Raises UnreadableError when it cannot any more."""

    def __init__(
        self, journal: Journal, present: Present, clock: Callable[[], datetime], max_message_bytes: int
    ) -> None:
        self._journal = journal
        self._present = present
        self._clock = clock
        self._max_message_bytes = max_message_bytes
        self._station_id: str | None = None
        self._answer: bytes | None = None  # to a request, as far as it came
        self._early = b""
        self._conversation: Conversation | None = None
        self._of_station: Wire | None = None
        self._of_central: Wire | None = None

    def asked(self, path: str) -> None:
        self._station_id = station_id_of(path)
        self._answer = b""

    def from_station(self, data: bytes) -> None:
        conversation, wire = self._conversation, self._of_station
        if conversation is not None and wire is not None:
            self._take(conversation, wire, data, conversation.heard)
        elif self._answer is not None and len(self._early) < MAX_HEAD_BYTES:
            self._early += data  # it did not wait for the answer to its handshake

    def from_central(self, data: bytes) -> None:
        conversation, wire = self._conversation, self._of_central
        if conversation is not None and wire is not None:
            self._take(conversation, wire, data, conversation.told)
        elif self._answer is not None:
            self._answered(self._answer + data)

    def ended(self, reason: str) -> None:
        conversation = self._conversation
        if conversation is None:
            return
        self._conversation = None
        now = self._clock()
        if self._present.conversations.get(conversation.station_id) is not conversation:
            self._journal.put(conversation, now, 0, conversation.given_up)
            return
        del self._present.conversations[conversation.station_id]
        wires = [wire for wire in (self._of_station, self._of_central) if wire is not None]
        said = next((wire.closing for wire in wires if wire.closing), reason)
        self._journal.put(conversation, now, 0, partial(conversation.closed, now, said))

    def blind(self, reason: str) -> None:
        """From now on nothing of this connection is observed; that is said in the log."""
        conversation = self._conversation
        self._answer = None
        self._of_station = self._of_central = None
        if conversation is not None:
            now = self._clock()
            logger.warning("station %r: not observed until it connects anew: %s", conversation.station_id, reason)
            self._journal.put(conversation, now, len(reason), partial(conversation.blind, now, reason))

    def _answered(self, answer: bytes) -> None:
        head, end, rest = answer.partition(b"\r\n\r\n")
        if not end:
            self._answer = answer if len(answer) <= MAX_HEAD_BYTES else None
            return
        self._answer = None
        line, *fields = head.decode("latin-1").split("\r\n")
        if line.split(" ")[1:2] != ["101"]:
            logger.warning("station %r: the central system answers %s", self._station_id, line[:80])
            self._early = b""
        elif self._station_id is not None:
            self._begin(self._station_id, fields, rest)

    def _begin(self, station_id: str, fields: list[str], rest: bytes) -> None:
        headers = {name.strip().lower(): value.strip() for name, _, value in (f.partition(":") for f in fields)}
        protocol = headers.get("sec-websocket-protocol") or _DEFAULT_PROTOCOL
        conversation = self._conversation = Conversation(station_id, protocol)
        self._present.conversations[station_id] = conversation
        now = self._clock()
        self._journal.put(conversation, now, 0, partial(conversation.opened, now))
        agreed = headers.get("sec-websocket-extensions", "")
        size = self._max_message_bytes
        self._of_station = Wire(masked=True, extensions=extensions_of(agreed, of_station=True), max_bytes=size)
        self._of_central = Wire(masked=False, extensions=extensions_of(agreed, of_station=False), max_bytes=size)
        early, self._early = self._early, b""
        if early:
            self.from_station(early)
        if rest:
            self.from_central(rest)

    def _take(self, conversation: Conversation, wire: Wire, data: bytes, read: Read) -> None:
        messages = wire.feed(data)
        if messages:
            now = self._clock()
            for message in messages:
                self._journal.put(conversation, now, len(message), partial(read, message, now))
        if wire.too_long:
            self._journal.missed(conversation.station_id, self._clock(), "too long", messages=wire.too_long)
            wire.too_long = 0


class Guarded:
    """A listener that never raises: at its first failure it goes blind."""

    def __init__(self, listener: Observation) -> None:
        self._listener: Observation | None = listener

    def asked(self, path: str) -> None:
        self._guard(lambda listener: listener.asked(path))

    def from_station(self, data: bytes) -> None:
        self._guard(lambda listener: listener.from_station(data))

    def from_central(self, data: bytes) -> None:
        self._guard(lambda listener: listener.from_central(data))

    def ended(self, reason: str) -> None:
        self._guard(lambda listener: listener.ended(reason))

    def _guard(self, act: Callable[[Observation], None]) -> None:
        listener = self._listener
        if listener is None:
            return
        try:
            act(listener)
        except UnreadableError as error:
            listener.blind(str(error))
        except Exception as error:
            logger.exception("a fault while listening; the connection goes on")
            listener.blind(type(error).__name__)
