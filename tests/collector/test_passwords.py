"""HTTP Basic at the door: which password fits, what is remembered, and what it costs."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from collector import passwords as passwords_module
from collector.passwords import Passwords, Verdict, basic_password
from laddvakt.network.passwords import forms, new_password
from tests.support.collecting import quick_hash
from tests.support.waiting import eventually

HASHES = (quick_hash("pass-1"),)


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    made = Passwords()
    yield made
    made.close()


def header(text: str | bytes) -> str:
    return "Basic " + base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


@pytest.mark.parametrize(
    ("authorization", "password"),
    [
        (header("SE-1:a:b"), b"a:b"),
        (header("SE-1:"), b""),
        (header(b"SE-1:\xff\x00"), b"\xff\x00"),
        (header("SE-1:a").replace("Basic", "bAsIc"), b"a"),
        (header("se-1:a"), b"a"),
        (header("SE%2D1:a"), b"a"),
        (header("SE-2:a"), None),
        (header("SE-1"), None),
        (header(b"\xff:a"), None),
        ("Basic not base64!", None),
        ("Basic", None),
        ("Bearer SE-1:a", None),
        ("", None),
    ],
)
def test_password_is_read_from_the_header(authorization: str, password: bytes | None) -> None:
    assert basic_password(authorization, "SE-1") == password


@given(st.text(), st.text(min_size=1))
def test_no_header_breaks_the_reading(authorization: str, station_id: str) -> None:
    basic_password(authorization, station_id)
    basic_password("Basic " + authorization, station_id)


KEY = "A1B2C3D4E5F60718293A4B5C6D7E8F9001020304"


@pytest.mark.parametrize(
    ("kept", "shown"),
    [
        (KEY, bytes.fromhex(KEY)),
        (KEY.lower(), bytes.fromhex(KEY)),
        (KEY, KEY.lower().encode()),
        (KEY.lower(), KEY.encode()),
        ("k9ZgP2vWq7Xs4LtB", b"k9ZgP2vWq7Xs4LtB"),
        ("k9ZgP2vWq7Xs4LtB", b"k9ZgP2vWq7Xs4LtB".hex().encode()),
        (b"k9ZgP2vWq7Xs4LtB".hex(), b"k9ZgP2vWq7Xs4LtB"),
    ],
    ids=["bytes", "bytes-of-lower", "lower", "upper", "text", "text-in-hex", "hex-told-text-shown"],
)
async def test_key_fits_in_hexadecimal_and_as_its_bytes(passwords: Passwords, kept: str, shown: bytes) -> None:
    assert (await passwords.check("SE-1", (quick_hash(kept),), shown)).verdict is Verdict.RIGHT


@given(st.binary(max_size=100))
def test_forms_are_few_and_begin_with_what_was_shown(shown: bytes) -> None:
    assert forms(shown)[0] == shown
    assert len(forms(shown)) <= 4


def test_new_password_can_be_told_to_every_version() -> None:
    made = new_password()
    assert len(bytes.fromhex(made)) == 20
    assert made != new_password()


async def test_right_password_is_remembered_and_nothing_else(passwords: Passwords) -> None:
    assert passwords.remembered("SE-1", HASHES, b"pass-1") is None
    assert (await passwords.check("SE-1", HASHES, b"wrong")).verdict is Verdict.WRONG
    assert (await passwords.check("SE-1", HASHES, b"pass-1")).fitted == HASHES[0]
    assert passwords.remembered("SE-1", HASHES, b"pass-1") == HASHES[0]
    assert passwords.remembered("SE-1", HASHES, b"pass-2") is None
    assert passwords.remembered("SE-2", HASHES, b"pass-1") is None


async def test_password_that_was_changed_is_no_longer_remembered(passwords: Passwords) -> None:
    await passwords.check("SE-1", HASHES, b"pass-1")
    assert passwords.remembered("SE-1", (quick_hash("pass-2"),), b"pass-1") is None
    assert passwords.remembered("SE-1", (), b"pass-1") is None


async def test_present_and_next_password_both_fit(passwords: Passwords) -> None:
    both = (*HASHES, quick_hash("pass-2"))
    assert (await passwords.check("SE-1", both, b"pass-1")).fitted == both[0]
    assert (await passwords.check("SE-1", both, b"pass-2")).fitted == both[1]


async def test_hash_that_cannot_be_read_fits_nothing(passwords: Passwords) -> None:
    assert (await passwords.check("SE-1", ("not a hash",), b"x")).verdict is Verdict.WRONG


async def test_station_without_a_password_costs_as_much_as_one_with(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    verify = PasswordHasher.verify

    def noting(self: PasswordHasher, kept: str, password: bytes) -> bool:
        tried.append(kept.split("$")[3])
        return verify(self, kept, password)

    monkeypatch.setattr(PasswordHasher, "verify", noting)
    kept = passwords_module.STATION_HASHER.hash("pass-1")
    assert (await passwords.check("SE-1", (kept,), b"wrong")).verdict is Verdict.WRONG
    assert (await passwords.check("SE-9", (), b"wrong")).verdict is Verdict.WRONG
    assert tried[0] == tried[1]  # the parameters of the hash
    assert len(tried) == 2


async def test_memory_of_right_passwords_is_bounded(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords_module, "_MAX_REMEMBERED", 2)
    for name in ("SE-1", "SE-2", "SE-3"):
        await passwords.check(name, HASHES, b"pass-1")
    known = [name for name in ("SE-1", "SE-2", "SE-3") if passwords.remembered(name, HASHES, b"pass-1")]
    assert known == ["SE-2", "SE-3"]


async def test_who_would_wait_too_long_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fleet that comes back must not wait in vain, each in a handshake that ends before its turn."""
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    passwords, go = Passwords(), threading.Event()
    monkeypatch.setattr(passwords_module, "_fits", lambda *_: go.wait(10))
    monkeypatch.setattr(passwords_module, "_PATIENCE_S", 19.5 * passwords_module._FIRST_GUESS_S)
    first = [asyncio.create_task(passwords.check(f"SE-{n}", HASHES, b"x")) for n in range(20)]
    await eventually(lambda: passwords.waiting == 20)
    assert (await passwords.check("SE-99", HASHES, b"x")).verdict is Verdict.BUSY
    go.set()
    assert {checked.verdict for checked in await asyncio.gather(*first)} == {Verdict.RIGHT}
    assert passwords.waiting == 0
    passwords.close()
