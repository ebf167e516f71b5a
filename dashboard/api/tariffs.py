"""`/api/v1/tariffs`: OCPI 2.2.1 Tariff objects. A change makes a new version; sessions keep the one they began
with."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Body, Header
from fastapi import Query as FromQuery
from pydantic import Field

from dashboard.auth import Action
from dashboard.context import AppContext
from dashboard.web.problems import ChangedError, InvalidRequestError
from dashboard.web.wire import WireResponse, answers
from dashboard.web.wiring import Asking, Context, Query, needs
from laddvakt.billing.tariff import parse_tariff
from laddvakt.domain.errors import NotFoundError
from laddvakt.stores.ports import AuditItem, Page, TariffVersion

router = APIRouter(prefix="/api/v1/tariffs", tags=["tariffs"], dependencies=[needs(Action.VIEW_TARIFFS)])

TariffId = Annotated[str, Field(min_length=1, max_length=36)]


class OcpiTariff(msgspec.Struct, frozen=True, kw_only=True):
    """An OCPI 2.2.1 Tariff object (section 11.3.1) as it was put; it may have the other fields of OCPI as well."""

    id: str
    currency: str
    elements: list[dict[str, Any]]


class VersionQuery(Query):
    version: int | None = Field(None, ge=1, description="The newest when left out")


@router.get("", **answers(Page[OcpiTariff]))
def list_tariffs(context: Context) -> WireResponse:
    """The newest version of each tariff."""
    with context.records.read() as work:
        newest = work.tariffs.newest()
    return WireResponse(Page(items=tuple(tariff.ocpi for tariff in newest)))


@router.get("/{tariff_id}", **answers(OcpiTariff, errors=(404,)))
def get_tariff(context: Context, tariff_id: TariffId, query: Annotated[VersionQuery, FromQuery()]) -> WireResponse:
    """One tariff; its version is in `ETag`."""
    with context.records.read() as work:
        tariff = work.tariffs.get(tariff_id, query.version)
    if tariff is None:
        raise NotFoundError(
            f"there is no tariff {tariff_id}" + (f" version {query.version}." if query.version else ".")
        )
    return _answer(tariff)


@router.put(
    "/{tariff_id}",
    **answers(OcpiTariff, also={201: "A new tariff"}, errors=(412, 413)),
    dependencies=[needs(Action.EDIT_TARIFFS)],
)
def put_tariff(
    context: Context,
    principal: Asking,
    tariff_id: TariffId,
    ocpi: Annotated[dict[str, Any], Body(description="An OCPI 2.2.1 Tariff object")],
    if_match: Annotated[str | None, Header(description="`ETag` of the version that this one follows")] = None,
) -> WireResponse:
    """Makes a new version, valid from now; the same content again makes none."""
    if parse_tariff(ocpi).tariff_id != tariff_id:
        raise InvalidRequestError("body.id", f"it is {ocpi['id']!r}, but the address says {tariff_id!r}.")
    before, after = _put(context, tariff_id, ocpi, actor=principal.name, if_match=if_match)
    return _answer(after, status=200 if before else 201)


def _put(
    context: AppContext, tariff_id: str, ocpi: dict[str, Any], *, actor: str, if_match: str | None
) -> tuple[TariffVersion | None, TariffVersion]:
    now = context.clock()
    with context.records.begin() as work:
        before = work.tariffs.get(tariff_id)
        if if_match is not None and if_match != (_etag(before) if before else None):
            newest = f"the newest version is {before.version}." if before else "there is no such tariff yet."
            raise ChangedError(newest, mend="Read it again and change that.")
        after = work.tariffs.put(tariff_id, ocpi, now=now)
        if before is None or before.version != after.version:
            detail = {"version": after.version}
            work.people.audit(AuditItem(at=now, actor=actor, action="tariff.put", object=tariff_id, detail=detail))
    return before, after


def _etag(tariff: TariffVersion) -> str:
    return f'"{tariff.version}"'


def _answer(tariff: TariffVersion, status: int = 200) -> WireResponse:
    return WireResponse(tariff.ocpi, status_code=status, headers={"ETag": _etag(tariff)})
