"""What a route asks for: the context, who asks, and leave to do it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, cast

from fastapi import Depends, Request
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.functional_validators import AfterValidator

from dashboard.auth import Action, Principal, current_user
from dashboard.context import AppContext
from dashboard.web.problems import ForbiddenError, InvalidRequestError
from laddvakt.domain.times import require_utc


async def _context(request: Request) -> AppContext:
    return cast("AppContext", request.app.state.context)


Context = Annotated[AppContext, Depends(_context)]


async def _principal(request: Request) -> Principal:
    principal = current_user(request)
    if principal is None:  # the guard lets nobody else this far
        raise ForbiddenError("Nobody is signed in.")
    return principal


Asking = Annotated[Principal, Depends(_principal)]


def needs(*actions: Action) -> Any:
    """A route's dependency: whoever asks may do one of `actions`."""

    async def check(principal: Asking) -> None:
        if not any(principal.may(action) for action in actions):
            raise ForbiddenError(f"Your role, {principal.role}, may not do this ({actions[0]}).")

    return Depends(cast("Callable[..., Awaitable[None]]", check))


def _text_only(value: object) -> object:
    # pydantic would read a bare number as seconds since 1970, and a date as its midnight in no zone.
    if isinstance(value, str) and "T" not in value.upper():
        raise ValueError("write a time as RFC 3339, such as 2026-11-21T10:00:00Z")
    return value


def _in_utc(value: datetime) -> datetime:
    try:
        return require_utc(value)
    except OverflowError as error:
        raise ValueError("this time is outside the years 1 to 9999") from error


UtcTime = Annotated[AwareDatetime, BeforeValidator(_text_only), AfterValidator(_in_utc)]
"""A time with its zone, in UTC afterwards."""

Identifier = Annotated[str, Field(min_length=1, max_length=255)]


class Query(BaseModel):
    """Query parameters of a route; one that it does not know is refused, so that a misspelt filter never means
    "everything"."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PageQuery(Query):
    """Query parameters of a list."""

    limit: int = Field(100, ge=1, le=500, description="Objects per page")
    after: str | None = Field(None, min_length=1, max_length=500, description="`next` of the page before")


class PeriodQuery(Query):
    """From, inclusive, to, exclusive."""

    from_: UtcTime | None = Field(None, alias="from", description="Inclusive, RFC 3339 with its zone")
    to: UtcTime | None = Field(None, description="Exclusive, RFC 3339 with its zone")


def check_period(query: PeriodQuery) -> None:
    """Raises InvalidRequestError for a period that ends before it begins."""
    if query.from_ is not None and query.to is not None and query.from_ >= query.to:
        raise InvalidRequestError("query.to", f"{query.to.astimezone(UTC).isoformat()} is not after `from`.")


@contextmanager
def cursor_of(after: str | None) -> Iterator[None]:
    """Around the reading of a page: a cursor that is none becomes the caller's error."""
    try:
        yield
    except ValueError as error:
        if after is None:
            raise
        raise InvalidRequestError("query.after", "it is not a cursor of this list.") from error
