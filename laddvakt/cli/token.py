"""`laddvakt token`: API tokens for programs."""

from __future__ import annotations

import json
import secrets

import click

from laddvakt.cli.actor import cli_actor
from laddvakt.cli.context import Context
from laddvakt.cli.records import opened_records
from laddvakt.cli.user import ROLES
from laddvakt.clock import utc_now
from laddvakt.domain.errors import NotFoundError


@click.group(name="token")
def command() -> None:
    """API tokens for programs."""


@command.command(name="add")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What the program may do.")
@click.option("--driver", "driver_id", help="The driver whose data it may see; for role driver.")
@click.option("--json", "as_json", is_flag=True, help="Print name, role and token as JSON.")
@click.pass_obj
def add(context: Context, name: str, role: str, driver_id: str | None, *, as_json: bool) -> None:
    """Make a token for the program NAME and print it, this once: only its SHA-256 is kept. A former token of that
    name stops working."""
    if not name.strip() or name != name.strip() or len(name) > 100:
        raise click.BadParameter("1 to 100 characters, without spaces around them", param_hint="NAME")
    if (role == "driver") != (driver_id is not None):
        raise click.UsageError("--driver goes with --role driver, and only with it")
    settings = context.settings()

    from dashboard.web.directory import token_hash
    from laddvakt.stores.ports import ApiToken, AuditItem

    token, now = "lv_" + secrets.token_urlsafe(32), utc_now()
    kept = ApiToken(name=name, role=role, token_hash=token_hash(token), created_at=now, driver_id=driver_id)
    with opened_records(settings) as records, records.begin() as work:
        if driver_id is not None and work.tokens.driver(driver_id) is None:
            raise NotFoundError(
                f"driver {driver_id} is not in the records.", mend="Import a network file with it."
            )
        work.people.save_api_token(kept)
        detail = {"role": role, **({"driver_id": driver_id} if driver_id else {})}
        work.people.audit(AuditItem(at=now, actor=cli_actor(), action="token.add", object=name, detail=detail))
    click.echo(json.dumps({"name": name, "role": role, "token": token}) if as_json else token)
    if not as_json:
        click.echo("Keep it safe: it cannot be shown again.", err=True)
