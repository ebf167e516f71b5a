"""`/api/v1/stations`: stations and their connectors as last known."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response
from fastapi import Query as FromQuery

from dashboard.api.commands import outcome
from dashboard.auth import Action
from dashboard.rotation import rotate_password
from dashboard.web.wire import WireResponse, answers
from dashboard.web.wiring import Asking, Context, Identifier, PageQuery, cursor_of, needs
from laddvakt.domain.commands import CommandResult
from laddvakt.domain.errors import NotFoundError
from laddvakt.domain.stations import Station
from laddvakt.stores.ports import Page, Variable

router = APIRouter(prefix="/api/v1/stations", tags=["stations"], dependencies=[needs(Action.VIEW_STATIONS)])


class StationQuery(PageQuery):
    site_id: Identifier | None = None


@router.get("", **answers(Page[Station]))
def list_stations(context: Context, query: Annotated[StationQuery, FromQuery()]) -> WireResponse:
    """All stations, by id."""
    with cursor_of(query.after), context.records.read() as work:
        page = work.stations.page(after=query.after, limit=query.limit, site_id=query.site_id)
    return WireResponse(page)


@router.get(
    "/{station_id}/variables",
    **answers(Page[Variable], errors=(404,)),
    dependencies=[needs(Action.VIEW_STATION_DETAILS)],
)
def list_variables(
    context: Context, station_id: Identifier, query: Annotated[PageQuery, FromQuery()]
) -> WireResponse:
    """The device model of a station (OCPP 2.x), or its configuration keys (1.6), as last reported, by component
    and variable."""
    with cursor_of(query.after), context.records.read() as work:
        if work.stations.get(station_id) is None:
            raise NotFoundError(f"there is no station {station_id}.")
        page = work.inventory.page(station_id, after=query.after, limit=query.limit)
    return WireResponse(page)


@router.post(
    "/{station_id}/rotate-password",
    **answers(CommandResult, errors=(404, 409, 429, 502, 504)),
    dependencies=[needs(Action.COMMAND_STATIONS)],
)
async def rotate_station_password(
    context: Context, principal: Asking, station_id: Identifier, again: bool = False
) -> Response:
    """Tell a station a new random password for HTTP Basic; old and new count until it has shown the new one.
    `again`: also where the last new one was never shown."""
    return await outcome(
        rotate_password(
            context.records,
            context.commands,
            context.clock,
            station_id=station_id,
            actor=principal.name,
            again=again,
        )
    )


@router.get("/{station_id}", **answers(Station, errors=(404,)))
def get_station(context: Context, station_id: Identifier) -> WireResponse:
    """One station."""
    with context.records.read() as work:
        station = work.stations.get(station_id)
    if station is None:
        raise NotFoundError(f"there is no station {station_id}.")
    return WireResponse(station)
