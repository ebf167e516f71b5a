"""Who is asking, and what they may do: roles, actions, and the one table between them.

How somebody proves who they are is told in `dashboard/web/` (sessions, tokens, the guard)
and `dashboard/api/login.py`.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum

from starlette.requests import HTTPConnection


class Role(StrEnum):
    """What kind of person or program somebody is."""

    VIEWER = "viewer"  # looks at the wall; a screen in the control room
    MAINTAINER = "maintainer"  # mends stations: works on tickets, sends commands
    MANAGER = "manager"  # answers for money and reliability
    ADMIN = "admin"  # everything
    DRIVER = "driver"  # charges; sees nothing but their own sessions


class Action(StrEnum):
    """What can be asked for; pages and API routes name one of these, never a role."""

    USE_PAGES = "use_pages"  # open the operator's pages: the wall, sessions, tickets, stations
    VIEW_STATIONS = "view_stations"  # stations and connectors
    VIEW_STATION_DETAILS = "view_station_details"  # settings and security events of stations
    VIEW_SESSIONS = "view_sessions"  # sessions of everybody
    VIEW_OWN_SESSIONS = "view_own_sessions"  # sessions of the driver that asks
    VIEW_TICKETS = "view_tickets"  # fault tickets and their history
    WORK_ON_TICKETS = "work_on_tickets"  # acknowledge, assign, comment, resolve, judge, reopen, close
    SILENCE = "silence"  # hold tickets back for a time, as for planned maintenance
    COMMAND_STATIONS = "command_stations"  # send OCPP commands to stations
    VIEW_COMMANDS = "view_commands"  # which commands were sent, by whom, and what came of them
    VIEW_REVENUE = "view_revenue"  # money by station, tariff, driver
    VIEW_RELIABILITY = "view_reliability"  # availability and charging success
    VIEW_TARIFFS = "view_tariffs"  # prices; a driver may know them too
    EDIT_TARIFFS = "edit_tariffs"  # make a new version of a tariff
    VIEW_QUARANTINE = "view_quarantine"  # messages that were set aside
    SETTLE_QUARANTINE = "settle_quarantine"  # have them read again, or dismiss them
    VIEW_AUDIT = "view_audit"  # who did what
    MANAGE_PEOPLE = "manage_people"  # users, roles, API tokens


_OPERATORS = frozenset({Role.VIEWER, Role.MAINTAINER, Role.MANAGER, Role.ADMIN})
_HANDS = frozenset({Role.MAINTAINER, Role.MANAGER, Role.ADMIN})
_WRENCH = frozenset({Role.MAINTAINER, Role.ADMIN})
_MONEY = frozenset({Role.MANAGER, Role.ADMIN})

ROLES_OF: dict[Action, frozenset[Role]] = {
    Action.USE_PAGES: _OPERATORS,
    Action.VIEW_STATIONS: _OPERATORS,
    Action.VIEW_STATION_DETAILS: _HANDS,
    Action.VIEW_SESSIONS: _OPERATORS,
    Action.VIEW_OWN_SESSIONS: frozenset({Role.DRIVER}),
    Action.VIEW_TICKETS: _OPERATORS,
    Action.WORK_ON_TICKETS: _HANDS,
    Action.SILENCE: _HANDS,
    Action.COMMAND_STATIONS: _WRENCH,
    Action.VIEW_COMMANDS: _HANDS,
    Action.VIEW_REVENUE: _MONEY,
    Action.VIEW_RELIABILITY: _OPERATORS,
    Action.VIEW_TARIFFS: frozenset(Role),
    Action.EDIT_TARIFFS: _MONEY,
    Action.VIEW_QUARANTINE: _WRENCH,
    Action.SETTLE_QUARANTINE: _WRENCH,
    Action.VIEW_AUDIT: frozenset({Role.ADMIN}),
    Action.MANAGE_PEOPLE: frozenset({Role.ADMIN}),
}


def allowed(role: str, action: Action) -> bool:
    """Whether somebody of this role may do this. A role that the table does not know may do nothing."""
    return role in ROLES_OF[action]


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Who asks. `name` is a user's name, or `token:<name>` for a program; it is what the audit says.
    `driver_id` is set for drivers: the only one whose data they may see."""

    name: str
    role: str
    driver_id: str | None = None

    def may(self, action: Action) -> bool:
        return allowed(self.role, action)


_asking: ContextVar[Principal | None] = ContextVar("laddvakt_principal", default=None)


def current_user(request: HTTPConnection) -> Principal | None:
    """Who sent this request, or opened this websocket; None when nobody is signed in."""
    principal = request.scope.get("state", {}).get("principal")
    return principal if isinstance(principal, Principal) else None


def signed_in() -> Principal | None:
    """`current_user` of the request being served now, for code that holds no request (Dash callbacks, also over
    their websocket and in worker threads)."""
    return _asking.get()


def remember(connection: HTTPConnection, principal: Principal | None) -> None:
    """Makes `principal` the answer of `current_user` and `signed_in` for this request. The guard calls it."""
    connection.scope.setdefault("state", {})["principal"] = principal
    _asking.set(principal)
