"""Telemetry in InfluxDB 1.8+, 2.x or 3.x: written as line protocol through `/api/v2/write`, read back with
InfluxQL through `/query`, which all of them have (2.x needs a DBRP mapping; a bucket's own name is one).

Measurement `meter`; tags station, connector, source; every field a float; microsecond timestamps. The same
series and time again overwrites, so a repeated write is harmless.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from functools import partial
from typing import Any, TypeVar
from urllib.parse import unquote

import msgspec
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write.point import Point as InfluxPoint
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential, wait_random
from urllib3.exceptions import HTTPError

from laddvakt.domain.errors import StoreError, StoreUnavailableError
from laddvakt.stores.ports import Point, Sample
from laddvakt.stores.telemetry.values import checked, microseconds, moment

T = TypeVar("T")

logger = logging.getLogger(__name__)

_new_record: Any = InfluxPoint  # the library's classes carry no types
_new_client: Any = InfluxDBClient

MEASUREMENT = "meter"
BATCH = 5_000
"""Points per request, as InfluxData advises."""

ATTEMPTS = 4
"""Tries of one request before it is the caller's turn to wait."""

_RETRIED_BY_CALLER = {401, 403, 404}
"""A wrong token or a missing bucket: mended by a person, and until then nothing may be dropped."""

_NS_LIMIT = 2**63 - 1

# Characters that line protocol cannot carry, and words that InfluxQL keeps for itself.
_UNSAFE = re.compile(r"[%\\\x00-\x1f\x7f]")
_RESERVED = {"time", "station", "connector", "source"}


class _Table(msgspec.Struct):
    columns: list[str]
    values: list[list[Any]] = []


class _Result(msgspec.Struct):
    series: list[_Table] = []
    error: str = ""


class _Answer(msgspec.Struct):
    results: list[_Result] = []


class _PassingError(StoreUnavailableError):
    """A failure that a moment's wait may cure."""


def safe_name(text: str) -> str:
    """`text` for a tag value: percent-encoded where line protocol could not carry it, else as it is."""
    return _UNSAFE.sub(lambda match: f"%{ord(match[0]):02x}", text) if text else "%"


def safe_field(text: str) -> str:
    """`text` for a field key; `unquote` is the inverse."""
    return f"%{ord(text[0]):02x}{text[1:]}" if text in _RESERVED else safe_name(text)


def quoted(text: str, mark: str) -> str:
    """An InfluxQL string (mark ') or identifier (mark "). Control characters are gone by now."""
    return mark + text.replace("\\", "\\\\").replace(mark, "\\" + mark) + mark


def _within(station_id: str, from_: datetime, to: datetime) -> str:
    """Plain nanoseconds are what every version reads; beyond 2262 there is nothing."""
    start, stop = (max(-_NS_LIMIT, min(_NS_LIMIT, microseconds(at) * 1000)) for at in (from_, to))
    return f"station = {quoted(safe_name(station_id), chr(39))} AND time >= {start} AND time < {stop}"


def _decode(line: str) -> _Answer:
    try:
        return msgspec.json.decode(line, type=_Answer)
    except msgspec.DecodeError as error:
        raise StoreError(
            f"InfluxDB's answer cannot be read: {line[:200]!r}.", mend="Check telemetry.url."
        ) from error


def _line(point: Point) -> Any:
    record = _new_record(MEASUREMENT).time(microseconds(point.at), WritePrecision.US)
    record.tag("station", safe_name(point.station_id)).tag("connector", str(point.connector_id))
    record.tag("source", safe_name(point.source))
    for field, value in point.values.items():
        record.field(safe_field(field), float(value))
    return record


def _explain(error: ApiException) -> StoreError:
    said = (error.body or error.reason or "").strip()[:500] if isinstance(error.body, str | None) else error.reason
    text = f"InfluxDB answered {error.status}: {said}."
    if error.status in _RETRIED_BY_CALLER:
        return StoreUnavailableError(text, mend="Check telemetry.token, .org and .bucket.")
    if error.status == 429 or error.status >= 500 or not error.status:
        return _PassingError(text, mend="Trying again.")
    return StoreError(text, mend="Check telemetry.bucket, and that no other program writes `meter` there.")


class InfluxTelemetry:
    """See ports.Telemetry. `bucket` is a bucket, or `database` or `database/policy` of InfluxDB 1.8.

    Each request is tried ATTEMPTS times with growing, jittered waits (the first at most `first_wait_s`); then
    StoreUnavailableError says that trying again later is right.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str,
        org: str,
        bucket: str,
        timeout_s: float = 10,
        first_wait_s: float = 0.25,
        attempts: int = ATTEMPTS,
    ) -> None:
        self._url = url.rstrip("/")
        self._bucket = bucket
        self._client = _new_client(
            url=self._url, token=token, org=org, timeout=int(timeout_s * 1000), enable_gzip=True
        )
        self._headers = {"Authorization": f"Token {token}"} if token else {}
        self._writer = self._client.write_api(write_options=SYNCHRONOUS)
        self._first_wait_s = first_wait_s
        self._attempts = attempts

    def write(self, points: Iterable[Point]) -> None:
        lines = [_line(point) for point in checked(points) if point.values]
        for start in range(0, len(lines), BATCH):
            batch = lines[start : start + BATCH]
            self._retried(partial(self._write_batch, batch))

    def _write_batch(self, batch: Sequence[Any]) -> None:
        try:
            self._writer.write(bucket=self._bucket, record=batch, write_precision=WritePrecision.US)
        except ApiException as error:
            if "beyond retention policy" in str(error.body) or "outside retention" in str(error.body):
                # The rest of the batch was written; these would be deleted by the server at once anyway.
                logger.warning("InfluxDB dropped points that are older than its retention: %s", error.body)
                return
            raise

    def read(
        self,
        *,
        station_id: str,
        connector_id: int | None,
        fields: Sequence[str],
        from_: datetime,
        to: datetime,
        source: str = "ocpp",
        limit: int = 100_000,
    ) -> dict[str, list[Sample]]:
        where = [_within(station_id, from_, to), f"source = {quoted(safe_name(source), chr(39))}"]
        if connector_id is not None:
            where.append(f"connector = '{connector_id}'")
        found: dict[str, list[Sample]] = {field: [] for field in fields}
        for field in found:  # one query each: a limit over joined columns would cut the rarer fields short
            chosen = f"SELECT {quoted(safe_field(field), chr(34))} FROM {MEASUREMENT}"  # noqa: S608 - quoted
            query = f"{chosen} WHERE {' AND '.join(where)} ORDER BY time ASC LIMIT {int(limit)}"
            for table in self._query(query):
                found[field] += [Sample(at=moment(at_us), value=float(value)) for at_us, value in table.values]
        return found

    def fields(self, *, station_id: str, from_: datetime, to: datetime) -> set[str]:
        query = f"SELECT count(*) FROM {MEASUREMENT} WHERE {_within(station_id, from_, to)}"  # noqa: S608 - quoted
        return {
            unquote(column.removeprefix("count_"))
            for table in self._query(query)
            for row in table.values
            for column, count in list(zip(table.columns, row, strict=True))[1:]  # the first column is the time
            if count
        }

    def expire(self, before: date) -> None:
        """The server's retention does it."""

    def close(self) -> None:
        self._writer.close()
        self._client.close()

    def _query(self, query: str) -> list[_Table]:
        """The result's tables. Chunked, since a server may cut an answer that is not; each chunk is a line."""
        database, _, policy = self._bucket.partition("/")
        parameters = {"db": database, "q": query, "epoch": "u", "chunked": "true"}
        if policy:
            parameters["rp"] = policy
        text = self._retried(lambda: self._get("/query", parameters))
        tables: list[_Table] = []
        for line in text.splitlines():
            answer = _decode(line)
            for result in answer.results:
                if result.error:
                    raise StoreError(f"InfluxDB refused a query: {result.error}.")
                tables += result.series
        return tables

    def _get(self, path: str, parameters: dict[str, str]) -> str:
        rest = self._client.api_client.rest_client
        return str(rest.GET(self._url + path, headers=dict(self._headers), query_params=parameters).data)

    def _retried(self, request: Callable[[], T]) -> T:
        def once() -> T:
            try:
                return request()
            except ApiException as error:
                raise _explain(error) from error
            except HTTPError as error:
                raise _PassingError(
                    f"InfluxDB at {self._url} cannot be reached: {error}.", mend="Trying again."
                ) from error

        waits = wait_exponential(multiplier=self._first_wait_s, max=8) + wait_random(0, self._first_wait_s)
        return Retrying(
            retry=retry_if_exception_type(_PassingError),
            stop=stop_after_attempt(self._attempts),
            wait=waits,
            reraise=True,
        )(once)
