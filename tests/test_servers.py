"""The servers that other tests lean on: that they work, restart, and go when the tests go."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path

import paho.mqtt.client as mqtt
import psutil
import psycopg
import pytest

from tests.support import servers
from tests.support.waiting import until


def _address(url: str) -> str:
    return url.replace("postgresql+psycopg", "postgresql")


def test_postgres_gives_an_empty_database_each_time(postgres_server: servers.Postgres, postgres_url: str) -> None:
    with psycopg.connect(_address(postgres_url)) as connection:
        connection.execute("CREATE TABLE t (x int)")
    with psycopg.connect(_address(postgres_server.fresh())) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert tables == []


def test_postgres_keeps_its_data_over_a_restart() -> None:
    with servers.postgres() as server:
        with psycopg.connect(_address(server.url)) as connection:
            connection.execute("CREATE TABLE t (x int)")
        server.stop()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(_address(server.url), connect_timeout=2)
        server.start()
        with psycopg.connect(_address(server.url)) as connection:
            assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)


@pytest.mark.parametrize(("precision", "time"), [("us", 1), ("ns", 1_000), ("ms", 1)])
def test_influx_takes_the_newer_write_address(influx_bucket: tuple[str, str], precision: str, time: int) -> None:
    url, bucket = influx_bucket
    target = f"{url}/api/v2/write?org=any&bucket={bucket}&precision={precision}"
    urllib.request.urlopen(target, data=f"meter,station=A power_w=1 {time}".encode()).close()
    query = urllib.parse.urlencode({"db": bucket, "q": "SELECT power_w FROM meter", "epoch": "u"})
    with urllib.request.urlopen(f"{url}/query?{query}") as response:
        text = response.read().decode()
    assert f"[{1000 if precision == 'ms' else 1},1]" in text


def test_mosquitto_asks_for_its_password() -> None:
    with servers.mosquitto(password="s3cret/") as server:
        assert server.url == f"mqtt://laddvakt:s3cret%2F@127.0.0.1:{server.port}"
        assert _answer(server, None) != 0
        assert _answer(server, "s3cret/") == 0


def _answer(server: servers.Mosquitto, password: str | None) -> int:
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    codes: list[int] = []
    client.on_connect = lambda _c, _u, _f, code, _p: codes.append(code.value)
    if password is not None:
        client.username_pw_set("laddvakt", password)
    client.connect("127.0.0.1", server.port)
    until(lambda: client.loop(0.05) is not None and codes, what="CONNACK")
    client.disconnect()
    return codes[0]


def test_a_missing_program_says_how_to_get_it() -> None:
    with pytest.raises(FileNotFoundError, match="make test-servers"):
        servers.find_program("a-program-that-nobody-has")


def test_servers_die_with_a_killed_test_run(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom tests.support import servers\n"
        "with servers.mosquitto() as server:\n"
        "    print(server._program._process.pid, flush=True)\n    sys.stdin.read()\n"
    )
    root = Path(__file__).parents[1]
    run = subprocess.Popen(
        [sys.executable, "-c", script], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with run:
        assert run.stdout is not None
        server = psutil.Process(int(run.stdout.readline()))
        run.send_signal(signal.SIGKILL)
    until(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE, what="the broker's end")
