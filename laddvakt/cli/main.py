"""The command line: a group that imports a command only when it is asked for, so that each starts quickly.

Exit status 0 done, 1 failed with one clear line on stderr, 2 wrong usage.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import click

from laddvakt import __version__
from laddvakt.cli.context import Context
from laddvakt.domain.errors import LaddvaktError

# name on the command line -> module in laddvakt.cli (attribute `command`) and its line in the help
COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("up", "Run everything on this machine, supervised."),
    "collector": ("collector", "Run the collector: OCPP and MQTT in, event log out."),
    "tap": ("tap", "Run the tap: stations keep their central system, Laddvakt observes."),
    "recorder": ("recorder", "Run the recorder: event log in, records and telemetry out."),
    "detector": ("detector", "Run the detector: faults, tickets, alerts."),
    "dashboard": ("dashboard", "Run the pages and the REST API."),
    "import": ("import_", "Import a network file: sites, stations, tariffs, people to tell."),
    "user": ("user", "People who sign in."),
    "token": ("token", "API tokens for programs."),
    "command": ("command", "Send an OCPP command to a station and show its answer."),
    "station": ("station", "Stations: give them new passwords."),
    "quarantine": ("quarantine", "Messages set aside: list, read again after a fix, dismiss."),
    "replay": ("replay", "Run a recorded message log through the whole system on virtual time."),
    "log": ("log", "The event log: export it in replay format."),
    "simulate": ("simulate", "A fleet of simulated stations, live or as a log with ground truth."),
    "evaluate": ("evaluate", "The labelled benchmark of detection: simulated fleets, known faults."),
    "price": ("price", "Price an OCPI CDR with an OCPI tariff."),
    "doctor": ("doctor", "Check settings, stores, log, ports and clocks; say what is wrong and the mend."),
    "migrate": ("migrate", "Bring the records' schema up to date."),
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"laddvakt.cli.{COMMANDS[cmd_name][0]}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="laddvakt")
@click.option("--config", type=click.Path(path_type=Path), help="Settings file (default: laddvakt.toml).")
@click.option("--data", "data_dir", type=click.Path(path_type=Path), help="Data directory (default: data).")
@click.pass_context
def cli(ctx: click.Context, config: Path | None, data_dir: Path | None) -> None:
    """Laddvakt: monitoring, fault detection and revenue for charging stations."""
    ctx.obj = Context(config, data_dir)


def main(args: list[str] | None = None) -> Any:
    """Entry point of the `laddvakt` program."""
    try:
        return cli.main(args=args, prog_name="laddvakt", standalone_mode=True)
    except LaddvaktError as error:
        click.echo(f"laddvakt: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
