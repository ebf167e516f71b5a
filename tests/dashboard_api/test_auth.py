"""Roles and actions."""

from __future__ import annotations

import pytest
from starlette.requests import HTTPConnection

from dashboard.auth import ROLES_OF, Action, Principal, Role, allowed, current_user


def test_every_action_has_roles_and_the_admin_does_what_people_do() -> None:
    assert set(ROLES_OF) == set(Action)
    for action, roles in ROLES_OF.items():
        assert roles
        assert Role.ADMIN in roles or action is Action.VIEW_OWN_SESSIONS


@pytest.mark.parametrize("action", list(Action))
def test_unknown_roles_may_nothing(action: Action) -> None:
    assert not allowed("root", action)
    assert not allowed("", action)


def test_drivers_see_what_is_theirs() -> None:
    assert {action for action in Action if allowed("driver", action)} == {
        Action.VIEW_OWN_SESSIONS,
        Action.VIEW_TARIFFS,
    }


def test_the_wall_only_looks() -> None:
    may = {action for action in Action if allowed("viewer", action)}
    assert all(action.startswith(("view_", "use_")) for action in may)


def test_nobody_is_signed_in_without_the_guard() -> None:
    assert current_user(HTTPConnection({"type": "http", "headers": []})) is None
    scope = {"type": "http", "headers": [], "state": {"principal": "admin"}}
    assert current_user(HTTPConnection(scope)) is None
    principal = Principal(name="a", role="admin")
    assert current_user(HTTPConnection({**scope, "state": {"principal": principal}})) is principal
