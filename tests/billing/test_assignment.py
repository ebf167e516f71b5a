"""Which tariff applies where: the narrowest that is valid."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from laddvakt.billing import choose
from laddvakt.stores.ports import Assignment

NOW = datetime(2026, 11, 21, tzinfo=UTC)
DAY = timedelta(days=1)

PLAN = Assignment(tariff_id="plan", scope="plan", target="fleet")
CONNECTOR = Assignment(tariff_id="connector", scope="connector", target="SE-1/2")
STATION = Assignment(tariff_id="station", scope="station", target="SE-1")
SITE = Assignment(tariff_id="site", scope="site", target="north")
DEFAULT = Assignment(tariff_id="default", scope="default")
ALL = [DEFAULT, SITE, STATION, CONNECTOR, PLAN]


def chosen(
    assignments: list[Assignment],
    *,
    plan: str | None = "fleet",
    connector_id: int | None = 2,
    site_id: str | None = "north",
    at: datetime = NOW,
) -> str | None:
    found = choose(assignments, station_id="SE-1", site_id=site_id, connector_id=connector_id, plan=plan, at=at)
    return found.tariff_id if found else None


def test_narrowest_wins() -> None:
    assert chosen(ALL) == "plan"
    assert chosen(ALL, plan=None) == "connector"
    assert chosen(ALL, plan="other", connector_id=1) == "station"
    assert chosen([DEFAULT, SITE], connector_id=None) == "site"
    assert chosen([DEFAULT, SITE], site_id="south") == "default"
    assert chosen([SITE], site_id=None) is None
    assert chosen([]) is None


def test_validity_starts_inclusive_and_ends_exclusive() -> None:
    limited = Assignment(tariff_id="x", scope="station", target="SE-1", valid_from=NOW, valid_to=NOW + DAY)
    assert chosen([limited], at=NOW) == "x"
    assert chosen([limited], at=NOW - timedelta(microseconds=1)) is None
    assert chosen([limited], at=NOW + DAY) is None


def test_of_equals_the_one_valid_last_then_the_first_listed() -> None:
    old = Assignment(tariff_id="old", scope="site", target="north")
    new = Assignment(tariff_id="new", scope="site", target="north", valid_from=NOW - DAY)
    same = Assignment(tariff_id="same", scope="site", target="north", valid_from=NOW - DAY)
    assert chosen([old, new, same]) == "new"
    assert chosen([old, new, same], at=NOW - 2 * DAY) == "old"


@given(st.permutations(ALL), st.integers(0, 5))
def test_order_of_scopes_does_not_matter(shuffled: list[Assignment], kept: int) -> None:
    left = shuffled[:kept]
    expected = max(left, key=ALL.index, default=None)
    assert chosen(left) == (expected.tariff_id if expected else None)
