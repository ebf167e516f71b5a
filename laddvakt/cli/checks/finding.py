"""What a check says, and what it is given."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path

import msgspec

from laddvakt.domain.errors import EventLogError, LaddvaktError
from laddvakt.eventlog.probe import LogState, probe
from laddvakt.privacy import FieldCipher
from laddvakt.settings import Settings
from laddvakt.stores.sql.engine import RecordsState, SqlRecords, records_file


class Level(StrEnum):
    """How a thing is."""

    OK = "ok"  # as it should be
    WARN = "warn"  # works, or will once something is started; somebody should look
    FAIL = "fail"  # does not work


class Finding(msgspec.Struct, frozen=True):
    """`what` is the case, and what a person does about it."""

    level: Level
    what: str
    mend: str = ""


def ok(what: str) -> Finding:
    return Finding(Level.OK, what)


def warn(what: str, mend: str) -> Finding:
    return Finding(Level.WARN, what, mend)


def fail(what: str, mend: str) -> Finding:
    return Finding(Level.FAIL, what, mend)


def failed(error: LaddvaktError, mend: str = "") -> Finding:
    """An expected error as a finding."""
    return fail(error.message, error.mend or mend)


class Patient:
    """The installation that is examined. What several checks need is looked up once."""

    def __init__(self, settings: Settings, file: Path | None, clock: Callable[[], datetime]) -> None:
        self.settings = settings
        self.file = file
        self.clock = clock

    @cached_property
    def runs(self) -> bool:
        """Whether a `laddvakt up` holds this data directory."""
        try:
            descriptor = os.open(self.settings.run_dir / "up.lock", os.O_RDONLY)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(descriptor)
        return False

    @cached_property
    def log(self) -> LogState | EventLogError:
        """The event log's state, or why there is none."""
        return self.log_seen[0]

    @cached_property
    def log_seen(self) -> tuple[LogState | EventLogError, datetime]:
        """With our own time at which it answered."""
        try:
            return asyncio.run(probe(self.settings)), self.clock()
        except EventLogError as error:
            return error, self.clock()

    @cached_property
    def records(self) -> RecordsState | LaddvaktError | None:
        """The records' state, or why there is none; None: an SQLite file that is still to be made."""
        return self.records_seen[0]

    @cached_property
    def records_seen(self) -> tuple[RecordsState | LaddvaktError | None, datetime]:
        """With our own time at which they answered."""
        return _look_at_records(self.settings), self.clock()


def _look_at_records(settings: Settings) -> RecordsState | LaddvaktError | None:
    try:
        file = records_file(settings.records_url)
        if file is not None and not file.exists():
            return None
        records = SqlRecords(settings.records_url, FieldCipher("nothing is sealed here"))
    except LaddvaktError as error:
        return error
    try:
        return records.examine()
    except LaddvaktError as error:
        return error
    finally:
        records.close()
