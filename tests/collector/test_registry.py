"""What the collector knows of stations and tokens, and what it does where it knows nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

import pytest

from collector import registry as registry_module
from collector.ocpp.action import Purpose
from collector.registry import Registry
from laddvakt.domain.identification import Shown
from laddvakt.domain.stations import Station
from laddvakt.domain.tokens import AuthorizationStatus, Token
from laddvakt.privacy import mask, pseudonym
from laddvakt.settings import OcppSettings, RecordsSettings, Settings
from laddvakt.stores.ports import Records
from laddvakt.stores.sql.engine import open_records
from tests.support.stations import T0, Speaker, at, stamp
from tests.support.waiting import eventually

KEY = "key"


@pytest.fixture
def records() -> Iterator[Records]:
    store = open_records(Settings(records=RecordsSettings(url="sqlite://")))
    store.migrate()
    yield store
    store.close()


def keep(records: Records, *tokens: Token) -> None:
    with records.begin() as work:
        work.tokens.save(tokens)


def token(id_tag: str, **changes: object) -> Token:
    return Token(token=pseudonym(KEY, id_tag), label=mask(id_tag), **changes)  # type: ignore[arg-type]


def loaded(records: Records, **ocpp: object) -> Registry:
    registry = Registry(records, OcppSettings.model_validate(ocpp), KEY)
    registry.load()
    return registry


def told(registry: Registry, id_tag: str, now: datetime = T0) -> AuthorizationStatus:
    return registry.authorize(Shown(id_tag), Purpose("SE-1"), now).status


@pytest.mark.parametrize("status", list(AuthorizationStatus))
def test_token_has_the_status_of_the_records(records: Records, status: AuthorizationStatus) -> None:
    keep(records, token("04A2B3", status=status))
    assert told(loaded(records), "04A2B3") is status


def test_case_and_spaces_of_a_token_do_not_matter(records: Records) -> None:
    keep(records, token("04A2B3", status=AuthorizationStatus.BLOCKED))
    assert told(loaded(records), " 04a2b3 ") is AuthorizationStatus.BLOCKED


def test_token_expires(records: Records) -> None:
    keep(records, token("04A2B3", expires_at=at(0)))
    registry = loaded(records)
    assert told(registry, "04A2B3", at(-1)) is AuthorizationStatus.ACCEPTED
    assert told(registry, "04A2B3", at(0)) is AuthorizationStatus.EXPIRED


@pytest.mark.parametrize("action", ["Authorize", "StartTransaction"])
def test_expired_token_is_told_so_by_every_action(records: Records, action: str) -> None:
    keep(records, token("TAG1", expires_at=at(5)))
    station = Speaker(policy=loaded(records, unknown_stations="accept").policy_for("SE-1"))
    start = {"connectorId": 1, "meterStart": 0, "timestamp": stamp(0)}
    payload = {"idTag": "TAG1", **(start if action == "StartTransaction" else {})}
    assert station.call(action, payload, 0)[2]["idTagInfo"]["status"] == "Accepted"
    assert station.call(action, payload, 10)[2]["idTagInfo"]["status"] == "Expired"


@pytest.mark.parametrize(
    ("setting", "status"), [("accept", AuthorizationStatus.ACCEPTED), ("reject", AuthorizationStatus.UNKNOWN)]
)
def test_unknown_token_by_policy(records: Records, setting: str, status: AuthorizationStatus) -> None:
    assert told(loaded(records, unknown_tokens=setting), "nobody's") is status


def test_many_tokens_do_not_fill_the_memory(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_module, "_MAX_PSEUDONYMS", 10)
    registry = loaded(records)
    for number in range(100):
        told(registry, f"tag {number}")
    assert len(registry._pseudonyms) <= 10


def test_station_that_only_spoke_once_is_not_registered(records: Records) -> None:
    with records.begin() as work:
        work.stations.save([Station(station_id="SE-1", registered=True), Station(station_id="SE-2")])
    registry = loaded(records)
    assert registry.known("SE-1") is not None
    assert registry.known("SE-2") is None
    assert registry.policy_for("SE-2").registration == "Pending"


async def test_changes_of_the_records_are_seen_in_time(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_module, "REFRESH_S", 0.01)
    registry = loaded(records)
    keeping = asyncio.create_task(registry.keep_fresh())
    keep(records, token("04A2B3", status=AuthorizationStatus.BLOCKED))
    await eventually(lambda: told(registry, "04A2B3") is AuthorizationStatus.BLOCKED)
    keeping.cancel()
    with suppress(asyncio.CancelledError):
        await keeping
