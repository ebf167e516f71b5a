"""Laws of the records, tried with many values on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laddvakt.domain.money import Money
from laddvakt.domain.sessions import Cost, Session, SessionState
from laddvakt.privacy import FieldCipher
from laddvakt.stores.sql import SqlRecords
from laddvakt.stores.sql.types import (
    escape_text,
    from_microseconds,
    from_ten_thousandths,
    to_microseconds,
    to_ten_thousandths,
    unescape_text,
)
from tests.support.records import NOON, session
from tests.support.servers import Postgres


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> Iterator[SqlRecords]:
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres_server")
        url = server.fresh()
    else:
        url = "sqlite://"
    records = SqlRecords(url, FieldCipher("key"))
    records.migrate()
    yield records
    records.close()


AMOUNTS = st.integers(-(10**13), 10**13).map(lambda units: Decimal(units).scaleb(-4))
TIMES = st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1)).map(  # noqa: DTZ001 - made UTC
    lambda at: at.replace(tzinfo=UTC)
)
TEXTS = st.text(st.characters(exclude_categories=[]))


class _UndoneError(Exception):
    """Ends a unit of work, so that examples do not see one another."""


@settings(max_examples=30)
@given(amounts=st.lists(AMOUNTS, min_size=1, max_size=20))
def test_money_sums_are_exact(store: SqlRecords, amounts: list[Decimal]) -> None:
    zero = Money(amount=Decimal(0), currency="SEK")
    many = []
    for n, amount in enumerate(amounts):
        money = Money(amount=amount, currency="SEK")
        cost = Cost(excl_vat=money, vat=zero, incl_vat=money)
        many.append(session(f"S-{n}", state=SessionState.ENDED, ended_at=NOON, cost=cost))
    with pytest.raises(_UndoneError), store.begin() as work:
        work.sessions.save(many)
        stored = [work.sessions.many([one.session_id])[one.session_id] for one in many]
        assert stored == many
        for interval in (None, "day"):
            (row,) = work.sessions.revenue(
                group_by="station", interval=interval, from_=None, to=None, timezone="Europe/Stockholm"
            )
            assert row.incl_vat == row.excl_vat == row.outstanding == sum(amounts)
        assert work.sessions.totals(from_=NOON, to=NOON + timedelta(days=1)).incl_vat == sum(amounts)
        raise _UndoneError


@settings(max_examples=30)
@given(minutes=st.lists(st.integers(0, 4), max_size=25), limit=st.integers(1, 9))
def test_paging_visits_each_row_once(store: SqlRecords, minutes: list[int], limit: int) -> None:
    many = [session(f"S-{n}", started_at=NOON + timedelta(minutes=m)) for n, m in enumerate(minutes)]
    with pytest.raises(_UndoneError), store.begin() as work:
        work.sessions.save(many)
        seen: list[Session] = []
        after = None
        while True:
            page = work.sessions.page(after=after, limit=limit)
            seen += page.items
            after = page.next
            if after is None:
                break
            assert len(page.items) == limit
        assert seen == sorted(many, key=lambda one: (one.started_at, one.session_id), reverse=True)
        raise _UndoneError


@settings(max_examples=30)
@given(started_at=TIMES, text=TEXTS)
def test_times_and_texts_come_back_exactly(store: SqlRecords, started_at: datetime, text: str) -> None:
    with pytest.raises(_UndoneError), store.begin() as work:
        work.sessions.save([session(text, started_at=started_at, stop_reason=text)])
        assert work.sessions.get(text) == session(text, started_at=started_at, stop_reason=text)
        raise _UndoneError


@given(st.integers(-(2**63) + 1, 2**63 - 1))
def test_ten_thousandths_round_trip(units: int) -> None:
    assert to_ten_thousandths(from_ten_thousandths(units)) == units


@given(st.decimals(allow_nan=True, allow_infinity=True))
def test_ten_thousandths_are_exact_or_refused(amount: Decimal) -> None:
    try:
        units = to_ten_thousandths(amount)
    except ValueError:
        return
    assert from_ten_thousandths(units) == amount


@given(st.datetimes(timezones=st.timezones()))
def test_microseconds_round_trip(at: datetime) -> None:
    try:
        at.astimezone(UTC)
    except OverflowError:
        return  # outside of the calendar once in UTC
    assert from_microseconds(to_microseconds(at)) == at.astimezone(UTC)


@given(TEXTS, TEXTS)
def test_escaped_text_is_storable_and_comes_back(text: str, other: str) -> None:
    assert unescape_text(escape_text(text)) == text
    assert "\x00" not in escape_text(text)
    escape_text(text).encode("utf-8")
    assert (escape_text(text) == escape_text(other)) == (text == other)
