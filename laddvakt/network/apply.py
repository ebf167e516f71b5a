"""Puts a network into the records, in one transaction; what is there already is left as it is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from argon2.exceptions import InvalidHashError, VerificationError

from laddvakt.domain.identification import kind_shown, normal_form
from laddvakt.domain.oncall import OnCall
from laddvakt.domain.stations import Connector, Station, station_state
from laddvakt.domain.tokens import Token, TokenKind
from laddvakt.network.model import Network, NetworkConnector, NetworkRoute, NetworkStation, NetworkToken
from laddvakt.network.passwords import STATION_HASHER
from laddvakt.privacy import mask, pseudonym
from laddvakt.stores.ports import AuditItem, Credentials, Records, Work

# List versions are seconds since then: they grow also when the records are made anew, and fit 31 bits until 2088.
_LISTS_SINCE = datetime(2020, 1, 1, tzinfo=UTC)

T = TypeVar("T")


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the rows of one table."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What an import did, by table of the file."""

    sites: Counts
    stations: Counts
    drivers: Counts
    tokens: Counts
    tariffs: Counts
    assignments: Counts
    contacts: Counts
    rotas: Counts
    routes: Counts
    warnings: tuple[str, ...] = ()

    @property
    def tables(self) -> dict[str, Counts]:
        return {name: getattr(self, name) for name in self.__struct_fields__ if name != "warnings"}

    @property
    def changed_anything(self) -> bool:
        return any(counts.added or counts.changed for counts in self.tables.values())


def apply_network(
    network: Network,
    records: Records,
    *,
    privacy_key: str,
    now: datetime,
    actor: str = "import",
    local_lists: bool = False,
) -> Summary:
    """Brings the records up to the network file: all of it, or nothing when it raises.

    Applying the same network again changes nothing. Live state (links, statuses, sessions) is kept; things that
    the file does not name stay. `assignments`, `contacts`, `rotas` and `routes`, where the file has them, replace
    what was there. With `local_lists` the idTags themselves are kept too, encrypted; without, none is.
    Raises StoreError.
    """
    credentials = _new_credentials(network, records)
    with records.begin() as work:
        contacts, rotas = _on_call(network, work)
        summary = Summary(
            sites=_sites(network, work),
            stations=_stations(network, work, credentials),
            drivers=_drivers(network, work),
            tokens=_tokens(network, work, privacy_key, now if local_lists else None),
            tariffs=_tariffs(network, work, now),
            assignments=_assignments(network, work),
            contacts=contacts,
            rotas=rotas,
            routes=_routes(network, work),
            warnings=network.warnings,
        )
        if summary.changed_anything:
            detail = {name: msgspec.to_builtins(counts) for name, counts in summary.tables.items()}
            work.people.audit(
                AuditItem(at=now, actor=actor, action="network.import", object="network", detail=detail)
            )
    return summary


def _split(wanted: Mapping[Any, T], current: Mapping[Any, T]) -> tuple[Counts, list[T]]:
    """How many of the wanted are new, other or the same, and those to save."""
    to_save = [item for key, item in wanted.items() if current.get(key) != item]
    added = len(wanted.keys() - current.keys())
    counts = Counts(added=added, changed=len(to_save) - added, unchanged=len(wanted) - len(to_save))
    return counts, to_save


def _saved(wanted: Mapping[Any, T], current: Mapping[Any, T], save: Callable[[Iterable[T]], None]) -> Counts:
    counts, to_save = _split(wanted, current)
    if to_save:
        save(to_save)
    return counts


def _sites(network: Network, work: Work) -> Counts:
    wanted = {site.id: site.as_site() for site in network.sites}
    return _saved(wanted, {site.site_id: site for site in work.stations.sites()}, work.stations.save_sites)


def _stations(network: Network, work: Work, credentials: Mapping[str, Credentials]) -> Counts:
    current = work.stations.many(station.id for station in network.stations)
    wanted = {station.id: _station(station, current.get(station.id)) for station in network.stations}
    counts, to_save = _split(wanted, current)
    work.stations.save(to_save)
    for station_id, changed in credentials.items():
        work.stations.set_credentials(station_id, changed)
    more = len(credentials.keys() - {station.station_id for station in to_save})
    return Counts(added=counts.added, changed=counts.changed + more, unchanged=counts.unchanged - more)


def _station(said: NetworkStation, current: Station | None) -> Station:
    """The station with what the file says of it; the rest as it is. Maker and model are the station's own word
    once it has booted."""
    now = current or Station(station_id=said.id, state=station_state(connected=False, statuses=[]))
    booted = now.booted_at is not None
    connectors = {connector.connector_id: connector for connector in now.connectors}
    for item in said.connectors:
        connectors[item.id] = _connector(item, connectors.get(item.id))
    return msgspec.structs.replace(
        now,
        site_id=said.site,
        vendor=(booted and now.vendor) or said.vendor,
        model=(booted and now.model) or said.model,
        max_power_w=said.max_power_w,
        phases=said.phases,
        current=said.current,
        registered=True,
        connectors=tuple(connectors[number] for number in sorted(connectors)),
    )


def _connector(said: NetworkConnector, current: Connector | None) -> Connector:
    return msgspec.structs.replace(
        current or Connector(connector_id=said.id),
        evse_id=said.evse_id if said.evse_id is not None or current is None else current.evse_id,
        type=said.type,
        max_current_a=said.max_current_a,
        max_power_w=said.max_power_w,
        cable_id=said.cable,
        bay=said.bay,
    )


def _new_credentials(network: Network, records: Records) -> dict[str, Credentials]:
    """Those that are not yet in the records, worked out before other writers have to wait. What the file does not
    say of a station stays as it is: leaving a line out must not open the door."""
    with records.read() as work:
        kept = work.stations.credentials(item.id for item in network.stations)
    wanted = {item.id: _credentials(item, kept.get(item.id, Credentials())) for item in network.stations}
    return {key: value for key, value in wanted.items() if value != kept.get(key, Credentials())}


def _credentials(said: NetworkStation, kept: Credentials) -> Credentials:
    """A new password of the file takes the place of all others. One that the station had from the file before it
    was given another is not new."""
    changed = msgspec.structs.replace(
        kept,
        certificate=said.certificate or kept.certificate,
        security_profile=kept.security_profile if said.security_profile is None else said.security_profile,
    )
    if said.password is None or _is_password(kept, said.password):
        return changed
    password_hash = STATION_HASHER.hash(said.password)
    return msgspec.structs.replace(
        changed, password_hash=password_hash, next_password_hash=None, file_password_hash=None
    )


def _is_password(kept: Credentials, password: str) -> bool:
    hashes = filter(None, (kept.password_hash, kept.next_password_hash, kept.file_password_hash))
    return any(_fits(password_hash, password) for password_hash in hashes)


def _fits(password_hash: str, password: str) -> bool:
    try:
        return STATION_HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False  # another password, or a hash that something else made


def _drivers(network: Network, work: Work) -> Counts:
    wanted = {driver.id: driver.as_driver() for driver in network.drivers}
    current = {key: driver for key in wanted if (driver := work.tokens.driver(key)) is not None}
    return _saved(wanted, current, work.tokens.save_drivers)


def _tokens(network: Network, work: Work, privacy_key: str, listed_at: datetime | None) -> Counts:
    """`listed_at` is the time of an import whose tokens go on stations' local lists; None: they do not."""
    id_tags = {_token(said, privacy_key): said.id_tag for said in network.tokens}
    wanted = {token.token: token for token in id_tags}
    current = {key: token for key in wanted if (token := work.tokens.get(key)) is not None}
    counts, to_save = _split(wanted, current)
    work.tokens.save(to_save)
    changed = {token.token for token in to_save}
    before = work.tokens.listed_names()
    if listed_at is None:
        if before:
            work.tokens.clear_list()
        return counts
    fresh = changed | (wanted.keys() - before)
    if fresh:
        version = max(work.tokens.list_version() + 1, int((listed_at - _LISTS_SINCE).total_seconds()))
        work.tokens.put_on_list({t.token: text for t, text in id_tags.items() if t.token in fresh}, version)
    more = len(fresh - changed)
    return Counts(added=counts.added, changed=counts.changed + more, unchanged=counts.unchanged - more)


def _token(said: NetworkToken, privacy_key: str) -> Token:
    kind = kind_shown(said.shown) or TokenKind.RFID
    return Token(
        token=pseudonym(privacy_key, normal_form(said.id_tag, kind)),
        label=mask(said.id_tag),
        kind=kind,
        driver_id=said.driver,
        status=said.status,
        expires_at=said.expires_at,
        group_id=said.group,
    )


def _tariffs(network: Network, work: Work, now: datetime) -> Counts:
    added = changed = 0
    for tariff in network.tariffs:
        before = work.tariffs.get(tariff.id)
        version = work.tariffs.put(tariff.id, tariff.ocpi, now=now).version
        added += before is None
        changed += before is not None and before.version != version
    return Counts(added=added, changed=changed, unchanged=len(network.tariffs) - added - changed)


def _assignments(network: Network, work: Work) -> Counts:
    if network.assignments is None:
        return Counts()
    tariffs = {tariff.id: tariff for tariff in network.tariffs}
    wanted = [item.as_assignment(tariffs[item.tariff]) for item in network.assignments]
    return _replaced(wanted, work.tariffs.assignments(), work.tariffs.save_assignments)


def _routes(network: Network, work: Work) -> Counts:
    if network.routes is None:
        return Counts()
    wanted = [route.as_route(_route_id(route)) for route in network.routes]
    return _replaced(wanted, work.routes.all(), work.routes.save)


def _on_call(network: Network, work: Work) -> tuple[Counts, Counts]:
    kept = work.routes.on_call()
    wanted = OnCall(
        contacts=kept.contacts if network.contacts is None else tuple(c.as_contact() for c in network.contacts),
        rotas=kept.rotas if network.rotas is None else tuple(r.as_rota() for r in network.rotas),
    )
    if wanted != kept:
        work.routes.save_on_call(wanted)
    contacts = Counts() if network.contacts is None else _compared(wanted.contacts, kept.contacts)
    return contacts, Counts() if network.rotas is None else _compared(wanted.rotas, kept.rotas)


def _replaced(wanted: list[T], current: list[T], save: Callable[[Iterable[T]], None]) -> Counts:
    """For lists that are replaced as a whole."""
    if wanted != current:
        save(wanted)
    return _compared(wanted, current)


def _compared(wanted: Sequence[T], current: Sequence[T]) -> Counts:
    """What is gone counts as changed."""
    same = sum(item in current for item in wanted)
    gone = sum(item not in wanted for item in current)
    return Counts(added=max(0, len(wanted) - same - gone), changed=gone, unchanged=same)


def _route_id(route: NetworkRoute) -> str:
    """Stable while the route stays the same, so that nobody is told twice after an import."""
    said = repr(sorted(route.model_dump(exclude={"id"}, exclude_defaults=True).items()))
    return "route-" + hashlib.blake2b(said.encode(), digest_size=4).hexdigest()
