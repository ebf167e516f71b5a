"""Frames read along, in any pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Opcode

from collector.tap.wire import UnreadableError, Wire, extensions_of
from tests.support.tap import Deflater, masked, plain


def wire(*, is_masked: bool = True, header: str = "", max_bytes: int = 1000) -> Wire:
    extensions = extensions_of(header, of_station=is_masked)
    return Wire(masked=is_masked, extensions=extensions, max_bytes=max_bytes)


@given(st.lists(st.text(max_size=300), max_size=5), st.integers(1, 50))
def test_messages_come_whole_however_they_are_cut(texts: list[str], size: int) -> None:
    data = b"".join(
        masked(text[:9], fin=False) + masked("", Opcode.PING) + masked(text[9:], Opcode.CONT) for text in texts
    )
    reader = wire(max_bytes=10_000)
    found = [m for start in range(0, len(data), size) for m in reader.feed(data[start : start + size])]
    assert found == texts


@given(st.binary(max_size=200))
def test_rubbish_is_unreadable_or_waits(data: bytes) -> None:
    for reader in (wire(), wire(is_masked=False, header="permessage-deflate")):
        try:
            reader.feed(data)
        except UnreadableError as error:
            assert str(error)


def test_text_that_is_not_utf8_stays_bytes() -> None:
    assert wire().feed(masked(b"\xff\xfe")) == [b"\xff\xfe"]
    assert wire().feed(masked(b"abc", Opcode.BINARY)) == [b"abc"]


def test_a_message_of_many_frames_that_is_too_long_is_left_out_and_the_next_is_read() -> None:
    reader = wire(max_bytes=100)
    parts = masked("x" * 80, fin=False) + masked("x" * 80, Opcode.CONT)
    assert reader.feed(parts + masked("next")) == ["next"]
    assert reader.too_long == 1


def test_a_frame_that_is_too_long_cannot_be_followed() -> None:
    with pytest.raises(UnreadableError):
        wire(max_bytes=100).feed(masked("x" * 101))


def test_a_bomb_is_not_unpacked() -> None:
    payload = Deflater().payload("0" * 100_000)
    assert len(payload) < 1000
    with pytest.raises(UnreadableError):
        wire(header="permessage-deflate").feed(masked(payload, rsv1=True))


@pytest.mark.parametrize(
    "header",
    [
        "permessage-deflate",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; client_max_window_bits=15; server_max_window_bits=15",
    ],
)
def test_what_was_agreed_on_compression_is_understood(header: str) -> None:
    deflater = Deflater()
    reader = wire(header=header)
    assert reader.feed(masked(deflater.payload("one"), rsv1=True) + masked("plain")) == ["one", "plain"]


@pytest.mark.parametrize(
    "header",
    ["x-other", "permessage-deflate, x-other", "permessage-deflate; client_max_window_bits=99", ";;", "a;=", '"'],
)
def test_what_is_not_known_is_said(header: str) -> None:
    with pytest.raises(UnreadableError):
        wire(header=header)


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"\x03\xe8bye", "1000 bye"), (b"", "1005"), (b"\x03", "closed"), (b"\x03\xe8\xff", "closed")],
)
def test_nothing_is_read_behind_a_close(data: bytes, said: str) -> None:
    reader = wire(is_masked=False)
    assert reader.feed(plain(data, Opcode.CLOSE) + plain("x")) == []
    assert reader.closing == said
    assert reader.feed(plain("y")) == []
