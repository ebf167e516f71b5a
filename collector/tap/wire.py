"""One direction of a websocket connection, read along: bytes in, whole messages out. Never encodes anything."""

from __future__ import annotations

from collections.abc import Generator

from websockets.exceptions import WebSocketException
from websockets.extensions.base import Extension
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Close, Frame, Opcode
from websockets.headers import parse_extension
from websockets.streams import StreamReader
from websockets.typing import BytesLike


class UnreadableError(Exception):
    """The bytes cannot be followed any more: what comes behind them is not understood either."""


def extensions_of(header: str, *, of_station: bool) -> list[Extension]:
    """What the answer to the handshake agreed on (RFC 7692), as needed to read one direction.

    Raises UnreadableError for an extension that is not known.
    """
    try:
        agreed = parse_extension(header) if header else []
    except WebSocketException as error:
        raise UnreadableError(f"Sec-WebSocket-Extensions: {error}") from error
    if not agreed:
        return []
    if len(agreed) > 1 or agreed[0][0] != "permessage-deflate":
        raise UnreadableError(f"the extension {', '.join(name for name, _ in agreed)} is not known")
    parameters = dict(agreed[0][1])
    side = "client" if of_station else "server"
    bits = parameters.get(f"{side}_max_window_bits") or "15"
    if not bits.isdigit() or not 8 <= int(bits) <= 15:
        raise UnreadableError(f"a window of {bits} bits")
    return [
        PerMessageDeflate(
            remote_no_context_takeover=f"{side}_no_context_takeover" in parameters,
            local_no_context_takeover=True,  # nothing is compressed here
            remote_max_window_bits=int(bits),
            local_max_window_bits=15,
        )
    ]


class Wire:
    """`feed` gives the messages that bytes complete. `masked` for what the station sends.

    Memory: one frame, the parts of one message, and a window where messages are compressed.
    """

    def __init__(self, *, masked: bool, extensions: list[Extension], max_bytes: int) -> None:
        self._masked = masked
        self._extensions = extensions
        self._max_bytes = max_bytes
        self._stream = StreamReader()
        self._reading = self._frame()
        self._parts: list[BytesLike] = []
        self._length = 0
        self._text = True
        self.too_long = 0  # messages of many frames that were left out
        self.closing: str | None = None  # code and reason of the close frame

    def feed(self, data: bytes) -> list[str | bytes]:
        """Raises UnreadableError; then it is of no use any more."""
        messages: list[str | bytes] = []
        if self.closing is None:
            self._stream.feed_data(data)
        while self.closing is None:
            try:
                next(self._reading)
                break  # it wants more bytes
            except StopIteration as done:
                self._take(done.value, messages)
            except WebSocketException as error:
                raise UnreadableError(str(error) or type(error).__name__) from error
            self._reading = self._frame()
        return messages

    def _frame(self) -> Generator[None, None, Frame]:
        return Frame.parse(
            self._stream.read_exact, mask=self._masked, max_size=self._max_bytes, extensions=self._extensions
        )

    def _take(self, frame: Frame, messages: list[str | bytes]) -> None:
        if frame.opcode is Opcode.CLOSE:
            self.closing = _close_text(frame)
        elif frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            if frame.opcode is not Opcode.CONT:
                self._text = frame.opcode is Opcode.TEXT
                self._parts, self._length = [], 0
            self._length += len(frame.data)
            if self._length <= self._max_bytes:
                self._parts.append(frame.data)
            if frame.fin:
                self._whole(messages)

    def _whole(self, messages: list[str | bytes]) -> None:
        parts, self._parts = self._parts, []
        if self._length > self._max_bytes:
            self.too_long += 1
            return
        data = bytes(parts[0]) if len(parts) == 1 else b"".join(parts)
        if not self._text:
            messages.append(data)
            return
        try:
            messages.append(data.decode())
        except UnicodeDecodeError:
            messages.append(data)  # kept as it is, with escapes


def _close_text(frame: Frame) -> str:
    try:
        close = Close.parse(frame.data)
    except (WebSocketException, UnicodeDecodeError):
        return "closed"
    return f"{close.code} {close.reason}".strip()
