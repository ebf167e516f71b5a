"""A new Basic password for a station, told by command (OCPP 1.6 security whitepaper A01; 2.0.1 part 2 A01).

Old and new are both let in until the station has shown the new one, so that nothing that goes wrong on the way
locks it out: not a lost answer, not a crash between two lines.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from dashboard.commands import send
from dashboard.context import Commands
from laddvakt.domain.commands import CommandResult, CommandStatus
from laddvakt.domain.errors import ConflictError, NotFoundError
from laddvakt.network.passwords import STATION_HASHER, new_password
from laddvakt.stores.ports import Records

_MAY_HAVE_IT = (CommandStatus.ACCEPTED, CommandStatus.TIMEOUT, CommandStatus.LOST)


async def rotate_password(
    records: Records,
    commands: Commands | None,
    clock: Callable[[], datetime],
    *,
    station_id: str,
    actor: str,
    again: bool = False,
) -> CommandResult:
    """What became of the command that told the station. Raises NotFoundError for a station that no network file
    names, ConflictError while it has not shown the last new password (which `again` forgets), and what
    `dashboard.commands.send` raises."""
    password = new_password()
    hashed = await asyncio.to_thread(STATION_HASHER.hash, password)
    protocol = await asyncio.to_thread(_expect, records, station_id, hashed, again)
    action, payload = telling(protocol, password)
    result = await send(
        records, commands, clock, station_id=station_id, action=action, payload=payload, actor=actor
    )
    if result.status not in _MAY_HAVE_IT:  # neither after an error, which says nothing of the station
        await asyncio.to_thread(_take_back, records, station_id, hashed)
    return result


def telling(protocol: str, password: str) -> tuple[str, dict[str, Any]]:
    """The command that tells a station its new password."""
    if protocol == "ocpp1.6":
        return "ChangeConfiguration", {"key": "AuthorizationKey", "value": password}
    variable = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}}
    return "SetVariables", {"setVariableData": [{**variable, "attributeValue": password}]}


def _expect(records: Records, station_id: str, hashed: str, again: bool) -> str:
    """The new password counts before the station is told. Returns the station's protocol."""
    with records.begin() as work:
        station = work.stations.get(station_id)
        kept = work.stations.credentials([station_id]).get(station_id)
        if station is None or kept is None:
            raise NotFoundError(f"station {station_id} is not registered.", mend="Import a network file with it.")
        if kept.next_password_hash is not None and not again:
            raise ConflictError(
                f"{station_id} was told a new password and has not shown it yet.",
                mend="Let it reconnect (a Reset does), or use --again to forget the password that it was told.",
            )
        work.stations.set_credentials(station_id, replace(kept, next_password_hash=hashed))
        return station.protocol or "ocpp1.6"


def _take_back(records: Records, station_id: str, hashed: str) -> None:
    with records.begin() as work:
        kept = work.stations.credentials([station_id]).get(station_id)
        if kept is not None and kept.next_password_hash == hashed:
            work.stations.set_credentials(station_id, replace(kept, next_password_hash=None))
