"""Errors as RFC 9457 problem details (`application/problem+json`), one shape for every route."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from laddvakt.domain.errors import (
    ConflictError,
    LaddvaktError,
    NotFoundError,
    StoreUnavailableError,
    TariffError,
)

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


class InvalidPart(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong with a request: where (`query.limit`, `body.assignee`) and what."""

    where: str
    message: str


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A problem, RFC 9457 section 3. `detail` says what is wrong and how to mend it."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: tuple[InvalidPart, ...] = ()


class ForbiddenError(LaddvaktError):
    """The one who asks is known, but may not do this."""


class ChangedError(LaddvaktError):
    """The object is not the one that If-Match names (RFC 9110 section 13.1.1)."""


class InvalidRequestError(LaddvaktError):
    """A request is well-formed, but one part of it makes no sense. `where` names the part."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(message)
        self.where = where


# The nearest class wins. 503 and 429 carry Retry-After.
_STATUS: dict[type[LaddvaktError], HTTPStatus] = {
    NotFoundError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    TariffError: HTTPStatus.UNPROCESSABLE_ENTITY,
    InvalidRequestError: HTTPStatus.UNPROCESSABLE_ENTITY,
    ChangedError: HTTPStatus.PRECONDITION_FAILED,
    ForbiddenError: HTTPStatus.FORBIDDEN,
    StoreUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
}


def problem(
    status: int, detail: str, *, errors: tuple[InvalidPart, ...] = (), headers: Mapping[str, str] | None = None
) -> Response:
    """The response for a problem."""
    body = Problem(title=HTTPStatus(status).phrase, status=int(status), detail=detail, errors=errors)
    return Response(
        msgspec.json.encode(body), status_code=int(status), media_type=MEDIA_TYPE, headers=dict(headers or {})
    )


def of_error(error: LaddvaktError) -> Response:
    """The response for one of our own errors."""
    status = next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), None)
    if status is None:
        logger.error("request failed: %s", error, exc_info=error)
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong here; it is in the log.")
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        logger.warning("records not reachable: %s", error)
        return problem(status, "The records cannot be reached now. Try again soon.", headers={"Retry-After": "5"})
    errors = (InvalidPart(where=error.where, message=error.message),) if hasattr(error, "where") else ()
    return problem(status, str(error), errors=errors)


def _ours(_: Request, error: Exception) -> Response:
    assert isinstance(error, LaddvaktError)  # noqa: S101  registered for this class only
    return of_error(error)


def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  registered for this class only
    return problem(error.status_code, str(error.detail), headers=error.headers)


def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  registered for this class only
    parts = tuple(_part(item) for item in error.errors())
    detail = "; ".join(f"{part.where}: {part.message}" for part in parts)
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=parts)


def _part(item: Mapping[str, Any]) -> InvalidPart:
    return InvalidPart(
        where=".".join(str(step) for step in item["loc"]), message=str(item["msg"]).removeprefix("Value error, ")
    )


def _unexpected(_: Request, __: Exception) -> Response:
    # The web server logs it: the exception goes on to there after this answer.
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong here; it is in the log.")


def install(app: FastAPI) -> None:
    """Makes every error of `app` a problem."""
    app.add_exception_handler(LaddvaktError, _ours)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unexpected)
