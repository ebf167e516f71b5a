"""What people do about messages that were set aside, for pages, API and command line alike: audited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec
from msgspec.structs import replace

from dashboard.context import Reprocessing
from laddvakt.domain.errors import ConflictError, EventLogError, NotFoundError
from laddvakt.domain.facts import QuarantineReason
from laddvakt.domain.quarantine import QuarantineState, ReprocessRequest
from laddvakt.stores.ports import AuditItem, QuarantineItem, Records, Work

MOST_AT_ONCE = 1000
_RECORDED_WITHIN_S = 5.0
_LOOK_S = 0.05


class Handled(msgspec.Struct, frozen=True, kw_only=True):
    """What became of several items (API object). `more`: others fit as well; ask again."""

    asked: int
    settled: int
    still_open: int
    more: bool = False


class Which(msgspec.Struct, frozen=True, kw_only=True):
    """Open items: of a reason, of a station, or all."""

    reason: QuarantineReason | None = None
    station_id: str | None = None


async def reprocess(
    records: Records, line: Reprocessing | None, clock: Callable[[], datetime], *, item_id: str, actor: str
) -> QuarantineItem:
    """Has a message read again and waits for what becomes of it. An item that was settled before is returned as it
    is. Raises NotFoundError, EventLogError when no collector can do it, StoreError."""
    item = await asyncio.to_thread(get, records, item_id)
    if item.state is not QuarantineState.OPEN:
        return item
    if line is None:
        raise EventLogError("there is no event log here, so nothing can be read again.")
    now = clock()
    request = ReprocessRequest(
        item_id=item.item_id,
        station_id=item.station_id,
        kind=item.kind,
        reason=item.reason,
        raw=item.raw,
        received_at=item.received_at,
        protocol=item.protocol,
        topic=item.topic,
        by=actor,
        at=now,
    )
    reply = await line.ask(request)
    if reply.error:
        raise EventLogError(f"{item_id} was not read again: {reply.error}")
    item = await _recorded(records, item_id, item.tried_at)
    detail = {"state": item.state.value, "outcome": item.outcome or item.detail}
    audit = AuditItem(at=now, actor=actor, action="quarantine.reprocess", object=item_id, detail=detail)
    await asyncio.to_thread(_audit, records, audit)
    return item


async def reprocess_all(
    records: Records, line: Reprocessing | None, clock: Callable[[], datetime], *, which: Which, actor: str
) -> Handled:
    """Oldest first: a start is read before the stop that misses it."""
    items, more = await asyncio.to_thread(_open_ones, records, which)
    settled = 0
    for item in items:
        after = await reprocess(records, line, clock, item_id=item.item_id, actor=actor)
        settled += after.state is not QuarantineState.OPEN
    return Handled(asked=len(items), settled=settled, still_open=len(items) - settled, more=more)


def dismiss(
    records: Records, clock: Callable[[], datetime], *, item_id: str, actor: str, comment: str = ""
) -> QuarantineItem:
    """Nothing is to be done about it. Raises NotFoundError, ConflictError when it was reprocessed, StoreError."""
    with records.begin() as work:
        item = _found(work, item_id)
        if item.state is QuarantineState.REPROCESSED:
            raise ConflictError(f"{item_id} has been reprocessed already.")
        return _dismissed(work, [item], clock(), actor, comment)[0]


def dismiss_all(
    records: Records, clock: Callable[[], datetime], *, which: Which, actor: str, comment: str = ""
) -> Handled:
    items, more = _open_ones(records, which)
    with records.begin() as work:
        fresh = [_found(work, item.item_id) for item in items]
        open_ones = [item for item in fresh if item.state is QuarantineState.OPEN]
        _dismissed(work, open_ones, clock(), actor, comment)
    return Handled(asked=len(items), settled=len(items), still_open=0, more=more)


def _dismissed(
    work: Work, items: Iterable[QuarantineItem], now: datetime, actor: str, comment: str
) -> list[QuarantineItem]:
    done = [
        replace(item, state=QuarantineState.DISMISSED, settled_at=now, settled_by=actor, outcome=comment)
        for item in items
    ]
    work.quarantine.save(done)
    for item in done:
        detail = {"comment": comment} if comment else {}
        work.people.audit(
            AuditItem(at=now, actor=actor, action="quarantine.dismiss", object=item.item_id, detail=detail)
        )
    return done


def _open_ones(records: Records, which: Which) -> tuple[list[QuarantineItem], bool]:
    """The newest thousand, oldest first, and whether there are more."""
    with records.read() as work:
        page = work.quarantine.page(
            station_id=which.station_id, reason=which.reason, state=QuarantineState.OPEN, limit=MOST_AT_ONCE
        )
    return list(reversed(page.items)), page.next is not None


async def _recorded(records: Records, item_id: str, tried_before: datetime | None) -> QuarantineItem:
    """The item once the recorder has got that far, or as it is after a while."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _RECORDED_WITHIN_S
    while True:
        item = await asyncio.to_thread(get, records, item_id)
        if item.tried_at != tried_before or loop.time() > until:
            return item
        await asyncio.sleep(_LOOK_S)


def get(records: Records, item_id: str) -> QuarantineItem:
    """Raises NotFoundError, StoreError."""
    with records.read() as work:
        return _found(work, item_id)


def _found(work: Work, item_id: str) -> QuarantineItem:
    item = work.quarantine.get(item_id)
    if item is None:
        raise NotFoundError(f"nothing in the quarantine is called {item_id}.")
    return item


def _audit(records: Records, item: AuditItem) -> None:
    with records.begin() as work:
        work.people.audit(item)
