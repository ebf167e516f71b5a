"""Applying a network: all or nothing, idempotent, and live state stays."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from argon2 import PasswordHasher

from laddvakt.domain.errors import StoreError
from laddvakt.domain.stations import Connector, ConnectorState, StationState
from laddvakt.domain.tokens import AuthorizationStatus
from laddvakt.network import Counts, Network, apply_network, read_network
from laddvakt.privacy import FieldCipher, pseudonym
from laddvakt.settings import Settings
from laddvakt.stores.ports import Assignment, Credentials, Records, Route
from laddvakt.stores.sql.engine import SqlRecords, open_records

EXAMPLE = Path(__file__).parents[2] / "docs/examples/network.toml"
NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
LATER = datetime(2026, 11, 22, 10, tzinfo=UTC)
KEY = "a key"


@pytest.fixture
def records() -> Iterator[SqlRecords]:
    opened = SqlRecords("sqlite://", FieldCipher(KEY))
    opened.migrate()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def network() -> Network:
    return read_network(EXAMPLE)


def apply(network: Network, records: Records, now: datetime = NOW) -> dict[str, Counts]:
    return apply_network(network, records, privacy_key=KEY, now=now, actor="cli:test").tables


def test_first_import_adds_everything(records: SqlRecords, network: Network) -> None:
    counts = apply(network, records)
    assert {table: count.added for table, count in counts.items()} == {
        "sites": 2,
        "stations": 2,
        "drivers": 1,
        "tokens": 4,
        "tariffs": 2,
        "assignments": 2,
        "contacts": 2,
        "rotas": 1,
        "routes": 4,
    }
    with records.read() as work:
        station = work.stations.get("SE-UME-001")
        assert station is not None
        assert (station.site_id, station.vendor, station.registered) == ("north", "Norrsken Energi", True)
        assert station.state is StationState.OFFLINE
        assert [item.cable_id for item in station.connectors] == [None, "CBL-0017"]
        assert PasswordHasher().verify(work.stations.password_hash("SE-UME-001") or "", "k9ZgP2vWq7Xs4LtB")
        assert work.stations.password_hash("SE-HBG-001") is None
        token = work.tokens.get(pseudonym(KEY, "04a1b2c3d4e5f6"))
        assert token is not None and (token.label, token.driver_id) == ("••••F6", "anna")
        driver = work.tokens.driver("anna")
        assert driver is not None and driver.email == "anna@example.org"
        version = work.tariffs.get("dc")
        assert version is not None and (version.version, version.valid_from) == (1, NOW)
        assert [item.scope for item in work.tariffs.assignments()] == ["default", "station"]
        duty, second, *_ = work.routes.all()
        assert (duty.rota, duty.repeat_every_s, duty.backup) == ("field", 1800, False)
        assert (second.backup, second.escalate_after_s, second.escalate_p1_after_s) == (True, 900, 300)
        on_call = work.routes.on_call()
        assert [contact.contact_id for contact in on_call.contacts] == ["eva", "nils"]
        assert on_call.on_duty("field", datetime(2026, 12, 24, 12, tzinfo=UTC)) == ("nils", "eva")
        (audit,) = work.people.audit_page().items
        assert (audit.actor, audit.action, audit.detail["stations"]["added"]) == ("cli:test", "network.import", 2)


def test_second_import_changes_nothing(records: SqlRecords, network: Network) -> None:
    apply(network, records)
    summary = apply_network(network, records, privacy_key=KEY, now=LATER)
    assert not summary.changed_anything
    assert summary.tables["tokens"] == Counts(unchanged=4)
    with records.read() as work:
        assert [version.version for version in work.tariffs.newest()] == [1, 1]
        assert len(work.people.audit_page().items) == 1


def test_changes_are_counted_and_made(records: SqlRecords, network: Network) -> None:
    apply(network, records)
    tariff = network.tariffs[1].model_copy(
        update={"ocpi": {**network.tariffs[1].ocpi, "last_updated": "2026-11-22T00:00:00Z"}}
    )
    station = network.stations[0].model_copy(update={"password": "another password 1", "site": "harbour"})
    rekeyed = network.stations[1].model_copy(update={"password": "now it has one, too"})
    assert network.routes is not None
    changed = network.model_copy(
        update={
            "tariffs": (network.tariffs[0], tariff),
            "stations": (station, rekeyed),
            "assignments": (),
            "routes": network.routes[1:],
        }
    )
    counts = apply(changed, records, LATER)
    assert counts["tariffs"] == Counts(changed=1, unchanged=1)
    assert counts["stations"] == Counts(changed=2)
    assert counts["assignments"] == Counts(changed=2)
    assert counts["routes"] == Counts(changed=1, unchanged=3)
    with records.read() as work:
        newest = work.tariffs.get("dc")
        assert newest is not None and (newest.version, newest.valid_from) == (2, LATER)
        moved = work.stations.get("SE-UME-001")
        assert moved is not None and moved.site_id == "harbour"
        assert PasswordHasher().verify(work.stations.password_hash("SE-UME-001") or "", "another password 1")
        assert work.tariffs.assignments() == []


def test_password_that_the_station_was_given_since_is_not_undone_by_the_file(
    records: SqlRecords, network: Network
) -> None:
    apply(network, records)
    with records.begin() as work:
        first = work.stations.credentials()["SE-UME-001"]
        work.stations.set_credentials(
            "SE-UME-001", Credentials(password_hash="rotated", file_password_hash=first.password_hash)
        )
    assert apply(network, records)["stations"] == Counts(unchanged=2)
    with records.read() as work:
        assert work.stations.credentials()["SE-UME-001"].password_hash == "rotated"


def test_certificate_and_profile_stay_where_the_file_no_longer_says_them(
    records: SqlRecords, network: Network
) -> None:
    first, second = network.stations
    said = first.model_copy(update={"certificate": "NV-22", "security_profile": 3})
    apply(network.model_copy(update={"stations": (said, second)}), records)
    assert apply(network, records)["stations"] == Counts(unchanged=2)
    with records.read() as work:
        kept = work.stations.credentials()["SE-UME-001"]
    assert (kept.certificate, kept.security_profile) == ("NV-22", 3)


def test_live_state_stays(records: SqlRecords, network: Network) -> None:
    apply(network, records)
    with records.begin() as work:
        station = work.stations.get("SE-UME-001")
        assert station is not None
        first = msgspec.structs.replace(
            station.connectors[0], status=ConnectorState.CHARGING, session_id="S-x", power_w=7000.0
        )
        live = msgspec.structs.replace(
            station,
            connected=True,
            last_seen=NOW,
            booted_at=NOW,
            vendor="NORRSKEN AB",
            state=StationState.CHARGING,
            connectors=(first, station.connectors[1], Connector(connector_id=3)),
        )
        work.stations.save([live])
    first_said = network.stations[0].connectors[0].model_copy(update={"max_current_a": 16.0})
    said = network.stations[0].model_copy(
        update={"vendor": "Norrsken", "connectors": (first_said, network.stations[0].connectors[1])}
    )
    counts = apply(network.model_copy(update={"stations": (said, network.stations[1])}), records)
    assert counts["stations"] == Counts(changed=1, unchanged=1)
    with records.read() as work:
        expected = msgspec.structs.replace(
            live, connectors=(msgspec.structs.replace(first, max_current_a=16.0), *live.connectors[1:])
        )
        assert work.stations.get("SE-UME-001") == expected


def test_tables_that_the_file_leaves_out_stay(records: SqlRecords, network: Network) -> None:
    apply(network, records)
    apply(Network(), records)
    with records.read() as work:
        assert len(work.stations.all()) == 2
        assert [item.tariff_id for item in work.tariffs.assignments()] == ["ac", "dc"]
        assert len(work.routes.all()) == 4


def test_a_password_left_out_is_kept(records: SqlRecords, network: Network) -> None:
    apply(network, records)
    open_station = network.stations[0].model_copy(update={"password": None})
    counts = apply(network.model_copy(update={"stations": (open_station,)}), records)
    assert counts["stations"] == Counts(unchanged=1)
    with records.read() as work:
        assert work.stations.password_hash("SE-UME-001") is not None


def test_a_hash_that_cannot_be_read_is_replaced(records: SqlRecords, network: Network) -> None:
    apply(network, records)
    with records.begin() as work:
        work.stations.set_password_hash("SE-UME-001", "from another system")
    assert apply(network, records)["stations"] == Counts(changed=1, unchanged=1)


def test_nothing_is_kept_when_a_part_fails(
    records: SqlRecords, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise StoreError("the disk is full.")

    monkeypatch.setattr("laddvakt.stores.sql.routes.SqlRoutes.save", refuse)
    with pytest.raises(StoreError):
        apply(network, records)
    monkeypatch.undo()
    with records.read() as work:
        assert (work.stations.all(), work.tokens.all(), work.tariffs.newest()) == ([], [], [])


def test_routes_without_an_id_keep_theirs(records: SqlRecords) -> None:
    one, other = {"urls": "https://one.example"}, {"urls": "https://other.example"}
    apply(Network.model_validate({"routes": [one]}), records)
    with records.read() as work:
        (first,) = work.routes.all()
    apply(Network.model_validate({"routes": [other, one]}), records)
    with records.read() as work:
        assert work.routes.all()[1] == first
        assert isinstance(first, Route) and first.route_id.startswith("route-")


def test_assignments_are_ordered_as_in_the_file(records: SqlRecords) -> None:
    tariff = {"id": "t", "ocpi": {"id": "t"}}
    ordered = [{"tariff": "t", "plan": "b"}, {"tariff": "t", "plan": "a"}]
    apply(Network.model_validate({"tariffs": [tariff], "assignments": ordered}), records)
    apply(Network.model_validate({"tariffs": [tariff], "assignments": ordered[::-1]}), records)
    with records.read() as work:
        assert work.tariffs.assignments() == [
            Assignment(tariff_id="t", scope="plan", target=target) for target in ("a", "b")
        ]


def test_id_tags_are_kept_sealed_for_local_lists_only(records: SqlRecords, network: Network) -> None:
    apply(network, records)
    with records.read() as work:
        assert (work.tokens.list_version(), work.tokens.listed()) == (0, [])
    with_lists = apply_network(network, records, privacy_key=KEY, now=LATER, local_lists=True)
    assert with_lists.tables["tokens"] == Counts(changed=4)
    with records.read() as work:
        listed, version = work.tokens.listed(), work.tokens.list_version()
    assert {item.id_tag for item in listed} == {token.id_tag for token in network.tokens}
    assert {item.listed for item in listed} == {version}
    assert 2**27 < version < 2**31
    again = apply_network(network, records, privacy_key=KEY, now=LATER, local_lists=True)
    assert not again.changed_anything
    apply(network, records)
    with records.read() as work:
        assert (work.tokens.list_version(), work.tokens.listed()) == (0, [])


def test_version_of_the_list_grows_with_each_change(records: SqlRecords, network: Network) -> None:
    apply_network(network, records, privacy_key=KEY, now=LATER, local_lists=True)
    with records.read() as work:
        before = {item.id_tag: item.listed for item in work.tokens.listed()}
    first, *others = network.tokens
    blocked = first.model_copy(update={"status": AuthorizationStatus.BLOCKED})
    changed = network.model_copy(update={"tokens": (blocked, *others)})
    apply_network(changed, records, privacy_key=KEY, now=NOW, local_lists=True)  # a clock that was set back
    with records.read() as work:
        after = {item.id_tag: item.listed for item in work.tokens.listed()}
    assert after.pop(first.id_tag) == before.pop(first.id_tag) + 1
    assert after == before


def test_sealed_id_tags_show_nothing(network: Network, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    on_disk = open_records(settings)
    on_disk.migrate()
    apply_network(network, on_disk, privacy_key=KEY, now=NOW, local_lists=True)
    on_disk.close()
    content = b"".join(file.read_bytes() for file in tmp_path.glob("records.sqlite*"))
    assert not [token.id_tag for token in network.tokens if token.id_tag.encode() in content]
