"""Who may come in. Security profile 1: HTTP Basic, the user being the station; profile 2: the same over TLS;
profile 3: a client certificate with the station's identity (OCPP 1.6 security whitepaper section 3; 2.0.1 part 2
A00)."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable

import pytest

from tests.conformance.target import Secured, Target, basic
from tests.support.rawsocket import upgrade

PROTOCOLS = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")
PASSWORD = "correct horse 1"


def basic_of(text: bytes) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(text).decode()}


WITHOUT_THE_PASSWORD: dict[str, Callable[[str], dict[str, str]]] = {
    "nothing": lambda name: {},
    "a wrong password": lambda name: basic(name, "wrong"),
    "an empty password": lambda name: basic(name, ""),
    "another's name": lambda name: basic("CONF-2", PASSWORD),
    "another's name and password": lambda name: basic("CONF-2", "correct horse 2"),
    "no name": lambda name: basic("", PASSWORD),
    "no colon": lambda name: basic_of(name.encode()),
    "a byte more": lambda name: basic_of(f"{name}:{PASSWORD}\0".encode()),
    "not UTF-8": lambda name: basic_of(name.encode() + b":\xff\xfe"),
    "4000 bytes": lambda name: basic(name, "x" * 4000),
    "no value": lambda name: {"Authorization": "Basic"},
    "not base64": lambda name: {"Authorization": "Basic !!!"},
    "another scheme": lambda name: {"Authorization": f"Bearer {PASSWORD}"},
    "Digest": lambda name: {"Authorization": f"Digest username={name}"},
}


async def comes_in(target: Target, protocol: str = "ocpp1.6") -> None:
    async with target.station(protocol) as station:
        await station.beat()


async def is_asked_for_the_password(
    target: Target, headers: dict[str, str], name: str = "CONF-1", protocol: str = "ocpp1.6"
) -> None:
    async with target.connection() as socket:
        answer = await socket.shake_hands(target.path_of(name), protocols=[protocol], headers=headers)
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("Basic ")


@pytest.mark.parametrize("case", WITHOUT_THE_PASSWORD)
async def test_profile_1_asks_for_the_password_of_the_station(guarded: Target, case: str) -> None:
    name = f"GUARD-{list(WITHOUT_THE_PASSWORD).index(case)}"  # after three wrong ones a station has to wait
    for protocol in PROTOCOLS:
        await is_asked_for_the_password(guarded, WITHOUT_THE_PASSWORD[case](name), name, protocol)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_profile_1_lets_in_by_password(guarded: Target, protocol: str) -> None:
    await comes_in(guarded, protocol)


async def test_refused_attempt_leaves_the_connected_station_alone(guarded: Target) -> None:
    async with guarded.station("ocpp1.6") as station:
        await is_asked_for_the_password(guarded, basic("CONF-1", "wrong"))
        await station.beat()
    await comes_in(guarded)


async def test_guessing_is_slowed_and_costs_the_other_stations_nothing(guarded: Target) -> None:
    async with guarded.station("ocpp1.6") as other:
        answers = []
        for number in range(10):
            async with guarded.connection() as socket:
                headers = basic("CONF-2", f"guess {number}")
                answers.append(await socket.shake_hands(guarded.path_of("CONF-2"), headers=headers))
        assert {answer.status for answer in answers} == {401, 429}
        assert answers[-1].status == 429
        assert int(answers[-1].headers["retry-after"]) > 0
        await other.beat()


async def test_password_is_not_asked_for_where_the_profile_does_not(own: Target) -> None:
    async with own.connection() as socket:
        answer = await socket.shake_hands(own.path_of("CONF-1"), protocols=["ocpp1.6"])
        assert answer.status == 101


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_profile_2_asks_for_the_password_inside_tls(over_tls: Secured, protocol: str) -> None:
    await is_asked_for_the_password(over_tls.target, {}, protocol=protocol)
    await is_asked_for_the_password(over_tls.target, basic("CONF-1", "wrong"), protocol=protocol)
    await comes_in(over_tls.target, protocol)


async def is_hung_up_on(target: Target) -> None:
    """Either side ends the TLS handshake; with TLS 1.3 a client learns of it only when it reads."""
    with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
        await comes_in(target)


async def test_profile_2_answers_nobody_outside_tls(over_tls: Secured) -> None:
    async with over_tls.target._replace(tls=None).connection() as socket:
        await socket.write(upgrade("/ocpp/CONF-1", protocols=["ocpp1.6"], headers=basic("CONF-1", PASSWORD)))
        answer = await socket.answer()
        assert answer is None or answer.status >= 400
    await comes_in(over_tls.target)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
async def test_profile_2_speaks_no_old_tls(over_tls: Secured, version: ssl.TLSVersion) -> None:
    """TLS 1.2 or later: 2.0.1 part 2 A00.FR.313."""
    old = over_tls.authority_context()
    old.minimum_version = old.maximum_version = version
    old.set_ciphers("ALL:@SECLEVEL=0")
    await is_hung_up_on(over_tls.target._replace(tls=old))
    await comes_in(over_tls.target)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_profile_3_lets_in_by_certificate(by_certificate: Secured, protocol: str) -> None:
    await comes_in(by_certificate.target, protocol)


async def test_profile_3_lets_in_nobody_without_a_certificate(by_certificate: Secured) -> None:
    await is_hung_up_on(by_certificate.target._replace(tls=by_certificate.authority_context()))


async def test_profile_3_lets_in_nobody_by_a_certificate_of_unknown_origin(by_certificate: Secured) -> None:
    await is_hung_up_on(by_certificate.target._replace(tls=by_certificate.stranger_context("CONF-1")))


async def test_profile_3_lets_no_station_in_as_another(by_certificate: Secured) -> None:
    other = by_certificate.target._replace(tls=by_certificate.station_context("CONF-2"))
    async with other.connection() as socket:
        answer = await socket.shake_hands(other.path_of("CONF-1"), protocols=["ocpp1.6"])
        assert answer.status in (401, 403)
    await comes_in(by_certificate.target)
