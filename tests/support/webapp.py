"""The web application for tests: real ASGI over httpx, a clock that is told, and every answer held against the
OpenAPI document."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import httpx
import jsonschema_rs
import msgspec
from argon2 import PasswordHasher

from collector.ocpp.action import Policy
from collector.recorder import Scribe
from collector.reprocess import read_again
from dashboard.api import create_api
from dashboard.context import AppContext, Handler
from dashboard.web.directory import token_hash
from laddvakt.domain.commands import CommandRequest, CommandResult, CommandStatus
from laddvakt.domain.errors import EventLogError, StoreUnavailableError
from laddvakt.domain.quarantine import ReprocessReply, ReprocessRequest
from laddvakt.privacy import FieldCipher
from laddvakt.settings import Settings
from laddvakt.stores.ports import ApiToken, AuditItem, Point, Sample, User, Work
from laddvakt.stores.sql.engine import SqlRecords

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
ORIGIN = "http://laddvakt.test"
PASSWORD = "correct horse battery"
ROLES = ("viewer", "maintainer", "manager", "admin", "driver")

_quick_hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@cache
def quick_hash(password: str) -> str:
    """A real argon2 hash that costs next to nothing."""
    return _quick_hasher.hash(password)


class ToldClock:
    """Stands still until it is told."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **parts: float) -> None:
        self.now += timedelta(**parts)


class RecordingFeed:
    """Keeps what was published."""

    def __init__(self) -> None:
        self.connected = True
        self.published: list[tuple[str, bytes]] = []
        self.handlers: list[Handler] = []

    async def publish(self, kind: str, data: bytes) -> None:
        self.published.append((kind, data))

    async def subscribe(self, handler: Handler) -> Callable[[], Awaitable[None] | None]:
        self.handlers.append(handler)
        return lambda: self.handlers.remove(handler)

    def on_reconnect(self, callback: Callable[[], None]) -> None:
        """Never lost, so never called."""


class FixedCommands:
    """Answers every command with `result`, or fails with `error`; keeps what was asked."""

    def __init__(self) -> None:
        self.asked: list[CommandRequest] = []
        self.status = CommandStatus.ACCEPTED
        self.more: dict[str, Any] = {"answer": {"status": "Accepted"}}
        self.error: EventLogError | None = None

    async def ask(self, request: CommandRequest) -> CommandResult:
        self.asked.append(request)
        if self.error is not None:
            raise self.error
        return CommandResult(
            command_id=request.command_id,
            station_id=request.station_id,
            action=request.action,
            status=self.status,
            **self.more,
        )


class ReadsAgain:
    """Collector, event log and recorder in one: reads a message again as they do, or fails with `error`."""

    def __init__(self, records: Any) -> None:
        self.asked: list[ReprocessRequest] = []
        self.error: EventLogError | None = None
        self._scribe = Scribe(records, "key")

    async def ask(self, request: ReprocessRequest) -> ReprocessReply:
        self.asked.append(request)
        if self.error is not None:
            raise self.error
        self._scribe.apply([read_again(request, Policy())])
        return ReprocessReply(item_id=request.item_id)


class FixedTelemetry:
    """Telemetry of one list of points; see ports.Telemetry."""

    def __init__(self, *points: Point) -> None:
        self.points = list(points)

    def write(self, points: Any) -> None:
        self.points += points

    def read(
        self,
        *,
        station_id: str,
        connector_id: int | None,
        fields: Any,
        from_: datetime,
        to: datetime,
        source: str = "ocpp",
        limit: int = 100_000,
    ) -> dict[str, list[Sample]]:
        here = [
            point
            for point in self.points
            if (point.station_id, point.source) == (station_id, source)
            and connector_id in (None, point.connector_id)
            and from_ <= point.at < to
        ]
        return {
            field: [Sample(at=p.at, value=p.values[field]) for p in here if field in p.values][:limit]
            for field in fields
        }

    def fields(self, *, station_id: str, from_: datetime, to: datetime) -> set[str]:
        points = (p for p in self.points if p.station_id == station_id and from_ <= p.at < to)
        return {field for point in points for field in point.values}

    def expire(self, before: date) -> None:
        self.points = [point for point in self.points if point.at.date() >= before]

    def close(self) -> None:
        """Nothing is open."""


class BreakableRecords:
    """Real records in memory that can be away for a while."""

    def __init__(self) -> None:
        self.away = False
        self._records = SqlRecords("sqlite://", FieldCipher("test"), currency="SEK")
        self._records.migrate()

    @contextmanager
    def begin(self) -> Iterator[Work]:
        self._check()
        with self._records.begin() as work:
            yield work

    @contextmanager
    def read(self) -> Iterator[Work]:
        self._check()
        with self._records.read() as work:
            yield work

    def migrate(self) -> None:
        self._records.migrate()

    def close(self) -> None:
        self._records.close()

    def _check(self) -> None:
        if self.away:
            raise StoreUnavailableError("the database at db.internal:5432 is away.")


class Web:
    """One application and what stands behind it. Users are named as their role, all with PASSWORD; `driver` is
    driver D-1. API tokens are `token-of-<role>`."""

    _document: ClassVar[dict[str, Any]] = {}

    def __init__(self, data_dir: Path, **settings: Any) -> None:
        self.clock = ToldClock()
        self.feed = RecordingFeed()
        self.commands = FixedCommands()
        self.records = BreakableRecords()
        self.reprocessing = ReadsAgain(self.records)
        self.telemetry = FixedTelemetry()
        self.settings = Settings.model_validate({"data_dir": data_dir, "currency": "SEK", **settings})
        self.context = AppContext(
            settings=self.settings,
            records=self.records,
            telemetry=self.telemetry,
            feed=self.feed,
            clock=self.clock,
            commands=self.commands,
            reprocessing=self.reprocessing,
        )
        self.app = create_api(self.context)
        self._runner = asyncio.Runner()
        self._add_people()

    def _add_people(self) -> None:
        with self.records.begin() as work:
            for role in ROLES:
                driver_id = "D-1" if role == "driver" else None
                work.people.save_user(
                    User(name=role, role=role, password_hash=quick_hash(PASSWORD), driver_id=driver_id)
                )
                work.people.save_api_token(
                    ApiToken(
                        name=role,
                        role=role,
                        token_hash=token_hash(f"token-of-{role}"),
                        created_at=NOON,
                        driver_id=driver_id,
                    )
                )

    def run(self, waiting: Any) -> Any:
        return self._runner.run(waiting)

    def nobody(self, **options: Any) -> Browser:
        """A client without any credentials."""
        return Browser(self, **options)

    def program(self, role: str) -> Browser:
        """A client with an API token of that role."""
        return Browser(self, headers={"Authorization": f"Bearer token-of-{role}"})

    def person(self, role: str, **options: Any) -> Browser:
        """A browser in which a user of that role has signed in."""
        browser = Browser(self, **options)
        answer = browser.sign_in(role)
        assert answer.status_code == 303, answer.text
        return browser

    def document(self) -> dict[str, Any]:
        """The OpenAPI document; the same for every application, so made once."""
        if not Web._document:
            Web._document.update(self.app.openapi())
        return Web._document

    def audit(self) -> list[AuditItem]:
        """Newest first."""
        with self.records.read() as work:
            return list(work.people.audit_page().items)

    def close(self) -> None:
        self.records.close()
        self._runner.close()


class Browser:
    """A synchronous client; keeps cookies. Every answer is held against the OpenAPI document."""

    def __init__(
        self, web: Web, *, headers: dict[str, str] | None = None, origin: str = ORIGIN, address: str = "192.0.2.7"
    ) -> None:
        self._web = web
        transport = httpx.ASGITransport(web.app, client=(address, 40000))
        self.http = httpx.AsyncClient(transport=transport, base_url=origin, headers=headers)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        answer: httpx.Response = self._web.run(self.http.request(method, path, **options))
        check_documented(self._web, answer)
        return answer

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def delete(self, path: str, **options: Any) -> httpx.Response:
        return self.request("DELETE", path, **options)

    def put(self, path: str, **options: Any) -> httpx.Response:
        return self.request("PUT", path, **options)

    def sign_in(self, name: str, password: str = PASSWORD, **fields: str) -> httpx.Response:
        return self.post("/login", data={"username": name, "password": password, **fields})


def check_documented(web: Web, answer: httpx.Response) -> None:
    """Fails when an answer of a documented route is not what the OpenAPI document says."""
    document = web.document()
    method, path = answer.request.method.lower(), answer.request.url.path
    operation = next(
        (
            operations[method]
            for template, operations in document["paths"].items()
            if method in operations and re.fullmatch(re.sub(r"{[^}]*}", "[^/]+", template), path)
        ),
        None,
    )
    if operation is None:
        return
    documented = operation["responses"].get(str(answer.status_code))
    assert documented, f"{method} {path}: {answer.status_code} is not documented"
    media_type = answer.headers["content-type"].partition(";")[0]
    assert media_type in documented["content"], f"{method} {path}: {media_type} is not documented"
    if media_type.endswith("json"):
        _validator(json.dumps(documented["content"][media_type]["schema"])).validate(answer.json())


@cache
def _validator(schema: str) -> Any:
    components = Web._document["components"]
    return jsonschema_rs.validator_for({**json.loads(schema), "components": components}, validate_formats=True)


def published(web: Web, kind: str, type_: type[Any]) -> list[Any]:
    """What was said on the live feed, as objects."""
    return [msgspec.json.decode(data, type=type_) for said, data in web.feed.published if said == kind]
