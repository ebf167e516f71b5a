"""Holding tickets back for a time, for pages and API alike. Silences are audited and never deleted."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

import msgspec

from dashboard.context import AppContext
from laddvakt.domain.errors import ConflictError, NotFoundError
from laddvakt.domain.silences import Silence, SilenceKind, SilenceScope
from laddvakt.domain.times import rfc3339
from laddvakt.stores.ports import AuditItem, Work

LONGEST = timedelta(days=366)
"""A silence that is forgotten hides faults; nobody plans further."""


class WantedSilence(msgspec.Struct, frozen=True, kw_only=True):
    """A silence that somebody asks for."""

    kind: SilenceKind
    scope: SilenceScope
    target: str
    fault: str | None
    from_: datetime
    until: datetime
    reason: str


def silence(context: AppContext, wanted: WantedSilence, *, actor: str) -> Silence:
    """Keeps it. Raises ConflictError when it makes no sense: it is over, too long, its place is unknown, or
    planned maintenance of one fault only."""
    now = context.clock()
    with context.records.begin() as work:
        _check(work, wanted, now)
        made = Silence(
            silence_id=f"Q-{secrets.token_hex(5)}",
            created_by=actor,
            created_at=now,
            **msgspec.structs.asdict(wanted),
        )
        work.silences.save(made)
        _audit(work, made, actor, "silence.create", now)
    return made


def take_back(context: AppContext, silence_id: str, *, actor: str) -> Silence:
    """It ends now, or never begins. Raises NotFoundError, and ConflictError when it is over already."""
    now = context.clock()
    with context.records.begin() as work:
        found = work.silences.get(silence_id)
        if found is None:
            raise NotFoundError(f"there is no silence {silence_id}.")
        if found.end <= now:
            raise ConflictError(f"silence {silence_id} ended at {rfc3339(found.end)}.")
        ended = msgspec.structs.replace(found, ended_at=now, ended_by=actor)
        work.silences.save(ended)
        _audit(work, ended, actor, "silence.end", now)
    return ended


def _check(work: Work, wanted: WantedSilence, now: datetime) -> None:
    if not wanted.reason.strip():
        raise ConflictError("a silence needs a reason.", mend="Say what is done there.")
    if wanted.until <= max(now, wanted.from_):
        raise ConflictError(f"a silence until {rfc3339(wanted.until)} holds nothing back.", mend="End it later.")
    if wanted.until - wanted.from_ > LONGEST:
        raise ConflictError(f"a silence lasts {LONGEST.days} days at most.", mend="Renew it then.")
    if wanted.kind is SilenceKind.MAINTENANCE and wanted.fault is not None:
        raise ConflictError("maintenance is about all faults.", mend="Use kind quiet for one fault.")
    if not _exists(work, wanted.scope, wanted.target):
        raise ConflictError(f"there is no {wanted.scope} {wanted.target!r} to be silent about.")


def _exists(work: Work, scope: SilenceScope, target: str) -> bool:
    if scope is SilenceScope.FLEET:
        return target == ""
    if scope is SilenceScope.SITE:
        return any(site.site_id == target for site in work.stations.sites())
    if scope is SilenceScope.STATION:
        return work.stations.get(target) is not None
    station_id, _, connector = target.rpartition("/")
    station = work.stations.get(station_id)
    return station is not None and any(str(c.connector_id) == connector for c in station.connectors)


def _audit(work: Work, silence_: Silence, actor: str, action: str, now: datetime) -> None:
    said = msgspec.to_builtins(silence_)
    detail = {name: said[name] for name in ("kind", "scope", "target", "fault", "from", "until", "reason")}
    work.people.audit(AuditItem(at=now, actor=actor, action=action, object=silence_.silence_id, detail=detail))
