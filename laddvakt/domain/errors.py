"""The one error tree. Errors carry data; each message says what is wrong, where, and how to mend it."""

from __future__ import annotations


class LaddvaktError(Exception):
    """Base of all expected failures. `mend` tells a person what to do next."""

    def __init__(self, message: str, *, mend: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.mend = mend

    def __str__(self) -> str:
        return f"{self.message} {self.mend}".strip()


class SettingsError(LaddvaktError):
    """A setting is unknown, unreadable or out of range."""


class NetworkFileError(LaddvaktError):
    """A network file cannot be imported; nothing of it was."""


class LogLineError(LaddvaktError):
    """A line of a replay log cannot be read."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line


class EventLogError(LaddvaktError):
    """The event log cannot take or give entries."""


class StoreError(LaddvaktError):
    """A store failed; the driver's error is the cause."""


class StoreUnavailableError(StoreError):
    """A store cannot be reached now; trying again later is right."""


class NotFoundError(LaddvaktError):
    """The named thing does not exist."""


class ConflictError(LaddvaktError):
    """The action does not fit the thing's present state."""


class TariffError(LaddvaktError):
    """A tariff cannot be read or priced."""


class FrameError(LaddvaktError):
    """A text is not an OCPP-J frame. `code` is the CALLERROR code of OCPP-J 1.6 section 4.2.3, or
    MessageTypeNotSupported (2.0.1 part 4 section 4.3); `kind` the message type, where it is one that exists."""

    def __init__(self, code: str, message: str, unique_id: str | None = None, kind: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.unique_id = unique_id
        self.kind = kind


class LinkError(LaddvaktError):
    """A signed link cannot be used: it is not one of ours, or too old."""


class PayloadError(LaddvaktError):
    """An MQTT payload cannot be read as readings."""
