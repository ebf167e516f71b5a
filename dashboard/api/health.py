"""`/healthz`, `/readyz` and `/metrics`: for supervisors and Prometheus. Open, and they tell nothing of persons."""

from __future__ import annotations

import asyncio
import logging

import msgspec
from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from dashboard.context import AppContext
from dashboard.web.wire import WireResponse, schema_of
from dashboard.web.wiring import Context
from laddvakt.domain.errors import StoreError

logger = logging.getLogger(__name__)

router = APIRouter(tags=["health"])

_PATIENCE_S = 2.0


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """`status` is `ok`, or `unready` with the reasons."""

    status: str
    reasons: tuple[str, ...] = ()


_OK = {"description": "Yes", "content": {"application/json": {"schema": schema_of(Health)}}}
_NO = {"description": "Not now; the reasons are named", "content": _OK["content"]}


@router.get("/healthz", response_class=WireResponse, response_model=None, responses={200: _OK})
async def healthz() -> WireResponse:
    """Whether this process is alive."""
    return WireResponse(Health(status="ok"))


@router.get("/readyz", response_class=WireResponse, response_model=None, responses={200: _OK, 503: dict(_NO)})
async def readyz(context: Context) -> WireResponse:
    """Whether it can do its work now: records reachable, live feed connected."""
    reasons = [reason for reason in (await _records(context), _feed(context)) if reason]
    if reasons:
        return WireResponse(Health(status="unready", reasons=tuple(reasons)), status_code=503)
    return WireResponse(Health(status="ok"))


@router.get(
    "/metrics",
    response_class=Response,
    response_model=None,
    responses={200: {"description": "Prometheus text format", "content": {"text/plain": {"schema": {}}}}},
)
def metrics(request: Request) -> Response:
    """Figures for Prometheus."""
    return Response(generate_latest(request.app.state.metrics), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _records(context: AppContext) -> str | None:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await asyncio.to_thread(_touch, context)
    except (StoreError, TimeoutError) as error:
        logger.warning("not ready: records: %s", error)
        return "the records cannot be reached"
    return None


def _touch(context: AppContext) -> None:
    with context.records.read() as work:
        work.positions.get("readyz")


def _feed(context: AppContext) -> str | None:
    if context.feed is None or context.feed.connected:
        return None
    return "the live feed is not connected"
