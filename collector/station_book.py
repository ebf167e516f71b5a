"""What facts do to a station as a whole: its link, what it is, its clock, what it says of other things."""

from __future__ import annotations

from msgspec.structs import replace

from collector import details
from collector.working_set import WorkingSet
from laddvakt.domain.entries import Entry, EntryKind
from laddvakt.domain.facts import (
    Booted,
    ChargingLimitReported,
    CommandAnswered,
    CommandSent,
    DiagnosticsReported,
    Fact,
    FirmwareReported,
    LinkDown,
    LinkUp,
    NonConforming,
    RemoteStartAsked,
    SecurityEventReported,
    StatusReported,
    VariableReported,
    VehicleIdentified,
    VehicleNeedsReported,
)
from laddvakt.domain.stations import ConnectorState
from laddvakt.stores.ports import VehicleSeen

_MAX_DETAIL = 200


class StationBook(WorkingSet):
    """One method per kind of fact."""

    def _link_up(self, station_id: str, fact: LinkUp) -> None:
        station = self._stations[station_id]
        protocol = fact.protocol or station.protocol
        linked = replace(station, connected=True, connected_since=fact.at, protocol=protocol)
        self._keep(linked)
        self._note(linked, linked.connectors, fact.at)

    def _link_down(self, station_id: str, fact: LinkDown) -> None:
        """StatusNotifications are not queued offline: what a connector does is unknown until it says so again."""
        station = self._stations[station_id]
        known = fact.since is not None and station.connected_since is not None
        if known and fact.since != station.connected_since:
            return  # the end of an old link, which took longer than the station's next one to come up
        connectors = tuple(replace(c, status=ConnectorState.UNKNOWN, power_w=None) for c in station.connectors)
        unlinked = replace(station, connected=False, connectors=connectors)
        self._keep(unlinked)
        self._note(unlinked, connectors, fact.at)

    def _booted(self, station_id: str, fact: Booted) -> None:
        station = self._stations[station_id]
        if station.booted_at is not None and fact.at < station.booted_at:
            return  # read again, or late: what came after it stands
        self._keep(
            replace(
                station,
                vendor=fact.vendor,
                model=fact.model,
                serial_number=fact.serial_number or station.serial_number,
                firmware=fact.firmware or station.firmware,
                booted_at=fact.at,
            )
        )

    def _clock(self, entry: Entry, fact: StatusReported) -> None:
        """How far the station's clock is off: StatusNotifications are not queued, so their age is its error."""
        said = fact.station_at or fact.at
        if said != entry.received_at:  # a status without a time has that of its receipt
            offset = round((said - entry.received_at).total_seconds(), 1)
            self._keep(replace(self._stations[entry.station_id], clock_offset_s=offset))

    def _detail(self, entry: Entry, number: int, fact: Fact) -> None:
        """What stations and vehicles say beside states and sessions."""
        match fact:
            case FirmwareReported() | DiagnosticsReported() | ChargingLimitReported():
                self._keep(details.of_station(self._stations[entry.station_id], fact))
            case VehicleIdentified():
                token = self._token_of(fact.id_tag, fact.token_kind)
                seen = VehicleSeen(
                    station_id=entry.station_id, connector_id=fact.connector_id, token=token, seen_at=fact.at
                )
                self._work.tokens.saw_vehicle(seen)
            case VehicleNeedsReported():
                for session in self._open_on(entry.station_id, fact.connector_id):
                    self._keep_session(details.of_session(session, fact))
            case VariableReported():
                variable = details.variable(entry.station_id, fact)
                key = (variable.station_id, variable.variable_id)
                self._variables[key] = details.newer(self._variables.get(key), variable)
            case SecurityEventReported():
                self._security_events.append(details.security_event(entry, number, fact))
            case CommandSent() | RemoteStartAsked() | CommandAnswered():
                self._orders.apply(entry.station_id, fact)
            case NonConforming() if entry.kind is EntryKind.OCPP_IN:
                station = self._stations[entry.station_id]
                count, detail = station.non_conforming + 1, fact.detail[:_MAX_DETAIL]
                self._keep(replace(station, non_conforming=count, non_conforming_detail=detail))
