"""Real servers for tests: each on a free loopback port, in a folder of its own, gone with the tests.

    with postgres() as server:      server.url, server.fresh() -> URL of another empty database
    with influx() as server:        server.url, server.bucket, server.fresh() -> name of another empty bucket
    with mosquitto() as server:     server.url

Every handle has `stop()` (as an operator would), `kill()` (as a power cut would) and `start()` again on the same
port and data. A program that is not installed is an error that says how to get it, never a skipped test.
As pytest fixtures (tests/conftest.py): `postgres_url`, `influx_bucket`, `mosquitto_server`, `chromium`.
"""

from __future__ import annotations

import atexit
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import psycopg

from laddvakt.eventlog.server import server_binary
from tests.support.waiting import until

MEND = "Run `make test-servers` (or scripts/install-test-servers) to install it."
START_S = 30
STOP_S = 10
# The bond of a child is to the thread that started it, so that must be a thread which lives as long as the tests.
_KEEPER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="test-servers")
_LEASH = Path(__file__).with_name("leash.py")


def find_program(*names: str) -> str:
    """Path of the first of these programs that is installed. Raises FileNotFoundError saying how to get it."""
    places = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), Path("/usr/sbin"), Path("/sbin")]
    path = os.pathsep.join([os.environ.get("PATH", ""), *map(str, places)])
    for name in names:
        if found := shutil.which(name, path=path):
            return found
    raise FileNotFoundError(f"{' or '.join(names)} is not installed, and the tests need it. {MEND}")


def chromium_path() -> str:
    """The browser for Playwright's `executable_path`."""
    return find_program("chromium", "chromium-browser", "google-chrome")


def free_port() -> int:
    """A port below the range that the system gives to outgoing connections, so that none takes it meanwhile."""
    for _ in range(200):
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port between 20000 and 32000 on the loopback interface")


def listens(port: int) -> bool:
    """Whether something takes connections on this port of loopback."""
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except OSError:
        return False
    return True


class Program:
    """One server process that can be stopped, killed and started again."""

    def __init__(
        self,
        folder: Path,
        command: Sequence[str],
        *,
        user: str = "-",
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self._command = [sys.executable, "-I", str(_LEASH), user, *command]
        self._log = folder / f"{Path(command[0]).name}.log"
        self._stop_signal = stop_signal
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.kill)

    def start(self) -> None:
        """Starts it; it need not be ready yet."""
        if self.running:
            return

        def spawn() -> subprocess.Popen[bytes]:
            with self._log.open("ab") as log:
                return subprocess.Popen(
                    self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
                )

        self._process = _KEEPER.submit(spawn).result()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def check(self) -> None:
        """Raises RuntimeError with the end of its log when it is no longer running."""
        if not self.running:
            end = self._log.read_text("utf-8", "replace")[-2000:] if self._log.exists() else ""
            raise RuntimeError(f"{self._log.stem} ended instead of serving:\n{end}")

    def stop(self) -> None:
        self._end(self._stop_signal)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(how)
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
        with suppress(ProcessLookupError, PermissionError):  # none left
            os.killpg(process.pid, signal.SIGKILL)  # its own children, if it has any
        process.wait()


class Postgres:
    """A PostgreSQL server. `url` is an empty database; `fresh()` makes more."""

    def __init__(self, folder: Path) -> None:
        user = "postgres" if os.geteuid() == 0 else "-"
        if user != "-":
            owner = pwd.getpwnam(user)
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        data = folder / "data"
        initdb = [find_program("initdb"), "-D", str(data), "-U", "laddvakt", "-A", "trust"]
        subprocess.run(
            [sys.executable, "-I", str(_LEASH), user, *initdb, "--no-sync", "-E", "UTF8", "--no-locale"],
            check=True, capture_output=True, stdin=subprocess.DEVNULL, cwd=folder,
        )  # fmt: skip
        self.port = free_port()
        options = {
            "listen_addresses": "127.0.0.1", "port": str(self.port), "unix_socket_directories": "",
            "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off",
            "shared_buffers": "32MB", "max_connections": "100", "autovacuum": "off",
        }  # fmt: skip
        settings = [f"--{name}={value}" for name, value in options.items()]
        # SIGINT is PostgreSQL's fast shutdown: it does not wait for clients.
        self._program = Program(
            folder, [find_program("postgres"), "-D", str(data), *settings], user=user, stop_signal=signal.SIGINT
        )
        self._names = count(1)
        self.start()
        self.url = self.fresh()

    def fresh(self) -> str:
        """The SQLAlchemy URL of a new empty database."""
        name = f"laddvakt_{next(self._names)}"
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return f"postgresql+psycopg://laddvakt@127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        self._program.start()
        until(self._answers, deadline_s=START_S, what="PostgreSQL")

    def stop(self) -> None:
        self._program.stop()

    def kill(self) -> None:
        self._program.kill()

    def _address(self, database: str) -> str:
        return f"host=127.0.0.1 port={self.port} user=laddvakt dbname={database} connect_timeout=5"

    def _answers(self) -> bool:
        self._program.check()
        try:
            with psycopg.connect(self._address("postgres")) as connection:
                return connection.execute("SELECT 1").fetchone() == (1,)
        except psycopg.OperationalError:
            return False


INFLUX_CONFIG = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  query-log-enabled = false
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:{engine}"
  log-enabled = false
[continuous_queries]
  enabled = false
"""

# What InfluxDB 1.8 and later do themselves: the 2.x write address, answered by the 1.x engine.
NGINX_CONFIG = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_max_body_size 64m;
  client_body_temp_path {folder}/nginx-body;
  proxy_temp_path {folder}/nginx-proxy;
  fastcgi_temp_path {folder}/nginx-fastcgi;
  uwsgi_temp_path {folder}/nginx-uwsgi;
  scgi_temp_path {folder}/nginx-scgi;
  map $arg_precision $old_precision {{ "" n; ns n; us u; default $arg_precision; }}
  map $arg_bucket $database {{ "~*^(?<d>.+?)(/|%2F)" $d; default $arg_bucket; }}
  map $arg_bucket $policy {{ "~*^.+?(?:/|%2F)(?<p>.+)$" &rp=$p; default ""; }}
  server {{
    listen 127.0.0.1:{port};
    location = /api/v2/write {{
      set $args db=$database&precision=$old_precision$policy;
      rewrite ^ /write break;
      proxy_pass http://127.0.0.1:{engine};
    }}
    location = /health {{
      rewrite ^ /ping break;
      proxy_pass http://127.0.0.1:{engine};
    }}
    location / {{ proxy_pass http://127.0.0.1:{engine}; }}
  }}
}}
"""


class Influx:
    """An InfluxDB (1.x engine with the 2.x write address). `bucket` is empty; `fresh()` makes more."""

    def __init__(self, folder: Path) -> None:
        self.port, engine, rpc = free_port(), free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        names = {"folder": folder, "port": self.port, "engine": engine, "rpc": rpc}
        (folder / "influxdb.conf").write_text(INFLUX_CONFIG.format(**names), "utf-8")
        (folder / "nginx.conf").write_text(NGINX_CONFIG.format(**names), "utf-8")
        self.engine = Program(folder, [find_program("influxd"), "-config", str(folder / "influxdb.conf")])
        self.proxy = Program(folder, [find_program("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")])
        self._names = count(1)
        self.start()
        self.bucket = self.fresh()

    def fresh(self) -> str:
        """The name of a new empty bucket (database)."""
        name = f"laddvakt_{next(self._names)}"
        body = urllib.parse.urlencode({"q": f'CREATE DATABASE "{name}"'}).encode()
        with urllib.request.urlopen(f"{self.url}/query", data=body, timeout=10) as response:
            response.read()
        return name

    def start(self) -> None:
        self.engine.start()
        self.proxy.start()
        until(self._answers, deadline_s=START_S, what="InfluxDB")

    def stop(self) -> None:
        self.proxy.stop()
        self.engine.stop()

    def kill(self) -> None:
        self.proxy.kill()
        self.engine.kill()

    def _answers(self) -> bool:
        self.engine.check()
        self.proxy.check()
        try:
            with urllib.request.urlopen(f"{self.url}/ping", timeout=5) as response:
                return bool(response.status == 204)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False


class Mosquitto:
    """A Mosquitto broker that keeps sessions and queued messages over a restart."""

    def __init__(self, folder: Path, password: str | None = None, options: Sequence[str] = ()) -> None:
        self.port = free_port()
        lines = [
            f"listener {self.port} 127.0.0.1",
            f"persistence_location {folder}/",
            "persistence true",
            "autosave_interval 1",
            "autosave_on_changes true",
            "max_queued_messages 0",
            "log_dest stderr",
        ]
        if os.geteuid() == 0:
            lines.append("user root")  # else it would drop to a user who may not read this folder
        if password is None:
            lines.append("allow_anonymous true")
            self.url = f"mqtt://127.0.0.1:{self.port}"
        else:
            passwords = folder / "passwords"
            subprocess.run(
                [find_program("mosquitto_passwd"), "-c", "-b", str(passwords), "laddvakt", password],
                check=True, capture_output=True, stdin=subprocess.DEVNULL,
            )  # fmt: skip
            lines += ["allow_anonymous false", f"password_file {passwords}"]
            self.url = f"mqtt://laddvakt:{urllib.parse.quote(password, safe='')}@127.0.0.1:{self.port}"
        lines += options
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n", "utf-8")
        self._program = Program(folder, [find_program("mosquitto"), "-c", str(folder / "mosquitto.conf")])
        self.start()

    def start(self) -> None:
        self._program.start()
        until(self._answers, deadline_s=START_S, what="Mosquitto")

    def stop(self) -> None:
        self._program.stop()

    def kill(self) -> None:
        self._program.kill()

    def _answers(self) -> bool:
        self._program.check()
        return listens(self.port)


class Nats:
    """A NATS server of the operator's own, with JetStream."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        command = [str(server_binary()), "-js", "-sd", str(folder / "jetstream"), "-a", "127.0.0.1"]
        self._program = Program(folder, [*command, "-p", str(self.port)])
        self.start()

    def start(self) -> None:
        self._program.start()
        until(self._answers, deadline_s=START_S, what="NATS")

    def stop(self) -> None:
        self._program.stop()

    def kill(self) -> None:
        self._program.kill()

    def _answers(self) -> bool:
        self._program.check()
        return listens(self.port)


@contextmanager
def _folder(name: str) -> Iterator[Path]:
    # Not pytest's tmp_path: its parents are closed to the user whom PostgreSQL must run as.
    path = Path(tempfile.mkdtemp(prefix=f"laddvakt-{name}-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server with an empty database at `.url`."""
    with _folder("postgres") as folder:
        server = Postgres(folder)
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def influx() -> Iterator[Influx]:
    """An InfluxDB at `.url` with an empty `.bucket`."""
    with _folder("influx") as folder:
        server = Influx(folder)
        try:
            yield server
        finally:
            server.kill()


@contextmanager
def mosquitto(password: str | None = None, options: Sequence[str] = ()) -> Iterator[Mosquitto]:
    """A Mosquitto broker at `.url`; with a password, the user is `laddvakt`. `options` are further lines of its
    configuration, as for TLS."""
    with _folder("mosquitto") as folder:
        server = Mosquitto(folder, password, options)
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def nats() -> Iterator[Nats]:
    """A NATS server; see `Nats`."""
    with _folder("nats") as folder:
        server = Nats(folder)
        try:
            yield server
        finally:
            server.stop()
