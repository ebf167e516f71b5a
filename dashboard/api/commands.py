"""`/api/v1/stations/{id}/commands`: any OCPP command to a station, and those that were sent."""

from __future__ import annotations

from collections.abc import Awaitable
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Response
from fastapi import Query as FromQuery
from pydantic import BaseModel, ConfigDict, Field

from dashboard import commands
from dashboard.auth import Action
from dashboard.web.problems import MEDIA_TYPE, InvalidPart, Problem, problem
from dashboard.web.wire import WireResponse, answers, schema_of
from dashboard.web.wiring import Asking, Context, Identifier, PageQuery, cursor_of, needs
from laddvakt.domain.commands import CommandResult, CommandStatus, SentCommand
from laddvakt.domain.errors import EventLogError, NotFoundError
from laddvakt.stores.ports import Page

router = APIRouter(prefix="/api/v1/stations/{station_id}/commands", tags=["commands"])

_STATUS = {
    CommandStatus.INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    CommandStatus.NOT_CONNECTED: HTTPStatus.CONFLICT,
    CommandStatus.BUSY: HTTPStatus.TOO_MANY_REQUESTS,
    CommandStatus.CALLERROR: HTTPStatus.BAD_GATEWAY,
    CommandStatus.LOST: HTTPStatus.BAD_GATEWAY,
    CommandStatus.TIMEOUT: HTTPStatus.GATEWAY_TIMEOUT,
    CommandStatus.NOT_SENT: HTTPStatus.GATEWAY_TIMEOUT,
}


class CommandProblem(Problem, frozen=True, kw_only=True):
    """A command that the station did not answer with a CALLRESULT; `result` says what became of it."""

    result: CommandResult


class Command(BaseModel):
    """An OCPP command as the station's version has it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: Annotated[str, Field(min_length=1, max_length=100, description="The action, such as `Reset`")]
    payload: dict[str, Any] = Field(default_factory=dict, description="By the official schema of the version")
    timeout_s: float | None = Field(None, gt=0, le=300, description="Default: the setting ocpp.command_timeout_s")


_SENT = answers(CommandResult, errors=(404, 409, 413, 429, 502, 504))
for _status in set(_STATUS.values()) - {HTTPStatus.UNPROCESSABLE_ENTITY}:  # that one may be of the request itself
    _SENT["responses"][int(_status)]["content"][MEDIA_TYPE]["schema"] = schema_of(CommandProblem)


@router.post("", **_SENT, dependencies=[needs(Action.COMMAND_STATIONS)])
async def send_command(context: Context, principal: Asking, station_id: Identifier, body: Command) -> Response:
    """Send a command and wait for the station's answer, accepted or rejected."""
    return await outcome(
        commands.send(
            context.records,
            context.commands,
            context.clock,
            station_id=station_id,
            action=body.command,
            payload=body.payload,
            actor=principal.name,
            timeout_s=body.timeout_s,
        )
    )


async def outcome(sending: Awaitable[CommandResult]) -> Response:
    """What became of a command, as HTTP says it."""
    try:
        result = await sending
    except EventLogError as error:
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), headers={"Retry-After": "5"})
    status = _STATUS.get(result.status)
    return WireResponse(result) if status is None else _problem(status, result)


def _problem(status: HTTPStatus, result: CommandResult) -> Response:
    error = result.error
    said = f"{error.code}: {error.description}".rstrip(": ") if error else result.detail
    body = CommandProblem(
        title=status.phrase,
        status=int(status),
        detail=f"{result.action} to {result.station_id}: {said}.",
        errors=tuple(_part(text) for text in result.problems),
        result=result,
    )
    return Response(msgspec.json.encode(body), status_code=int(status), media_type=MEDIA_TYPE)


def _part(text: str) -> InvalidPart:
    where, _, message = text.partition(": ")
    whole = where in ("payload", "command", "command_id")
    return InvalidPart(where=f"body.{where}" if whole else f"body.payload.{where}", message=message)


@router.get("", **answers(Page[SentCommand], errors=(404,)), dependencies=[needs(Action.VIEW_COMMANDS)])
def list_commands(
    context: Context, station_id: Identifier, query: Annotated[PageQuery, FromQuery()]
) -> WireResponse:
    """Commands that were sent to a station, newest first."""
    with cursor_of(query.after), context.records.read() as work:
        if work.stations.get(station_id) is None:
            raise NotFoundError(f"there is no station {station_id}.")
        page = work.commands.page(station_id, after=query.after, limit=query.limit)
    return WireResponse(page)
