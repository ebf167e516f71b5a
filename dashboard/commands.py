"""Commands to stations, for pages, API and command line alike: sent, and written down with who did it."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

from dashboard.context import Commands
from laddvakt.domain.commands import CommandRequest, CommandResult
from laddvakt.domain.errors import EventLogError, NotFoundError, StoreError
from laddvakt.privacy import for_people
from laddvakt.stores.ports import AuditItem, Records

logger = logging.getLogger(__name__)

_MOST_AUDITED = 4000  # characters of a payload; a local list may have thousands of tokens


async def send(
    records: Records,
    commands: Commands | None,
    clock: Callable[[], datetime],
    *,
    station_id: str,
    action: str,
    payload: dict[str, Any],
    actor: str,
    timeout_s: float | None = None,
) -> CommandResult:
    """Sends a command and waits for what becomes of it. Raises NotFoundError for an unknown station, StoreError
    when that cannot be told (then nothing was sent), EventLogError when the way to the station is broken."""
    await asyncio.to_thread(_check, records, station_id)
    if commands is None:
        raise EventLogError("there is no event log here, so no station can be reached.")
    request = CommandRequest(
        command_id=uuid.uuid4().hex,
        station_id=station_id,
        action=action,
        payload=payload,
        actor=actor,
        timeout_s=timeout_s,
    )
    outcome = "unknown"
    try:
        result = await commands.ask(request)
        outcome = result.status.value
        return result
    finally:
        item = AuditItem(
            at=clock(),
            actor=actor,
            action="station.command",
            object=station_id,
            detail={
                "command": action,
                "payload": _shown(payload),
                "outcome": outcome,
                "command_id": request.command_id,
            },
        )
        await asyncio.shield(asyncio.to_thread(_audit, records, item))


def _shown(payload: dict[str, Any]) -> dict[str, Any]:
    shown = for_people(payload)
    size = len(json.dumps(shown))
    return shown if size <= _MOST_AUDITED else {"…": f"{size} characters"}


def _check(records: Records, station_id: str) -> None:
    with records.read() as work:
        if work.stations.get(station_id) is None:
            raise NotFoundError(f"there is no station {station_id}.")


def _audit(records: Records, item: AuditItem) -> None:
    """The command has been sent, and the event log says by whom: a failure here must not hide what became of
    it."""
    try:
        with records.begin() as work:
            work.people.audit(item)
    except (StoreError, ValueError) as error:
        logger.error("a command to %s is not in the audit: %s", item.object, error)
