"""Who runs a command, for the audit trail."""

from __future__ import annotations

import getpass


def cli_actor() -> str:
    """`cli:<user of the operating system>`."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return "cli:unknown"  # a container may run under a number that has no name
