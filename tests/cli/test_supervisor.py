"""The supervisor with tiny children: what dies is started again, what is stopped is gone."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from laddvakt.cli import supervisor
from laddvakt.cli.supervisor import Child, Service, keep_event_log, stop_in_order
from laddvakt.domain.errors import EventLogError
from laddvakt.eventlog.server import EmbeddedServer
from tests.support.eventlog import settings_for
from tests.support.waiting import eventually

SLEEPS = "import time; time.sleep(600)"
ENDS = "raise SystemExit(3)"
DEAF = """
import signal, sys, time, pathlib
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(sys.argv[1]).touch()
time.sleep(600)
"""


class Starts:
    """Who was started, with which process, in order."""

    def __init__(self) -> None:
        self.pids: list[tuple[str, int]] = []

    def __call__(self, name: str, pid: int) -> None:
        self.pids.append((name, pid))

    @property
    def last(self) -> int:
        return self.pids[-1][1]


@pytest.fixture
def starts() -> Starts:
    return Starts()


def child(code: str, starts: Callable[[str, int], None], *args: str, name: str = "child") -> Child:
    argv = (sys.executable, "-S", "-c", code, *args)
    return Child(Service(name=name, argv=argv, environment=dict(os.environ)), starts)


@asynccontextmanager
async def running(work: Any) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


async def test_child_that_is_killed_is_started_again(starts: Starts, caplog: pytest.LogCaptureFixture) -> None:
    async with running(child(SLEEPS, starts).run()):
        await eventually(lambda: starts.pids)
        os.kill(starts.last, signal.SIGKILL)
        await eventually(lambda: len(starts.pids) == 2)
        assert alive(starts.last)
    assert "child ended (killed by signal 9); again in 0.2 s" in caplog.text


async def test_pauses_grow_while_a_child_goes_on_dying(
    starts: Starts, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "BACK_OFF_S", (0.01, 0.02, 0.03))
    async with running(child(ENDS, starts).run()):
        await eventually(lambda: len(starts.pids) == 5)
    pauses = [record.args[-1] for record in caplog.records if isinstance(record.args, tuple)]
    assert pauses[:4] == [0.01, 0.02, 0.03, 0.03]
    assert "child ended (status 3)" in caplog.text


async def test_pauses_begin_anew_after_a_steady_run(
    starts: Starts, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "BACK_OFF_S", (0.01, 0.02))
    monkeypatch.setattr(supervisor, "_STEADY_S", 0.0)
    async with running(child(ENDS, starts).run()):
        await eventually(lambda: len(starts.pids) == 4)
    assert {record.args[-1] for record in caplog.records if isinstance(record.args, tuple)} == {0.01}


async def test_program_that_cannot_be_started_is_tried_again(
    starts: Starts, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(supervisor, "BACK_OFF_S", (0.01,))
    program = tmp_path / "program"
    late = Child(Service(name="late", argv=(str(program),), environment=dict(os.environ)), starts)
    async with running(late.run()) as task:
        await eventually(lambda: "late cannot be started" in caplog.text or task.done())
        program.symlink_to("/bin/cat")  # ends at once: its input is empty
        await eventually(lambda: starts.pids or task.done())
        assert starts.pids


async def test_stopping_ends_the_child_and_waits_for_it(starts: Starts) -> None:
    async with running(child(SLEEPS, starts).run()):
        await eventually(lambda: starts.pids)
    assert not psutil.pid_exists(starts.last)


async def test_child_that_ignores_sigterm_is_killed(
    starts: Starts, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    argv = (sys.executable, "-S", "-c", DEAF, str(tmp_path / "deaf"))
    deaf = Child(Service(name="child", argv=argv, environment=dict(os.environ), stop_s=0.2), starts)
    async with running(deaf.run()):
        await eventually((tmp_path / "deaf").exists)
    assert not psutil.pid_exists(starts.last)
    assert "child does not stop; killed" in caplog.text


async def test_stopping_during_the_pause_starts_nothing_more(
    starts: Starts, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "BACK_OFF_S", (600.0,))
    async with running(child(ENDS, starts).run()):
        await eventually(lambda: "again in 600.0 s" in caplog.text)
    assert len(starts.pids) == 1


async def test_ctrl_c_of_the_terminal_reaches_the_supervisor_alone(starts: Starts) -> None:
    async with running(child(SLEEPS, starts).run()):
        await eventually(lambda: starts.pids)
        assert os.getpgid(starts.last) == starts.last != os.getpgid(0)


async def test_services_stop_in_the_opposite_order(starts: Starts) -> None:
    stopped: list[str] = []

    async def service(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(name)

    names = ["eventlog", "recorder", "collector"]
    tasks = [(name, asyncio.create_task(service(name))) for name in names]
    await asyncio.sleep(0)
    await stop_in_order(tasks)
    assert stopped == names[::-1]


async def test_one_that_failed_does_not_keep_the_others_from_being_stopped(starts: Starts) -> None:
    async def fail() -> None:
        raise EventLogError("no")

    first = asyncio.create_task(child(SLEEPS, starts, name="first").run())
    broken = asyncio.create_task(fail())
    await eventually(lambda: starts.pids and broken.done())
    await stop_in_order([("first", first), ("broken", broken)])
    assert first.done()
    assert not psutil.pid_exists(starts.last)


async def test_event_log_that_dies_comes_back_on_its_port(tmp_path: Path, starts: Starts) -> None:
    server = EmbeddedServer(settings_for(tmp_path))
    await server.start()
    port = server.ports.port
    async with running(keep_event_log(server, starts)):
        await eventually(lambda: starts.pids)
        os.kill(starts.last, signal.SIGKILL)
        await eventually(lambda: len(starts.pids) == 2)
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        await writer.wait_closed()
    assert not psutil.pid_exists(starts.last)


async def test_event_log_that_does_not_come_up_at_once_is_tried_again(
    tmp_path: Path, starts: Starts, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "BACK_OFF_S", (0.01,))
    server = EmbeddedServer(settings_for(tmp_path))
    await server.start()
    attempts = itertools.count(1)
    start = server.start

    async def start_on_the_third_try() -> None:
        if next(attempts) < 3:
            raise EventLogError("the embedded event log did not start.")
        await start()

    monkeypatch.setattr(server, "start", start_on_the_third_try)
    async with running(keep_event_log(server, starts)) as task:
        await eventually(lambda: starts.pids)
        os.kill(starts.last, signal.SIGKILL)
        await eventually(lambda: len(starts.pids) == 2 or task.done())
        assert len(starts.pids) == 2
    assert caplog.text.count("eventlog did not start (") == 2
