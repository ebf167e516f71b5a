"""InfluxDB: retries, refusals and outages, against a real server and a scripted one."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from laddvakt.domain.errors import StoreError, StoreUnavailableError
from laddvakt.stores.ports import Point
from laddvakt.stores.telemetry.influx import InfluxTelemetry
from tests.support.servers import free_port, influx

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def point(value: float = 1.0, at: datetime = NOON) -> Point:
    return Point(station_id="SE-1", connector_id=1, source="ocpp", at=at, values={"power_w": value})


def store(url: str, bucket: str = "laddvakt", **given: Any) -> InfluxTelemetry:
    return InfluxTelemetry(url, token="secret", org="org", bucket=bucket, first_wait_s=0.01, **given)


class _Script(BaseHTTPRequestHandler):
    answers: ClassVar[list[tuple[int, str]]] = []
    requests: ClassVar[list[tuple[str, dict[str, str], str]]] = []

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        text = gzip.decompress(body).decode() if self.headers.get("Content-Encoding") == "gzip" else body.decode()
        self.requests.append((self.path, dict(self.headers), text))
        status, said = self.answers.pop(0) if self.answers else (204, "")
        self.send_response(status)
        self.send_header("Content-Length", str(len(said.encode())))
        self.end_headers()
        self.wfile.write(said.encode())

    do_GET = do_POST = _answer  # noqa: N815 - the base class's names

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Quiet."""


@contextmanager
def scripted(*answers: tuple[int, str]) -> Iterator[str]:
    _Script.answers, _Script.requests = list(answers), []
    server = HTTPServer(("127.0.0.1", 0), _Script)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_write_sends_line_protocol_with_the_token() -> None:
    with scripted() as url:
        client = store(url, bucket="b")
        client.write([point(7360.25, NOON + timedelta(microseconds=5))])
        client.close()
        ((path, headers, body),) = _Script.requests
    asked = parse_qs(urlsplit(path).query)
    assert (urlsplit(path).path, asked["bucket"], asked["precision"]) == ("/api/v2/write", ["b"], ["us"])
    assert headers["Authorization"] == "Token secret"
    assert body == "meter,connector=1,source=ocpp,station=SE-1 power_w=7360.25 1795262400000005"


def test_write_when_the_server_is_busy_is_repeated() -> None:
    with scripted((503, "busy"), (429, "slow down"), (204, "")) as url:
        client = store(url)
        client.write([point()])
        client.close()
        bodies = [body for _, _, body in _Script.requests]
    assert len(bodies) == 3
    assert len(set(bodies)) == 1


def test_write_when_the_server_stays_busy_is_unavailable() -> None:
    with scripted(*[(500, "broken")] * 9) as url:
        client = store(url, attempts=3)
        with pytest.raises(StoreUnavailableError, match="500: broken"):
            client.write([point()])
        client.close()
        assert len(_Script.requests) == 3


@pytest.mark.parametrize("status", [401, 403, 404])
def test_write_when_a_setting_is_wrong_is_unavailable_until_it_is_mended(status: int) -> None:
    with scripted((status, "no")) as url:
        client = store(url)
        with pytest.raises(StoreUnavailableError, match=r"telemetry\.token"):
            client.write([point()])
        client.close()
        assert len(_Script.requests) == 1


def test_write_when_the_server_refuses_the_data_is_an_error() -> None:
    with scripted((400, '{"message": "field type conflict"}')) as url:
        client = store(url)
        with pytest.raises(StoreError, match="field type conflict") as caught:
            client.write([point()])
        client.close()
    assert not isinstance(caught.value, StoreUnavailableError)


def test_write_of_points_older_than_the_servers_retention_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with scripted((400, "partial write: points beyond retention policy dropped=1")) as url:
        client = store(url)
        client.write([point()])
        client.close()
    assert "older than its retention" in caplog.text


def test_read_names_database_and_policy_of_a_1_x_server() -> None:
    with scripted((200, '{"results":[{"statement_id":0}]}')) as url:
        client = store(url, bucket="db/weekly")
        found = client.read(station_id="SE-1", connector_id=1, fields=["power_w"], from_=NOON, to=NOON)
        client.close()
        ((path, headers, _),) = _Script.requests
    asked = parse_qs(urlsplit(path).query)
    assert found == {"power_w": []}
    assert (asked["db"], asked["rp"], asked["epoch"]) == (["db"], ["weekly"], ["u"])
    assert headers["Authorization"] == "Token secret"


@pytest.mark.parametrize("answer", ['{"results":[{"error":"bad query"}]}', "<html>bad query</html>"])
def test_read_when_the_answer_is_an_error_says_so(answer: str) -> None:
    with scripted((200, answer)) as url:
        client = store(url)
        with pytest.raises(StoreError, match="bad query"):
            client.read(station_id="SE-1", connector_id=1, fields=["power_w"], from_=NOON, to=NOON)
        client.close()


def test_nobody_there_is_unavailable() -> None:
    client = store(f"http://127.0.0.1:{free_port()}", attempts=2)
    with pytest.raises(StoreUnavailableError, match="cannot be reached"):
        client.write([point()])
    with pytest.raises(StoreUnavailableError, match="cannot be reached"):
        client.fields(station_id="SE-1", from_=NOON, to=NOON)
    client.close()


def test_a_server_that_was_away_takes_the_same_write_later() -> None:
    with influx() as server:
        client = InfluxTelemetry(server.url, token="", org="", bucket=server.bucket, first_wait_s=0.01, attempts=2)
        client.write([point(1.0)])
        server.kill()
        batch = [point(2.0, NOON + timedelta(seconds=1)), point(3.0, NOON + timedelta(seconds=2))]
        with pytest.raises(StoreUnavailableError):
            client.write(batch)
        server.start()
        client.write(batch)
        found = client.read(
            station_id="SE-1", connector_id=1, fields=["power_w"], from_=NOON, to=NOON + timedelta(days=1)
        )
        client.close()
    assert [sample.value for sample in found["power_w"]] == [1.0, 2.0, 3.0]
