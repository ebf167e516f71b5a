"""`laddvakt user`: people who sign in."""

from __future__ import annotations

import sys

import click

from laddvakt.cli.actor import cli_actor
from laddvakt.cli.context import Context
from laddvakt.cli.records import opened_records
from laddvakt.clock import utc_now
from laddvakt.domain.errors import ConflictError, NotFoundError

ROLES = ("viewer", "maintainer", "manager", "admin", "driver")
MIN_LENGTH = 10
"""Characters of a password."""


@click.group(name="user")
def command() -> None:
    """People who sign in."""


@command.command(name="add")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What they may do.")
@click.option("--driver", "driver_id", help="The driver that they are; for role driver.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking.")
@click.option("--replace", is_flag=True, help="Give an existing user a new role and password.")
@click.pass_obj
def add(
    context: Context, name: str, role: str, driver_id: str | None, *, password_stdin: bool, replace: bool
) -> None:
    """Add the user NAME. The password is asked for twice."""
    if not name.strip() or name != name.strip() or len(name) > 100:
        raise click.BadParameter("1 to 100 characters, without spaces around them", param_hint="NAME")
    if (role == "driver") != (driver_id is not None):
        raise click.UsageError("--driver goes with --role driver, and only with it")
    settings = context.settings()
    password = _password(from_stdin=password_stdin)

    from dashboard.passwords import hash_password
    from laddvakt.stores.ports import AuditItem, User

    user = User(name=name, role=role, password_hash=hash_password(password), driver_id=driver_id)
    with opened_records(settings) as records, records.begin() as work:
        before = work.people.user(name)
        if before is not None and not replace:
            raise ConflictError(f"user {name} exists already.", mend="Use --replace for a new role and password.")
        if driver_id is not None and work.tokens.driver(driver_id) is None:
            raise NotFoundError(
                f"driver {driver_id} is not in the records.", mend="Import a network file with it."
            )
        work.people.save_user(user)
        action = "user.add" if before is None else "user.replace"
        detail = {"role": role, **({"driver_id": driver_id} if driver_id else {})}
        work.people.audit(AuditItem(at=utc_now(), actor=cli_actor(), action=action, object=name, detail=detail))
    click.echo(f"User {name} ({role}) can sign in.")


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    if len(password) < MIN_LENGTH:
        raise click.UsageError(f"the password is too short: it needs {MIN_LENGTH} characters or more")
    return str(password)
