"""`/api/v1/silences`: planned maintenance and quiet times. No tickets open and nobody is called meanwhile."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from fastapi import Query as FromQuery
from pydantic import BaseModel, ConfigDict, Field

from dashboard.auth import Action
from dashboard.silences import WantedSilence, silence, take_back
from dashboard.web.wire import WireResponse, answers
from dashboard.web.wiring import Asking, Context, Identifier, PageQuery, UtcTime, cursor_of, needs
from laddvakt.domain.errors import NotFoundError
from laddvakt.domain.silences import Silence, SilenceKind, SilenceScope
from laddvakt.stores.ports import Page

router = APIRouter(prefix="/api/v1/silences", tags=["silences"], dependencies=[needs(Action.VIEW_TICKETS)])


class SilenceQuery(PageQuery):
    at: UtcTime | None = Field(None, description="Only those in force at this time; then all in one page")


class NewSilence(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    kind: SilenceKind = Field(
        SilenceKind.MAINTENANCE, description="`maintenance` is excluded from availability, `quiet` is not"
    )
    scope: SilenceScope
    target: str = Field("", max_length=255, description="A site, station or `<station>/<connector>`")
    fault: Identifier | None = Field(None, description="Of the fault catalogue; all when left out")
    from_: UtcTime | None = Field(None, alias="from", description="Now when left out")
    until: UtcTime
    reason: str = Field(min_length=1, max_length=2000)


@router.get("", **answers(Page[Silence]))
def list_silences(context: Context, query: Annotated[SilenceQuery, FromQuery()]) -> WireResponse:
    """Silences, those that begin last first; past ones too, because figures are excluded by them."""
    with cursor_of(query.after), context.records.read() as work:
        if query.at is not None:
            found = work.silences.overlapping(query.at, query.at)
            return WireResponse(Page(items=tuple(found)))
        return WireResponse(work.silences.page(after=query.after, limit=query.limit))


@router.get("/{silence_id}", **answers(Silence, errors=(404,)))
def get_silence(context: Context, silence_id: Identifier) -> WireResponse:
    """One silence."""
    with context.records.read() as work:
        found = work.silences.get(silence_id)
    if found is None:
        raise NotFoundError(f"there is no silence {silence_id}.")
    return WireResponse(found)


@router.post("", **answers(Silence, errors=(409, 413)), dependencies=[needs(Action.SILENCE)])
def make_silence(context: Context, principal: Asking, body: NewSilence) -> WireResponse:
    """Hold tickets back; what still stands when it ends becomes a ticket then."""
    wanted = WantedSilence(
        kind=body.kind,
        scope=body.scope,
        target=body.target,
        fault=body.fault,
        from_=body.from_ or context.clock(),
        until=body.until,
        reason=body.reason,
    )
    return WireResponse(silence(context, wanted, actor=principal.name))


@router.delete("/{silence_id}", **answers(Silence, errors=(404, 409)), dependencies=[needs(Action.SILENCE)])
def end_silence(context: Context, principal: Asking, silence_id: Identifier) -> WireResponse:
    """End it now, or before it begins. It stays on record."""
    return WireResponse(take_back(context, silence_id, actor=principal.name))
