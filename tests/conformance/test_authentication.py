"""Who may come in. Security profile 1: HTTP Basic, the user being the station (OCPP-J 1.6 section 6.2; 2.0.1 part
2 A00.FR.202 and the following). Profiles 2 and 3 put TLS below it: a collector with them is started beside
`guarded` in conftest.py."""

from __future__ import annotations

import base64

import pytest

from tests.conformance.target import Target, basic


def encoded(text: bytes) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(text).decode()}


async def test_station_with_its_password_comes_in(guarded: Target) -> None:
    async with guarded.station("ocpp1.6") as station:
        await station.beat()


@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        basic("CONF-1", "wrong"),
        basic("CONF-1", ""),
        basic("CONF-2", "correct horse 1"),
        basic("CONF-2", "correct horse 2"),
        basic("conf-1", "correct horse 1"),
        basic("", "correct horse 1"),
        encoded(b"CONF-1"),
        encoded(b"CONF-1:correct horse 1\0"),
        encoded(b"CONF-1:\xff\xfe"),
        encoded(b"CONF-1:" + b"x" * 4000),
        {"Authorization": "Basic"},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Bearer correct horse 1"},
        {"Authorization": "Digest username=CONF-1"},
    ],
    ids=str,
)
async def test_station_without_its_password_stays_outside(
    guarded: Target, protocol: str, headers: dict[str, str]
) -> None:
    async with guarded.connection() as socket:
        answer = await socket.shake_hands(guarded.path_of("CONF-1"), protocols=[protocol], headers=headers)
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("Basic ")


async def test_refused_attempt_leaves_the_connected_station_alone(guarded: Target) -> None:
    async with guarded.station("ocpp1.6") as station:
        async with guarded.connection() as impostor:
            headers = basic("CONF-1", "wrong")
            answer = await impostor.shake_hands(guarded.path_of("CONF-1"), protocols=["ocpp1.6"], headers=headers)
            assert answer.status == 401
        await station.beat()


async def test_password_is_not_asked_for_where_the_profile_does_not(own: Target) -> None:
    async with own.connection() as socket:
        answer = await socket.shake_hands(own.path_of("CONF-1"), protocols=["ocpp1.6"])
        assert answer.status == 101
