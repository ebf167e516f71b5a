"""What was read of the records last, kept on disk: a collector that starts while the records are away still knows
its stations and tokens. Pseudonyms only: no idTag, no name, no label."""

from __future__ import annotations

import logging
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from laddvakt.domain.tokens import Token
from laddvakt.settings import Settings
from laddvakt.stores.ports import Credentials

logger = logging.getLogger(__name__)


class Make(NamedTuple):
    """What a station said that it is, and the time zone of its site."""

    vendor: str | None = None
    model: str | None = None
    firmware: str | None = None
    timezone: str = "UTC"


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Registered stations by id with what proves them, and tokens by pseudonym."""

    stations: dict[str, Credentials]
    tokens: dict[str, Token]
    makes: dict[str, Make] = {}


def remembered_file(settings: Settings) -> Path:
    """Where this installation keeps it; its time is that of the last reading."""
    return settings.data_dir / "collector" / "authorisation.json"


class Remembered:
    """One file, readable by its owner only. What goes wrong with it is logged: nobody is turned away for it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: Snapshot | None = None

    def recall(self) -> tuple[Snapshot, datetime] | None:
        """What was kept, and when it was read; None where there is nothing that can be read."""
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=Snapshot)
            return kept, datetime.fromtimestamp(self._path.stat().st_mtime, UTC)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            logger.warning("%s cannot be used: %s", self._path, error)
            return None

    def keep(self, snapshot: Snapshot, now: datetime) -> None:
        """Writes what changed; else only the file's time."""
        try:
            if snapshot != self._kept or not self._path.exists():
                self._write(snapshot)
                self._kept = snapshot
            os.utime(self._path, (now.timestamp(), now.timestamp()))
        except OSError as error:
            logger.warning("stations and tokens are not remembered on disk: %s", error)

    def _write(self, snapshot: Snapshot) -> None:
        """Whole or not at all."""
        nameless = {name: replace(token, label="", driver_id=None) for name, token in snapshot.tokens.items()}
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=self._path.parent, delete=False) as file:  # for its owner only
            try:
                file.write(msgspec.json.encode(replace(snapshot, tokens=nameless)))
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(self._path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
