"""A station's websocket whose messages go straight to a callback.

The library's own way, a queue and a coroutine that waits for `recv`, costs more than reading the message does. The
library keeps what it is good at: handshake, frames and their limits, pings, closing.

Memory per connection: the socket's buffers, one unfinished message, what one read from the socket brought. At
most `WINDOW` messages are unanswered; beyond that, while the station does not read its replies, and while it rests
for having said too much, it is not read from.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.frames import DATA_OPCODES, Close, CloseCode, Frame, Opcode
from websockets.protocol import Event, State

AT_THE_DOOR = 64
WINDOW = 16
REQUEST_WITHIN_S = 20.0
DEAF_S = 60.0  # a station that takes none of our bytes for so long is gone

OnMessage = Callable[[str | bytes], None]


class Door:
    """Lets so many handshakes go on at a time, the others in the order of their requests: a fleet that comes back
    at once must not keep those waiting who are in."""

    def __init__(self, width: int = AT_THE_DOOR) -> None:
        self._width = width
        self._inside = 0
        self._queue: deque[Callable[[], None]] = deque()

    def enter(self, go: Callable[[], None]) -> None:
        """`go` is called when it is its turn; then `leave` must be."""
        self._queue.append(go)
        self._let_in()

    @property
    def waiting(self) -> int:
        return len(self._queue)

    def leave(self) -> None:
        self._inside -= 1
        self._let_in()

    def _let_in(self) -> None:
        while self._queue and self._inside < self._width:
            self._inside += 1
            self._queue.popleft()()


class StationConnection(ServerConnection):
    """`listen` says who gets the messages; each is to be met with one `answer`, in the same order."""

    def __init__(self, *args: Any, door: Door | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self._door = door or Door()
        self._at_door = False
        self._request_timer: asyncio.TimerHandle | None = None
        self._on_message: OnMessage | None = None
        self._leaving = False
        self._unanswered = 0
        self._held: deque[str | bytes] = deque()  # read, but not handed on yet
        self._parts: bytearray | None = None  # of a message that comes in fragments
        self._parts_opcode = Opcode.TEXT
        self._deaf: asyncio.TimerHandle | None = None
        self._resting: asyncio.TimerHandle | None = None
        self._all_answered: asyncio.Future[None] | None = None
        self._hanging_up: asyncio.Task[None] | None = None

    @property
    def closed_by(self) -> Close | None:
        """Code and reason of the first close frame; None for a connection that broke."""
        return self.protocol.close_rcvd or self.protocol.close_sent

    def listen(self, on_message: OnMessage) -> None:
        """From now on, and with what came already."""
        self._on_message = on_message
        self._leave_door()
        self._hand_on()

    def answer(self, reply: str | None) -> None:
        """The oldest unanswered message is dealt with; its reply leaves, if it has one."""
        self._unanswered -= 1
        if reply is not None:
            self.say(reply)
        if self._held:
            self._hand_on()
        if self._all_answered is not None and not self._unanswered and not self._all_answered.done():
            self._all_answered.set_result(None)

    def rest(self, seconds: float) -> None:
        """Hands on no messages for so long, and reads none: the station waits."""
        if self._resting is None:
            self._resting = self.loop.call_later(seconds, self._rested)

    def _rested(self) -> None:
        self._resting = None
        self._hand_on()

    def say(self, text: str) -> None:
        """Sends a message, or drops it where the connection is ending."""
        if self.protocol.state is State.OPEN and not self.transport.is_closing():
            self.protocol.send_text(text.encode())
            self.send_data()

    async def hang_up(self, code: int, reason: str, patience_s: float = 0.0) -> None:
        """Takes no more messages, gives those that came up to `patience_s` to be answered, and closes."""
        self._leaving = True
        self._held.clear()  # the station says them again, to whom it comes next
        if self._unanswered and patience_s:
            self._all_answered = self.loop.create_future()
            ends = [self._all_answered, self.connection_lost_waiter]
            await asyncio.wait(ends, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
        self.transport.resume_reading()  # for the station's own goodbye
        await self.close(code, reason)

    # What the library calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Behind TLS only those come here that shook hands on it."""
        super().connection_made(transport)
        self._request_timer = self.loop.call_later(REQUEST_WITHIN_S, self._give_up)  # slow on purpose, or gone

    def process_event(self, event: Event) -> None:
        if not isinstance(event, Frame):
            self._stop_request_timer()
            self._door.enter(partial(self._admit, event))
            return
        if self.pending_pings:  # whoever speaks is alive, whether or not it knows how to answer a ping
            self.acknowledge_pings(next(reversed(self.pending_pings)))
        if event.fin and event.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._arrived(event.opcode, event.data)
        elif event.opcode in DATA_OPCODES:
            self._part(event)
        elif event.opcode is Opcode.CLOSE:
            self._see_off()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_request_timer()
        self._leave_door()
        self._held.clear()
        for timer in (self._deaf, self._resting):
            if timer is not None:
                timer.cancel()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._deaf = self.loop.call_later(DEAF_S, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._deaf is not None:
            self._deaf.cancel()
        self._hand_on()

    # The handshake.

    def _give_up(self) -> None:
        self.transport.abort()

    def _stop_request_timer(self) -> None:
        if self._request_timer is not None:
            self._request_timer.cancel()

    def _admit(self, request: Event) -> None:
        self._at_door = True
        if self.connection_lost_waiter.done():
            self._leave_door()
        else:
            super().process_event(request)

    def _leave_door(self) -> None:
        if self._at_door:
            self._at_door = False
            self._door.leave()

    # The way of a message.

    def _part(self, frame: Frame) -> None:
        """The library has seen to it that fragments come in order and are not too long together."""
        if self._parts is None:
            self._parts, self._parts_opcode = bytearray(), frame.opcode
        self._parts += frame.data
        if frame.fin:
            whole, self._parts = bytes(self._parts), None
            self._arrived(self._parts_opcode, whole)

    def _arrived(self, opcode: Opcode, data: Any) -> None:
        if self._leaving:
            return  # it would get no answer; the station says it again, to whom it comes next
        message: str | bytes = bytes(data)
        if opcode is Opcode.TEXT:
            try:
                message = message.decode()  # type: ignore[union-attr]  # bytes
            except UnicodeDecodeError as error:
                self._fail(CloseCode.INVALID_DATA, f"{error.reason} at position {error.start}")
                return
        if self._on_message is None or self._held or self._resting or self._unanswered >= WINDOW or self.paused:
            self._held.append(message)
            self.transport.pause_reading()
            return
        self._unanswered += 1
        self._on_message(message)

    def _hand_on(self) -> None:
        """What was held back, as far as there is room."""
        while self._held and self._on_message and self._unanswered < WINDOW and not (self.paused or self._resting):
            self._unanswered += 1
            self._on_message(self._held.popleft())
        if not self._held and not self._resting:
            self.transport.resume_reading()

    def _fail(self, code: CloseCode, reason: str) -> None:
        """RFC 6455 section 7.1.7."""
        self._leaving = True
        self.protocol.fail(code, reason)
        self.send_data()
        self._see_off()

    def _see_off(self) -> None:
        """The goodbyes are said: the library gives the station `close_timeout` to go."""
        self._hanging_up = self.loop.create_task(self.close())
