"""How services are started as children of a command that supervises them."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from laddvakt.cli.supervisor import Service
from laddvakt.domain.errors import SettingsError
from laddvakt.settings import OcppSettings, Settings, split_address

_STOP_S = 10.0  # beside the time for goodbyes


def laddvakt(config: Path | None, *words: str) -> tuple[str, ...]:
    """The arguments of `laddvakt WORDS` in a process of its own."""
    chosen = () if config is None else ("--config", str(config.absolute()))
    return (sys.executable, "-m", "laddvakt.cli", *chosen, *words)


def collector_services(ocpp: OcppSettings, config: Path | None, environment: dict[str, str]) -> list[Service]:
    """The collectors of one machine."""
    from collector.service import collector_name

    return [
        Service(
            name=collector_name(number),
            argv=laddvakt(config, "collector", "--number", str(number)),
            environment=environment,
            stop_s=_STOP_S + ocpp.drain_s,
        )
        for number in range(1, ocpp.processes + 1)
    ]


def station_address(settings: Settings) -> str:
    """`ocpp.listen` with a port. Raises SettingsError when one of the addresses for stations is in use: collectors
    that share a port would share it with a stranger too."""
    for door in settings.ocpp.listeners:
        fixed_address(door.listen, "ocpp.listeners")
    return fixed_address(settings.ocpp.listen, "ocpp.listen")


def fixed_address(text: str, setting: str) -> str:
    """An address with a port: 0 becomes a free one. Raises SettingsError when the port is in use, so that a
    person learns it now and not from a restarting child."""
    host, port = split_address(text)
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SettingsError(
                f"cannot listen on {text} ({setting}): {error.strerror}.",
                mend=f"Stop what uses that port, or set {setting} to another address.",
            ) from error
        return f"{host}:{probe.getsockname()[1]}"
