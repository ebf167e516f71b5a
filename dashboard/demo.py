"""The logins of a demo installation: known passwords, so only ever made by `laddvakt up --demo`."""

from __future__ import annotations

from typing import NamedTuple


class DemoLogin(NamedTuple):
    """A user with a password that everybody knows."""

    name: str
    password: str
    role: str
    purpose: str


DEMO_LOGINS: tuple[DemoLogin, ...] = (
    DemoLogin("wall", "wall", "viewer", "the control room's display"),
    DemoLogin("maintainer", "maintainer", "maintainer", "maintenance: fault tickets"),
    DemoLogin("manager", "manager", "manager", "revenue, tariffs, reliability"),
    DemoLogin("admin", "admin", "admin", "everything"),
)
