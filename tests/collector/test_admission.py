"""Who may come in, by what they show and where they come from."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from websockets.exceptions import InvalidStatus

from collector import doors
from collector.admission import Admission, Arrival, Reason, Refusal, client_address
from collector.registry import Registry
from laddvakt.domain.errors import SettingsError
from laddvakt.settings import OcppSettings, Settings
from laddvakt.stores.ports import Records
from laddvakt.stores.sql.engine import open_records
from tests.support.collecting import basic, quick_hash, register, served
from tests.support.stations import T0
from tests.support.waiting import eventually

HERE = "192.0.2.1"


class Desk:
    """An admission with its own clock. SE-1 is registered, with the password `pass-1`."""

    def __init__(self, records: Records, **ocpp: Any) -> None:
        self.records = records
        self.now = T0
        settings = OcppSettings.model_validate(ocpp)
        self.registry = Registry(records, settings, "key")
        self.registry.load()
        self.admission = Admission(settings, self.registry, lambda: self.now)

    async def ask(
        self, path: str = "/SE-1", password: str | None = "pass-1", profile: int = 1, **arrival: Any
    ) -> str | Reason:
        """The station id of who is let in, or why not."""
        found = await self.answer(path, password, profile, **arrival)
        return found.reason if isinstance(found, Refusal) else found

    async def answer(
        self, path: str = "/SE-1", password: str | None = "pass-1", profile: int = 1, **arrival: Any
    ) -> str | Refusal:
        user = arrival.pop("user", path.strip("/"))
        header = "" if password is None else "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        return await self.admission.decide(
            profile, Arrival(**{"path": path, "address": HERE, "authorization": header, **arrival})
        )

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Callable[..., Desk]]:
    made: list[Desk] = []
    records = open_records(Settings(data_dir=tmp_path))
    records.migrate()
    register(records, "SE-1", "pass-1")

    def make(**ocpp: Any) -> Desk:
        made.append(Desk(records, **ocpp))
        return made[-1]

    yield make
    for one in made:
        await one.admission.close()
    records.close()


# Names


@pytest.mark.parametrize("path", ["/SE-1", "/se-1", "/ocpp/Se%2D1/", "/SE-1?x=y"])
async def test_id_of_any_case_is_the_registered_one(desk: Callable[..., Desk], path: str) -> None:
    assert await desk().ask(path, user="sE-1") == "SE-1"


async def test_case_counts_where_two_stations_differ_in_it_alone(desk: Callable[..., Desk]) -> None:
    one = desk()
    register(one.records, "Pole", "pass-a")
    register(one.records, "POLE", "pass-b")
    one.registry.load()
    assert await one.ask("/Pole", "pass-a") == "Pole"
    assert await one.ask("/POLE", "pass-b") == "POLE"
    assert await one.ask("/pole", "pass-a") == "pole"  # unknown: it waits


# Passwords


@pytest.mark.parametrize("profile", [1, 2])
async def test_password_decides(desk: Callable[..., Desk], profile: int) -> None:
    one = desk()
    assert await one.ask(password="pass-1", profile=profile) == "SE-1"
    assert await one.ask(password="pass-2", profile=profile) is Reason.PASSWORD
    assert await one.ask(password=None, profile=profile) is Reason.PASSWORD
    assert await one.ask(password="pass-1", profile=profile, user="SE-2") is Reason.PASSWORD


async def test_unknown_station_and_wrong_password_are_answered_alike(desk: Callable[..., Desk]) -> None:
    one = desk(unknown_stations="reject")
    register(one.records, "SE-3")  # without a password
    one.registry.load()
    answers = [await one.answer(f"/{name}", "wrong") for name in ("SE-1", "SE-3", "SE-9")]
    assert answers[0] == answers[1] == answers[2]
    silent = [await one.answer(f"/{name}", None) for name in ("SE-1", "SE-3", "SE-9")]
    assert silent[0] == silent[1] == silent[2]


async def test_unknown_station_may_wait_inside(desk: Callable[..., Desk]) -> None:
    one = desk(unknown_stations="pending")
    assert await one.ask("/SE-9", None) == "SE-9"
    assert one.registry.policy_for("SE-9").registration == "Pending"


async def test_station_imported_a_moment_ago_is_let_in(desk: Callable[..., Desk]) -> None:
    one = desk(unknown_stations="reject")
    register(one.records, "SE-9", "pass-9")
    assert await one.ask("/SE-9", "pass-9") == "SE-9"


async def test_both_passwords_count_until_the_new_one_was_shown(desk: Callable[..., Desk]) -> None:
    one = desk()
    assert await one.ask(password="pass-1") == "SE-1"
    with one.records.begin() as work:  # as `laddvakt station rotate-password` does
        (kept,) = work.stations.credentials().values()
        work.stations.set_credentials("SE-1", replace(kept, next_password_hash=quick_hash("pass-2")))
    assert await one.ask(password="pass-1") == "SE-1"
    assert await one.ask(password="pass-2") == "SE-1"  # and the records are read for it at once

    def settled() -> bool:
        known = one.registry.known("SE-1")
        return known is not None and known.next_password_hash is None

    await eventually(settled)
    assert await one.ask(password="pass-1") is Reason.PASSWORD
    assert await one.ask(password="pass-2") == "SE-1"
    with one.records.read() as work:
        now = work.stations.credentials()["SE-1"]
        assert (now.next_password_hash, now.file_password_hash) == (None, kept.password_hash)
        (item,) = work.people.audit_page().items
    assert (item.action, item.object, item.detail) == ("station.password", "SE-1", {})


async def test_inventing_ids_does_not_read_the_records_each_time(desk: Callable[..., Desk]) -> None:
    one, reads = desk(), []

    async def reload() -> bool:
        reads.append(1)
        return True

    one.registry.reload = reload  # type: ignore[method-assign]  # a stand-in
    for number in range(100):
        await one.ask(f"/X-{number}", None)
    assert len(reads) == 10
    one.later(1)
    await one.ask("/X", None)
    assert len(reads) == 11


async def test_wrong_passwords_are_slowed_down_and_the_right_one_is_soon_let_in(
    desk: Callable[..., Desk],
) -> None:
    one = desk()
    for _ in range(4):
        assert await one.ask(password="wrong") is Reason.PASSWORD
        one.later(1)
    told = await one.answer(password="wrong")
    assert isinstance(told, Refusal) and told.status == 429
    assert 0 < told.retry_s <= 2
    assert await one.ask() is Reason.RATE
    one.later(told.retry_s)
    assert await one.ask() == "SE-1"


async def test_fleet_that_comes_at_once_is_told_to_come_back_at_different_times(
    desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.passwords._PATIENCE_S", -1.0)
    one = desk()
    told = [await one.answer() for _ in range(20)]
    assert {answer.status for answer in told if isinstance(answer, Refusal)} == {503}
    assert len({answer.retry_s for answer in told if isinstance(answer, Refusal)}) > 10
    monkeypatch.undo()
    assert await one.ask() == "SE-1"  # it was not the station's fault


async def test_station_that_was_in_is_let_in_whatever_others_try_in_its_name(desk: Callable[..., Desk]) -> None:
    one = desk()
    assert await one.ask() == "SE-1"
    for _ in range(20):
        await one.ask(password="wrong")
    assert await one.ask(password="wrong") is Reason.RATE
    assert await one.ask() == "SE-1"


# Profiles


async def test_open_address_is_not_for_stations_that_need_more(desk: Callable[..., Desk]) -> None:
    one = desk()
    register(one.records, "SE-3", "pass-3", security_profile=1)
    one.registry.load()
    assert await one.ask("/SE-1", profile=0) == "SE-1"
    assert await one.ask("/SE-3", profile=0) is Reason.PROFILE


async def test_certificate_address_does_not_ask_for_passwords(desk: Callable[..., Desk]) -> None:
    own = {"subject": ((("commonName", "SE-1"),),)}
    assert await desk().ask(password=None, profile=3, certificate=own) == "SE-1"
    assert await desk().ask(profile=3) is Reason.CERTIFICATE


# Addresses


async def test_too_many_handshakes_of_an_address_are_told_when_to_return(desk: Callable[..., Desk]) -> None:
    one = desk(handshakes_per_address=1)
    assert [await one.ask(profile=0) for _ in range(10)] == ["SE-1"] * 10
    told = await one.answer(profile=0)
    assert isinstance(told, Refusal)
    assert (told.status, told.retry_s) == (429, 1.0)
    assert await one.ask(profile=0, address="192.0.2.2") == "SE-1"
    one.later(1)
    assert await one.ask(profile=0) == "SE-1"


PROXIES = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8::/32"))


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        ("10.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("10.0.0.1", "6.6.6.6, 192.0.2.1", "192.0.2.1"),
        ("10.0.0.1", "192.0.2.1, 10.0.0.2", "192.0.2.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.9, 10.0.0.2", "10.0.0.9"),
        ("10.0.0.1", " , 192.0.2.1 ,", "192.0.2.1"),
        ("10.0.0.1", "nonsense", "nonsense"),
        ("10.0.0.1", "192.0.2.1:4711", "192.0.2.1"),
        ("10.0.0.1", "[2a00::7]:4711, 10.0.0.2:80", "2a00::7"),
        ("::ffff:10.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2a00::7", "2a00::7"),
        ("192.0.2.9", "6.6.6.6", "192.0.2.9"),
        ("", "6.6.6.6", ""),
    ],
)
def test_address_is_the_last_one_that_a_proxy_of_ours_vouches_for(
    peer: str, forwarded_for: str, address: str
) -> None:
    assert client_address(peer, forwarded_for, PROXIES) == address


async def test_refusal_says_when_to_come_back(tmp_path: Path) -> None:
    async with served(tmp_path, handshakes_per_address=1, trusted_proxies="127.0.0.1") as door:
        behind = {"X-Forwarded-For": HERE}
        for _ in range(10):
            async with door.station(additional_headers=behind):
                pass
        with pytest.raises(InvalidStatus) as refused:
            await door.station(additional_headers=behind)
        assert refused.value.response.status_code == 429
        assert refused.value.response.headers["Retry-After"] == "1"
        assert door.server.refused == {"rate": 1}


async def test_open_connections_of_an_address_are_counted(tmp_path: Path) -> None:
    async with served(tmp_path, connections_per_address=1, trusted_proxies="127.0.0.1") as door:
        behind = {"X-Forwarded-For": HERE}
        async with door.station(additional_headers=behind):
            with pytest.raises(InvalidStatus) as refused:
                await door.station(additional_headers=behind)
            assert refused.value.response.status_code == 429

        async def free_again() -> bool:
            try:
                async with door.station(additional_headers=behind):
                    return True
            except InvalidStatus:
                return False

        await eventually(free_again)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-Forwarded-Proto": "https", "X-Forwarded-For": HERE}, None),
        ({"X-Forwarded-Proto": "http", "X-Forwarded-For": HERE}, 403),
        ({}, 403),
    ],
)
async def test_proxy_must_say_that_a_station_came_over_tls(
    tmp_path: Path, headers: dict[str, str], status: int | None
) -> None:
    settings = {"security_profile": 2, "tls_at_proxy": True, "trusted_proxies": "127.0.0.1"}
    async with served(tmp_path, **settings) as door:
        station = door.station(additional_headers=headers | basic("SE-1", "pass-1"))
        if status is None:
            async with station:
                return
        with pytest.raises(InvalidStatus) as refused:
            await station
        assert refused.value.response.status_code == status


async def test_two_authorization_headers_are_none(tmp_path: Path) -> None:
    async with served(tmp_path, security_profile=1) as door:
        both = [*basic("SE-1", "pass-1").items(), *basic("SE-1", "pass-1").items()]
        with pytest.raises(InvalidStatus) as refused:
            await door.station(additional_headers=both)
        assert refused.value.response.status_code == 401


# What is not served at all


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"listen": "0.0.0.0:1"}, "without passwords on 0.0.0.0:1"),
        ({"listeners": [{"listen": "0.0.0.0:1", "security_profile": 0}]}, "without passwords on 0.0.0.0:1"),
        ({"security_profile": 1, "unknown_stations": "accept"}, "whoever invents a station id"),
        ({"security_profile": 2, "unknown_stations": "accept"}, "whoever invents a station id"),
        ({"security_profile": 2, "tls_at_proxy": True}, "needs ocpp.trusted_proxies"),
    ],
)
def test_addresses_that_let_in_anybody_are_not_served(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint) as error:
        doors.check(OcppSettings.model_validate(settings))
    assert error.value.mend


@pytest.mark.parametrize(
    ("settings", "doubts"),
    [
        ({"security_profile": 1}, 0),
        ({"security_profile": 1, "listen": "0.0.0.0:1"}, 1),
        ({"security_profile": 2, "listen": "0.0.0.0:1"}, 0),
    ],
)
def test_passwords_in_the_clear_are_warned_of(settings: dict[str, Any], doubts: int) -> None:
    assert len(doors.doubts(OcppSettings.model_validate(settings))) == doubts
